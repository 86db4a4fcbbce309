"""What clusters have in common whose workers run on other machines, and that a session starts."""

from __future__ import annotations

from pydantic import Field

from cluster.resources import Resources
from cluster.spec.base import Bytes, Own
from cluster.spec.paths import LocalPath


class Sized(Own):
    """A cluster of fixed size on other machines; it ends with the session that started it."""

    workers: int = Field(ge=1, strict=True, description="Number of workers.")
    memory: Bytes = Field(
        description="Memory of one worker, such as `16 GiB`; the plan never exceeds it."
    )

    def resources(self, *, remote: bool = False) -> Resources:
        """Return what the cluster will offer.

        Args:
            remote: Whether its tasks read from a store or write to one, and wait for it.
        """
        return Resources(self.workers, self.threads, self.memory, waiting=self.threads * remote)


class Growing(Sized):
    """A cluster that can grow while there is more to do than its workers can take."""

    most: int | None = Field(
        None,
        ge=1,
        strict=True,
        description="Number of workers at most: more are asked for while more tasks wait than "
        "`workers` can take, and are given back when they idle. Training always has `workers`.",
    )

    def resources(self, *, remote: bool = False) -> Resources:
        """Return what the cluster will offer; only `workers` are counted on.

        Args:
            remote: Whether its tasks read from a store or write to one, and wait for it.
        """
        least = super().resources(remote=remote)
        return Resources(
            least.workers, least.threads, least.memory, least.waiting, self.most or self.workers
        )


class Started(Sized):
    """One whose connections are encrypted with certificates of millrace."""

    tls: LocalPath | None = Field(
        None,
        description="Folder of the certificates that `millrace cluster certs` made; every machine "
        "must see it under this path. Left out: new ones are made for the session.",
    )


class Scaled(Growing, Started):
    """Both: it can grow, and its certificates are ours."""
