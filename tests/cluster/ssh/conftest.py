"""Hosts that SSH reaches, for all tests of a module."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

import ssh_hosts  # noqa: E402


@pytest.fixture(scope="session")
def two_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ssh_hosts.Hosts]:
    reason = ssh_hosts.missing()
    if reason is not None and os.environ.get("MILLRACE_MUST_HAVE") == "ssh":
        pytest.fail(reason)  # `make test-ssh` would else pass without a test
    if reason is not None:
        pytest.skip(reason)
    with ssh_hosts.hosts(tmp_path_factory.mktemp("ssh"), 2) as made:
        yield made
