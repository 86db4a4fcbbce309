"""What every test may ask for: the folder of real records, and the marks that say so."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine must not fail a test: no property is about time.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("millrace", PATIENT, max_examples=40)
settings.register_profile("thorough", PATIENT, max_examples=300)  # of `make test-long`
settings.load_profile("millrace")

REPOSITORY = Path(__file__).resolve().parents[1]

# The tests start some hundreds of processes. Where no byte code may be written, each compiles all
# of millrace anew, seconds for a worker: it is written nevertheless, beside the sources as that of
# the libraries is. (A folder of its own would hide theirs: a first run then compiles them all.)
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


LONGEST = tuple(
    f"tests/{folder}/"
    for folder in (
        *("jobs", "engine/boosting", "engine/commit", "engine/estimator", "engine/learners"),
        *("engine/tuning", "examples"),
    )
)
"""Folders whose files take longest. They come first: what is left for one worker when the other has
nothing more to do is then a short file."""


def real_data_folder() -> Path:
    """Return where the real records should be: ``MILLRACE_DATA``, else ``../shared/data``."""
    named = os.environ.get("MILLRACE_DATA")
    return REPOSITORY / (named or "../shared/data")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first; mark tests that take ``data_dir``, and skip those without the data."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
    folder = real_data_folder()
    absent = pytest.mark.skip(reason=f"no real records at {folder} (set MILLRACE_DATA)")
    for item in items:
        if "data_dir" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.real_data)
        if item.get_closest_marker("real_data") and not folder.is_dir():
            item.add_marker(absent)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of the real records; a test that takes it is skipped where it is absent."""
    return real_data_folder().resolve()
