"""A cluster that runs already."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, model_validator

from cluster.spec.base import Cluster
from cluster.spec.paths import LocalPath

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Names of clusters that `millrace cluster up` starts; each is a folder."""


def _is_address(text: str) -> str:
    if NAME.fullmatch(text) or _is_url(text):
        return text
    raise ValueError(
        "should be tls://HOST:PORT, tcp://127.0.0.1:PORT, or the name of a cluster that "
        "`millrace cluster up` started"
    )


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    try:
        whole = bool(parts.hostname and parts.port)
    except ValueError:  # the port is no number, or too large
        return False
    more = parts.username or parts.path or parts.query or parts.fragment
    return whole and not more and parts.scheme in ("tls", "tcp")


class AddressCluster(Cluster):
    """A cluster that somebody else started; it is attached to, and never shut down."""

    kind: Literal["address"] = Field(description="A cluster that runs already.")
    address: Annotated[str, AfterValidator(_is_address)] = Field(
        description="Address of its scheduler, such as `tls://10.1.0.5:8786`, or the name of a "
        "cluster that `millrace cluster up` started on this machine.",
    )
    tls: LocalPath | None = Field(
        None,
        description="Folder of the cluster's certificates (`millrace cluster certs`), needed for "
        "`tls://`; of its files, `ca.pem`, `client.pem` and `client-key.pem` are read.",
    )
    insecure: bool = Field(
        False,
        strict=True,
        description="Attach to `tcp://` beyond this machine, where whoever reaches the port can "
        "run any code on all workers.",
    )

    @property
    def url(self) -> SplitResult | None:
        """The address in its parts; None where a name is given."""
        return urlsplit(self.address) if "://" in self.address else None

    @model_validator(mode="after")
    def _check(self) -> Self:
        scheme = self.url.scheme if self.url else "a name"
        if scheme == "tls" and self.tls is None:
            raise ValueError(
                "address is tls://, which needs tls = 'FOLDER', the folder of its certificates"
            )
        if scheme != "tls" and self.tls is not None:
            raise ValueError(f"tls goes with an address of tls:// only, and this is {scheme}")
        if self.url and scheme == "tcp" and not (_is_loopback(self.url) or self.insecure):
            raise ValueError(
                "address is tcp:// beyond this machine: neither encrypted nor authenticated, so "
                "that whoever reaches the port can run any code on all workers. Start the cluster "
                "with certificates (`millrace cluster certs FOLDER`) and give tls://, or write "
                "insecure = true"
            )
        return self


def _is_loopback(url: SplitResult) -> bool:
    host = url.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
