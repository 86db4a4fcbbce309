"""A cluster that runs already."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from cluster.spec.base import Cluster


class AddressCluster(Cluster):
    """A cluster that somebody else started; it is attached to, and never shut down."""

    kind: Literal["address"] = Field(description="A cluster that runs already.")
    address: str = Field(
        description="Address of its scheduler, such as `tls://10.1.0.5:8786`, or the name of a "
        "cluster that `millrace cluster up` started on this machine."
    )
    tls: Path | None = Field(
        None, description="Folder of the certificates that `millrace cluster certs` made."
    )
    insecure: bool = Field(
        False,
        strict=True,
        description="Attach to `tcp://` beyond this machine, where whoever reaches the port can "
        "run any code on all workers.",
    )
