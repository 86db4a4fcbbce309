"""`[cluster] kind = "ssh"`: hosts and workers that cannot be are refused in words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from cluster.errors import ClusterError
from cluster.providers.ssh.checks import check_offer, check_python
from cluster.providers.ssh.command import command
from cluster.providers.ssh.program import offer
from cluster.providers.ssh.scheduler import listening
from cluster.resources import Resources
from cluster.session import offered
from cluster.spec import ClusterSpec, SshCluster
from cluster.spec.ssh import Host

SPECS: TypeAdapter[SshCluster] = TypeAdapter(ClusterSpec)


def spec(**given: Any) -> SshCluster:
    whole = {"kind": "ssh", "hosts": ["a", "b"], "workers": 4, "memory": "1 GiB", **given}
    return SPECS.validate_python(whole, context={"folder": Path("/job")})


def test_hosts_are_taken_apart() -> None:
    found = spec(hosts=["a", "me@b", "c:2222", "me@[fd00::1]:22"]).reached
    assert found == (
        Host("a", "a"),
        Host("me@b", "b", "me"),
        Host("c:2222", "c", None, 2222),
        Host("me@[fd00::1]:22", "fd00::1", "me", 22),
    )


@pytest.mark.parametrize("text", ["", "a b", "a:", "a:x", "-oProxyCommand=x", "@a", "a:1:2", "a/b"])
def test_other_hosts_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="should be `host`, `user@host`"):
        spec(hosts=[text])


def test_a_port_is_a_port() -> None:
    with pytest.raises(ValidationError, match="70000 is not a port"):
        spec(hosts=["a:70000"])
    assert spec(address="10.1.0.5:8786").listening == ("10.1.0.5", 8786)


def test_workers_are_spread_evenly() -> None:
    assert spec().each == 2
    assert offered(spec(threads=2)) == Resources(4, 2, 2**30)
    with pytest.raises(ValidationError, match="5 workers cannot be spread evenly over 2 hosts: "):
        spec(workers=5)
    with pytest.raises(ValidationError, match="give `workers` = 2"):
        spec(workers=1)


def test_a_host_stands_once() -> None:
    with pytest.raises(ValidationError, match="a host stands twice"):
        spec(hosts=["a", "me@a"])


def test_an_interface_or_an_address() -> None:
    with pytest.raises(ValidationError, match="not both"):
        spec(interface="eth0", address="10.1.0.5")


def test_paths_start_at_the_job_file_or_at_home() -> None:
    found = spec(identity="keys/id", known_hosts="~/.ssh/others", tls="certs")
    assert found.identity == Path("/job/keys/id")
    assert found.known_hosts == Path.home() / ".ssh/others"
    assert found.tls == Path("/job/certs")


def test_where_the_scheduler_listens() -> None:
    ways = ["10.1.0.5", "10.2.0.5"]
    assert listening(spec(), ways) == ("10.1.0.5", 0)
    assert listening(spec(address="10.3.0.5:99"), ways) == ("10.3.0.5", 99)
    assert listening(spec(interface="lo"), ["127.0.0.1", "127.0.0.1"]) == ("127.0.0.1", 0)
    with pytest.raises(ClusterError, match=r"b cannot reach the scheduler at 127\.0\.0\.1"):
        listening(spec(), ["127.0.0.1", "10.2.0.5"])
    with pytest.raises(ClusterError, match="`interface` of"):
        listening(spec(interface="no-such"), ways)


def test_what_a_host_lacks_is_named() -> None:
    host, here = Host("a", "a"), offer()
    check_python(host, sys.version_info[:3])
    check_offer(spec(), host, "python", {**here, "millrace": True})
    with pytest.raises(ClusterError, match=r"host a: Python 3\.9\.1 runs there and 3\."):
        check_python(host, (3, 9, 1))
    for lacking, said in (
        ({"distributed": "2024.1.0"}, r"needed, and python has distributed 2024\.1\.0"),
        ({"distributed": None}, "needed, and python has none"),
        ({"millrace": False}, "millrace is not installed for python"),
        ({"memory": 2**30}, r"2 workers of 1\.00 GiB need more memory than the 1\.00 GiB"),
    ):
        with pytest.raises(ClusterError, match=said):
            check_offer(spec(), host, "python", {**here, "millrace": True, **lacking})


def test_the_command_holds_whatever_a_path_holds() -> None:
    assert "'" in command("/a b/py'thon", "/x; rm -rf /")
    assert command("python", None).startswith("exec /bin/sh -c ")
