"""What `[cluster]` of kind "gateway" may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cluster.resources import Resources
from cluster.spec import GatewayCluster

FIELDS: dict[str, Any] = {
    "kind": "gateway",
    "address": "https://gateway.example.org/",
    "workers": 2,
    "memory": "2 GiB",
}


def test_the_server_decides_the_threads() -> None:
    spec = GatewayCluster.model_validate(FIELDS | {"threads": 2, "most": 5})
    assert spec.address == "https://gateway.example.org"
    assert spec.resources(remote=True) == Resources(2, 2, 2 * 2**30, waiting=0, most=5)


def test_http_needs_a_word_beyond_this_machine() -> None:
    GatewayCluster.model_validate(FIELDS | {"address": "http://127.0.0.1:8000"})
    GatewayCluster.model_validate(FIELDS | {"address": "http://gate:80", "insecure": True})


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"address": "http://gateway.example.org"}, "insecure = true"),
        ({"address": "https://me:secret@gateway.example.org"}, "without user and password"),
        ({"address": "gateway.example.org"}, "should be https"),
        ({"password": "katze-0815"}, r"write it as '\$\{secret:NAME\}'"),
        ({"password": "x${secret:NAME}"}, r"write it as '\$\{secret:NAME\}'"),
        ({"auth": "kerberos", "password": "${secret:NAME}"}, "tickets"),
        ({"auth": "jupyterhub", "user": "me"}, "auth = 'basic' only"),
        ({"cluster": "mine", "most": 3}, "for a new cluster"),
        ({"cluster": "mine", "options": {"a": 1}}, "for a new cluster"),
        ({"most": 1}, "most is less than workers"),
        ({"proxy_address": "no-port"}, "pattern"),
    ],
)
def test_a_spec_that_cannot_be(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        GatewayCluster.model_validate(FIELDS | fields)
