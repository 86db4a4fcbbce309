"""LightGBM listens at its rank's address only; its own choice would be all of them."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the loader's tables are Linux's")

ROOT = Path(__file__).parents[3]

_WAITS_FOR_A_PEER = """
import sys
from engine.boosting.rank import listening, network
from engine.boosting.work import Place
if sys.argv[1] == "as it is":
    network.listen_at = lambda *_: None
places = [Place(rank, "", sys.argv[2], int(sys.argv[3]) + rank, 0) for rank in range(2)]
with network.connected(places, 0):
    pass
"""


def _listens(way: str, host: str, port: int) -> set[str]:
    """Return where a rank listens that waits for the other one."""
    command = [sys.executable, "-c", _WAITS_FOR_A_PEER, way, host, str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and process.poll() is None:
                found = psutil.Process(process.pid).net_connections("inet")
                if at := {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}:
                    return at
                time.sleep(0.02)
        finally:
            process.kill()
    raise AssertionError("it never listened")


def test_at_the_address_of_the_rank() -> None:
    assert _listens("bound", "127.0.0.1", 23_610) == {"127.0.0.1"}


def test_at_an_address_of_a_network() -> None:
    entries = [entry for found in psutil.net_if_addrs().values() for entry in found]
    own = [one.address for one in entries if one.family == socket.AF_INET]
    outer = [address for address in own if not address.startswith("127.")]
    if not outer:
        pytest.skip("this machine has no network but loopback")
    assert _listens("bound", outer[0], 23_620) == {outer[0]}


def test_at_all_addresses_if_it_is_let() -> None:
    """Else the test above shows nothing."""
    assert _listens("as it is", "127.0.0.1", 23_630) == {"0.0.0.0"}
