"""Clusters that a Dask Gateway server starts for its users."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from cluster.resources import Resources
from cluster.secrets import NAME, REFERENCE
from cluster.spec.elsewhere import Growing


def _is_reference(text: str) -> str:
    found = REFERENCE.fullmatch(text)
    if found is None or not NAME.fullmatch(found[1]):
        raise ValueError("is a secret: write it as '${secret:NAME}', never as it is")
    return text


def _is_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError("should be https://HOST, without user and password")
    return text.rstrip("/")


Option = bool | int | float | str
"""A value of an option of the server."""


class GatewayCluster(Growing):
    """A cluster of a Dask Gateway server; it ends with the session that started it."""

    kind: Literal["gateway"] = Field(description="A cluster of a Dask Gateway server.")
    address: Annotated[str, AfterValidator(_is_url)] = Field(
        description="The server, such as `https://gateway.example.org`."
    )
    proxy_address: str | None = Field(
        None,
        strict=True,
        pattern=r"^[^/\s]+:\d+$",
        description="HOST:PORT at which the server passes connections on to schedulers. Left out: "
        "those of `address`.",
    )
    auth: Literal["basic", "jupyterhub", "kerberos"] = Field(
        "basic", description="How the server knows who you are."
    )
    user: str | None = Field(
        None, strict=True, description="User, for `basic`. Left out: the user of this machine."
    )
    password: Annotated[str, AfterValidator(_is_reference)] | None = Field(
        None,
        strict=True,
        description="Password of `basic`, or API token of `jupyterhub` (left out: the variable "
        "`JUPYTERHUB_API_TOKEN`), as `${secret:NAME}`.",
    )
    insecure: bool = Field(
        False,
        strict=True,
        description="Talk to `http://` beyond this machine, where the password and the key of the "
        "cluster can be read on their way: whoever has the key can run any code on all workers.",
    )
    options: dict[str, Option | dict[str, Option]] = Field(
        default_factory=dict,
        description="Options of the server for a new cluster, such as `worker_memory`; they must "
        "yield workers of `threads` and `memory`.",
    )
    cluster: str | None = Field(
        None,
        strict=True,
        min_length=1,
        description="Name of a cluster of yours that runs already: it is used as it is, and left "
        "running.",
    )
    dashboard: bool = Field(
        False, strict=True, description="Tell the address of Dask's dashboard on the server."
    )

    def resources(self, *, remote: bool = False) -> Resources:
        """Return what the cluster will offer; the server decides the threads of its workers.

        Args:
            remote: Whether tasks wait for a store; no threads are added for that.
        """
        return super().resources()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if urlsplit(self.address).scheme == "http" and not (self.insecure or _loopback(self)):
            raise ValueError(
                "address is http:// beyond this machine, where the password and the key of the "
                "cluster can be read on their way; give https://, or write insecure = true"
            )
        if self.auth == "kerberos" and self.password is not None:
            raise ValueError("password does not go with auth = 'kerberos', which has its tickets")
        if self.user is not None and self.auth != "basic":
            raise ValueError("user goes with auth = 'basic' only")
        if self.cluster is not None and (self.options or self.most):
            raise ValueError(
                "options and most are for a new cluster, and `cluster` names one that runs already"
            )
        if self.most is not None and self.most < self.workers:
            raise ValueError("most is less than workers")
        return self


def _loopback(spec: GatewayCluster) -> bool:
    host = urlsplit(spec.address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
