"""Where training may listen: ports and networks that cannot be are refused in words."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from cluster import LocalCluster


def test_ports_are_a_range() -> None:
    assert LocalCluster(ports="12400-12499").port_range == (12400, 12499)
    assert LocalCluster().port_range is None


@pytest.mark.parametrize(
    "text", ["", "12400", "12499-12400", "12400-12400", "80-90", "12400-70000", "a-b", " 1-2"]
)
def test_other_ranges_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="should be two ports from 1024 to 65535"):
        LocalCluster(ports=text)


def test_a_network_is_in_cidr_notation() -> None:
    assert LocalCluster(network="10.1.0.0/16").network == "10.1.0.0/16"


@pytest.mark.parametrize("text", ["10.1.0.1/16", "10.1/16", "fe80::/10", "eth0", ""])
def test_other_networks_are_refused(text: str) -> None:
    with pytest.raises(
        ValidationError, match=r"should be an IPv4 network such as '10\.1\.0\.0/16'"
    ):
        LocalCluster(network=text)
