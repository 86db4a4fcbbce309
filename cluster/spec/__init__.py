"""Which cluster a job asks for: one frozen model per kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import BaseModel, Discriminator, Tag

from cluster.spec.address import AddressCluster
from cluster.spec.base import Bytes, Cluster
from cluster.spec.gateway import GatewayCluster
from cluster.spec.jobqueue import (
    QUEUES,
    HtcondorCluster,
    LsfCluster,
    PbsCluster,
    SgeCluster,
    SlurmCluster,
)
from cluster.spec.kubernetes import KubernetesCluster
from cluster.spec.local import LocalCluster
from cluster.spec.ssh import SshCluster

__all__ = [
    "KINDS",
    "AddressCluster",
    "Bytes",
    "Cluster",
    "ClusterSpec",
    "GatewayCluster",
    "KubernetesCluster",
    "LocalCluster",
    "SshCluster",
]

KINDS: tuple[type[Cluster], ...] = (
    LocalCluster,
    AddressCluster,
    SshCluster,
    *QUEUES,
    KubernetesCluster,
    GatewayCluster,
)
"""The models, in the order in which they are documented."""


def _kind(given: object) -> str:
    """Return which kind is meant: ``local`` where none is named."""
    if isinstance(given, Mapping):
        return str(given.get("kind", "local"))
    return str(getattr(given, "kind", "local")) if isinstance(given, BaseModel) else "local"


ClusterSpec: TypeAlias = Annotated[
    Annotated[LocalCluster, Tag("local")]
    | Annotated[AddressCluster, Tag("address")]
    | Annotated[SshCluster, Tag("ssh")]
    | Annotated[KubernetesCluster, Tag("kubernetes")]
    | Annotated[GatewayCluster, Tag("gateway")]
    | Annotated[SlurmCluster, Tag("slurm")]
    | Annotated[PbsCluster, Tag("pbs")]
    | Annotated[LsfCluster, Tag("lsf")]
    | Annotated[SgeCluster, Tag("sge")]
    | Annotated[HtcondorCluster, Tag("htcondor")],
    Discriminator(_kind),
]
"""One of the kinds."""
