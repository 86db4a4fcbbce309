"""Clusters in Kubernetes."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cluster.spec.elsewhere import Scaled
from cluster.spec.paths import LocalPath

ObjectName = Annotated[
    str, Field(strict=True, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]
"""Name of an object of Kubernetes (RFC 1123)."""

MountPath = Annotated[str, Field(strict=True, pattern=r"^/[^:]+$")]
"""An absolute path in a container."""


class KubernetesCluster(Scaled):
    """Pods that the Dask operator starts; they end with the session that asked for them."""

    kind: Literal["kubernetes"] = Field(
        description="Pods in Kubernetes, started by the Dask operator."
    )
    image: str = Field(
        strict=True,
        pattern=r"^\S+$",
        description="Image of the pods, such as `registry.example.org/millrace:0.1`. It must hold "
        "this version of millrace, and Dask's command `dask`.",
    )
    namespace: ObjectName | None = Field(
        None, description="Namespace of the pods. Left out: that of the context."
    )
    context: str | None = Field(
        None,
        strict=True,
        description="Context of the kubeconfig file. Left out: the current one, or in a pod the "
        "pod's own cluster.",
    )
    service_account: ObjectName | None = Field(
        None, description="Service account of the pods. Left out: the namespace's default."
    )
    cpu: float | None = Field(
        None, gt=0, description="Cores of a worker's pod. Left out: one for each of its threads."
    )
    user: int = Field(
        1000, ge=1, strict=True, description="Number of the user and group that the pods run as."
    )
    labels: dict[str, str] = Field(default_factory=dict, description="Labels of all objects.")
    secrets: tuple[ObjectName, ...] = Field(
        (),
        description="Secrets of Kubernetes; each of their keys is a secret `${secret:KEY}` for the "
        "workers.",
    )
    volumes: dict[ObjectName, MountPath] = Field(
        default_factory=dict,
        description="Claims of volumes (PersistentVolumeClaim), and where workers find each. This "
        "machine must see the same files under the same path.",
    )
    tls: LocalPath | None = Field(
        None,
        description="Folder of the certificates that `millrace cluster certs` made, on this "
        "machine. Left out: new ones are made for the session.",
    )
    tls_secret: ObjectName | None = Field(
        None,
        description="Secret of Kubernetes that holds the files of `tls`. Left out: the session "
        "makes one, and it ends with the cluster.",
    )
    insecure: bool = Field(
        False,
        strict=True,
        description="Let the scheduler listen at port 8787 without encryption, as `most` needs: "
        "there the operator asks how many workers are wanted. No code and no data pass, but "
        "whoever reaches it can send workers away. A NetworkPolicy lets the operator in alone, "
        "where the cluster's network heeds them.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.most is not None and self.most < self.workers:
            raise ValueError("most is less than workers")
        if self.most is not None and not self.insecure:
            raise ValueError(
                "most needs insecure = true: the operator asks the scheduler over plain HTTP how "
                "many workers it wants; leave most out for a fixed number of workers"
            )
        if self.most is not None and self.dashboard:
            raise ValueError(
                "dashboard does not go with most: its port is then open to the operator"
            )
        return self
