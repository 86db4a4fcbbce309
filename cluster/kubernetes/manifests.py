"""The objects of a cluster, as the operator and Kubernetes take them."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

from cluster.errors import ClusterError
from cluster.extras import library
from cluster.kubernetes import pods
from cluster.resources import Resources
from cluster.security.files import AUTHORITY, certificate, key
from cluster.spec.kubernetes import KubernetesCluster

DASK = "kubernetes.dask.org/v1"
MANAGED = {"app.kubernetes.io/managed-by": "millrace"}

_OPERATOR = {"app.kubernetes.io/name": "dask-kubernetes-operator"}
"""Label of the operator's pods, by its Helm chart."""


def cluster(spec: KubernetesCluster, name: str, resources: Resources) -> dict[str, Any]:
    """Return the DaskCluster.

    Args:
        spec: The section of the job file.
        name: Its name.
        resources: How many workers, and what each may use.

    Raises:
        ClusterError: dask-kubernetes is not installed, or the name cannot be one.
    """
    _check(name)
    operator = library("dask_kubernetes.operator", "kubernetes")
    made: dict[str, Any] = operator.make_cluster_spec(
        name, image=spec.image, n_workers=resources.workers
    )
    made["metadata"] = _metadata(spec, name)
    made["spec"]["scheduler"]["spec"] = pods.scheduler(spec, name, resources)
    made["spec"]["worker"]["spec"] = pods.worker(spec, name, resources)
    if spec.most is None:
        service = made["spec"]["scheduler"]["service"]
        service["ports"] = [port for port in service["ports"] if port["name"] == "tcp-comm"]
    return made


def autoscaler(spec: KubernetesCluster, name: str) -> dict[str, Any]:
    """Return the DaskAutoscaler of a cluster that can grow.

    Args:
        spec: The section of the job file; its ``most`` is set.
        name: Name of the cluster.
    """
    return {
        "apiVersion": DASK,
        "kind": "DaskAutoscaler",
        "metadata": _metadata(spec, name),
        "spec": {"cluster": name, "minimum": spec.workers, "maximum": spec.most},
    }


def policy(spec: KubernetesCluster, name: str) -> dict[str, Any]:
    """Return the NetworkPolicy: who may connect to the pods.

    LightGBM's sockets know no authentication, so only pods of the cluster reach each other's
    ports. The scheduler's is open: it takes certificates of the cluster only.

    Args:
        spec: The section of the job file.
        name: Name of the cluster.
    """
    own = {"matchLabels": {"dask.org/cluster-name": name}}
    entries: list[dict[str, Any]] = [
        {"from": [{"podSelector": own}]},
        {"ports": [{"protocol": "TCP", "port": pods.SCHEDULER_PORT}]},
    ]
    if spec.most is not None:
        operator = {"namespaceSelector": {}, "podSelector": {"matchLabels": _OPERATOR}}
        asked = {"protocol": "TCP", "port": pods.HTTP_PORT}
        entries.append({"from": [operator], "ports": [asked]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(spec, name),
        "spec": {"podSelector": own, "policyTypes": ["Ingress"], "ingress": entries},
    }


def secret(spec: KubernetesCluster, name: str, folder: Path) -> dict[str, Any]:
    """Return the Secret of the certificates; neither the authority's key nor the client's is in it.

    Args:
        spec: The section of the job file.
        name: Name of the cluster.
        folder: What `cluster.security.certificates.make` made.
    """
    roles = ("scheduler", "worker")
    files = [AUTHORITY, *map(certificate, roles), *map(key, roles)]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": _metadata(spec, pods.tls_secret(spec, name)),
        "data": {file: b64encode((folder / file).read_bytes()).decode() for file in files},
    }


def applicable(spec: KubernetesCluster, name: str, resources: Resources) -> list[dict[str, Any]]:
    """Return the objects that a user can apply; they hold no secret.

    Args:
        spec: The section of the job file.
        name: Name of the cluster.
        resources: How many workers, and what each may use.

    Raises:
        ClusterError: The certificates are not in a Secret that is there already.
    """
    if spec.tls_secret is None:
        raise ClusterError(
            "manifests hold no keys, and [cluster] names no Secret that does",
            "`kubectl create secret generic NAME --from-file=FOLDER` of the folder that `millrace "
            'cluster certs FOLDER` made, without ca-key.pem, and tls_secret = "NAME"',
        )
    grown = [autoscaler(spec, name)] if spec.most is not None else []
    objects = [policy(spec, name), cluster(spec, name, resources), *grown]
    if spec.namespace is not None:
        for each in objects:
            each["metadata"]["namespace"] = spec.namespace
    return objects


def _metadata(spec: KubernetesCluster, name: str) -> dict[str, Any]:
    return {"name": name, "labels": MANAGED | spec.labels}


def _check(name: str) -> None:
    validation = library("dask_kubernetes.operator.validation", "kubernetes")
    exceptions = library("dask_kubernetes.exceptions", "kubernetes")
    try:
        validation.validate_cluster_name(name)
    except exceptions.ValidationError as error:
        raise ClusterError(
            f"{name!r} cannot be the name of a cluster: {error.message}",
            "small letters, digits and -, 53 at most",
        ) from error
