"""A real SLURM for the tests of this folder; `make test-slurm` fails where it is absent."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cluster.slurm.queueing import Slurm, absent, running


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """Return a SLURM of two nodes with two cores each."""
    if lacking := absent():
        told = f"no {', '.join(lacking)} on this machine (Debian: slurm-wlm, munge)"
        if os.environ.get("MILLRACE_MUST_HAVE") == "slurm":
            pytest.fail(told)
        pytest.skip(told)
    with running() as found:
        yield found
