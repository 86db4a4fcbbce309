"""Which cluster a job asks for: one frozen model per kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import BaseModel, Discriminator, Tag

from cluster.spec.address import AddressCluster
from cluster.spec.base import Bytes, Cluster
from cluster.spec.local import LocalCluster

__all__ = ["KINDS", "AddressCluster", "Bytes", "Cluster", "ClusterSpec", "LocalCluster"]

KINDS: tuple[type[Cluster], ...] = (LocalCluster, AddressCluster)
"""The models, in the order in which they are documented."""


def _kind(given: object) -> str:
    """Return which kind is meant: ``local`` where none is named."""
    if isinstance(given, Mapping):
        return str(given.get("kind", "local"))
    return str(getattr(given, "kind", "local")) if isinstance(given, BaseModel) else "local"


ClusterSpec: TypeAlias = Annotated[
    Annotated[LocalCluster, Tag("local")] | Annotated[AddressCluster, Tag("address")],
    Discriminator(_kind),
]
"""One of the kinds."""
