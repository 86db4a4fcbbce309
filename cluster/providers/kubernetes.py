"""Clusters in Kubernetes: objects are created, the Dask operator makes pods of them.

dask-kubernetes' own ``KubeCluster`` connects without encryption only, so this talks to the API
itself (kr8s, the library that it uses), and to the scheduler by certificates of the cluster.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from distributed import Client

from cluster.errors import ClusterError
from cluster.kubernetes import manifests
from cluster.kubernetes.api import Namespace, namespace, told
from cluster.resources import Resources
from cluster.security import certificates, material
from cluster.spec.kubernetes import KubernetesCluster
from cluster.waiting import LOOK_SECONDS, START_SECONDS, wait_for_workers

CONNECT_SECONDS = 60
END_SECONDS = 60.0
"""So long the pods may take to end; Kubernetes kills them after 30 s."""

_log = logging.getLogger("millrace")


@contextmanager
def opened(spec: KubernetesCluster, resources: Resources) -> Iterator[Client]:
    """Have the operator start a cluster, connect to it, and delete it on the way out.

    Args:
        spec: The section of the job file.
        resources: How many workers, and what each may use.

    Yields:
        The connected client.

    Raises:
        ClusterError: Kubernetes does not answer or refuses an object, the operator does nothing,
            or a pod does not run.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(_certificates(spec))
        security = material.security(folder, ("client",))
        place = namespace(spec)
        name = f"millrace-{secrets.token_hex(4)}"
        stack.enter_context(_created(place, spec, name, resources, folder))
        _ready(place, name)
        address = stack.enter_context(place.scheduler(name))
        client = stack.enter_context(
            Client(address, security=security, timeout=CONNECT_SECONDS, set_as_default=False)
        )
        hint = f"`kubectl -n {place.name} describe pods -l dask.org/cluster-name={name}`"
        wait_for_workers(client, resources.workers, hint, lambda: place.look(name))
        yield client


@contextmanager
def _certificates(spec: KubernetesCluster) -> Iterator[Path]:
    if spec.tls is not None:
        yield spec.tls
        return
    if spec.tls_secret is not None:
        raise ClusterError(
            f"tls_secret = {spec.tls_secret!r} holds the pods' certificates, and nothing says "
            "where the client's are",
            "tls = 'FOLDER', the folder that the Secret was made of",
        )
    with TemporaryDirectory(prefix="millrace-tls-") as folder:
        certificates.make(Path(folder) / "tls")
        yield Path(folder) / "tls"


@contextmanager
def _created(
    place: Namespace, spec: KubernetesCluster, name: str, resources: Resources, folder: Path
) -> Iterator[None]:
    """Create the objects; all go with the DaskCluster, which owns them, on the way out."""
    cluster = place.create(manifests.cluster(spec, name, resources))
    try:
        parts = [manifests.policy(spec, name)]
        if spec.tls_secret is None:
            parts.append(manifests.secret(spec, name, folder))
        if spec.most is not None:
            parts.append(manifests.autoscaler(spec, name))
        owner = {
            "apiVersion": manifests.DASK,
            "kind": "DaskCluster",
            "name": name,
            "uid": cluster.metadata.uid,
            "blockOwnerDeletion": True,
        }
        for part in parts:
            part["metadata"]["ownerReferences"] = [owner]
            place.create(part)
        yield
    finally:
        _delete(place, name, cluster)


def _delete(place: Namespace, name: str, cluster: Any) -> None:
    try:
        with told(f"to delete DaskCluster {name}"):
            cluster.delete(propagation_policy="Foreground")
            end = time.monotonic() + END_SECONDS
            while cluster.exists() or place.pods(name):
                if time.monotonic() > end:
                    raise ClusterError(f"pods of {name} did not end", "kubectl knows why")
                time.sleep(LOOK_SECONDS)
    except ClusterError as error:  # it must not hide what ended the session
        _log.warning(
            "%s; what is left: kubectl -n %s delete daskcluster %s", error, place.name, name
        )


def _ready(place: Namespace, name: str) -> None:
    """Wait until the scheduler's pod is ready."""
    end = time.monotonic() + START_SECONDS
    while True:
        place.look(name)
        pods = place.pods(name, "scheduler")
        if any(_is_ready(pod) for pod in pods):
            return
        if time.monotonic() > end:
            why = place.pending(name) if pods else "the operator made none"
            raise ClusterError(
                f"the scheduler's pod is not ready after {START_SECONDS:.0f} s: {why}",
                f"`kubectl -n {place.name} describe daskcluster,pods -l "
                f"dask.org/cluster-name={name}`; is the Dask operator running?",
            )
        time.sleep(LOOK_SECONDS)


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
