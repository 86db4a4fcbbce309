"""The pods of a cluster: what runs in them, as whom, with which files.

dask-kubernetes' own templates start ``dask-scheduler`` and ``dask-worker``, commands that Dask has
no longer, without encryption and with dashboards on all interfaces; of them, the frame is taken
(`cluster.kubernetes.manifests`), and the pods are these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.resources import Resources
from cluster.secrets import FOLDER_VARIABLE
from cluster.security.files import AUTHORITY, certificate, key
from cluster.spec.kubernetes import KubernetesCluster
from cluster.variables import environment_of

SCHEDULER_PORT, HTTP_PORT, WORKER_HTTP_PORT = 8786, 8787, 8788
"""Where Dask listens by custom; the operator knows the first two."""

TLS, SECRETS, TEMPORARY = "/run/millrace/tls", "/run/millrace/secrets", "/tmp"
"""Folders in the pods."""

NANNY_BYTES = 256 * 2**20
"""Memory of a worker's pod beside the worker: Dask's nanny (about 100 MiB measured)."""

SCHEDULER_CORES, SCHEDULER_BYTES = 1, 2 * 2**30
"""Of the scheduler's pod: results are small (`cluster.settings`)."""

ROUTES = ["distributed.http.health", "distributed.http.scheduler.api"]
"""What is served to the operator; Dask's other pages show code and data."""

_READABLE = 0o440  # a secret's files are root's and of the pod's group


def scheduler(spec: KubernetesCluster, name: str, resources: Resources) -> dict[str, Any]:
    """Return the spec of the scheduler's pod.

    Args:
        spec: The section of the job file.
        name: Name of the cluster.
        resources: What a worker may use.
    """
    settings = _tls("scheduler")
    if spec.most is not None:
        settings["distributed.scheduler.http.routes"] = ROUTES
    origins = [f"{host}:{HTTP_PORT}" for host in ("localhost", "127.0.0.1")]
    settings["distributed.scheduler.dashboard.bokeh-application.allow-websocket-origin"] = origins
    host = "" if spec.most is not None else "127.0.0.1"
    listening = ["--protocol", "tls", "--port", str(SCHEDULER_PORT)]
    pages = ["--dashboard" if spec.dashboard else "--no-dashboard"]
    pages += ["--dashboard-address", f"{host}:{HTTP_PORT}"]
    ports = [_port("tcp-comm", SCHEDULER_PORT)]
    if spec.most is not None:
        ports.append(_port("http-dashboard", HTTP_PORT))
    container = {
        "args": ["dask", "scheduler", *listening, *pages],
        "env": _env(environment_of(resources, settings)),
        "ports": ports,
        "resources": _resources(SCHEDULER_CORES, SCHEDULER_BYTES),
        "readinessProbe": _probe(HTTP_PORT, every=5, failures=3),
        "livenessProbe": _probe(HTTP_PORT, every=20, failures=9),
    }
    return _pod(spec, name, "scheduler", container, {})


def worker(spec: KubernetesCluster, name: str, resources: Resources) -> dict[str, Any]:
    """Return the spec of a worker's pod.

    Args:
        spec: The section of the job file.
        name: Name of the cluster.
        resources: What a worker may use.
    """
    address = {"DASK_SCHEDULER_ADDRESS": f"tls://{name}-scheduler:{SCHEDULER_PORT}"}
    more = address | ({FOLDER_VARIABLE: SECRETS} if spec.secrets else {})
    container = {
        "args": [
            *("dask", "worker", "--name", "$(DASK_WORKER_NAME)"),  # the operator's
            *("--nthreads", str(resources.held), "--memory-limit", str(resources.memory)),
            *("--local-directory", TEMPORARY, "--no-dashboard"),
            *("--dashboard-address", f"127.0.0.1:{WORKER_HTTP_PORT}"),
        ],
        "env": _env(environment_of(resources, _tls("worker")) | more),
        "resources": _resources(spec.cpu or resources.threads, resources.memory + NANNY_BYTES),
        # Dask ends a worker that is silent for one to two minutes; this is for a silent nanny.
        "livenessProbe": _probe(WORKER_HTTP_PORT, every=20, failures=15),
    }
    mounted: dict[str, tuple[dict[str, Any], str]] = {
        f"claim-{number}": ({"persistentVolumeClaim": {"claimName": claim}}, path)
        for number, (claim, path) in enumerate(spec.volumes.items())
    }
    if spec.secrets:
        sources = [{"secret": {"name": secret}} for secret in spec.secrets]
        mounted["secrets"] = (
            {"projected": {"sources": sources, "defaultMode": _READABLE}},
            SECRETS,
        )
    return _pod(spec, name, "worker", container, mounted)


def tls_secret(spec: KubernetesCluster, name: str) -> str:
    """Return the name of the Secret that holds the certificates."""
    return spec.tls_secret or f"{name}-tls"


def _pod(
    spec: KubernetesCluster,
    name: str,
    role: str,
    container: Mapping[str, Any],
    mounted: Mapping[str, tuple[dict[str, Any], str]],
) -> dict[str, Any]:
    files = [AUTHORITY, certificate(role), key(role)]
    material = {
        "secretName": tls_secret(spec, name),
        "items": [{"key": file, "path": file} for file in files],
        "defaultMode": _READABLE,
    }
    found: dict[str, tuple[dict[str, Any], str]] = {
        "tls": ({"secret": material}, TLS),
        "temporary": ({"emptyDir": {}}, TEMPORARY),
        **mounted,
    }
    read_only = {"tls", "secrets"}
    mounts = [
        {"name": volume, "mountPath": path} | ({"readOnly": True} if volume in read_only else {})
        for volume, (_, path) in found.items()
    ]
    account = {"serviceAccountName": spec.service_account} if spec.service_account else {}
    return account | {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": spec.user,
            "runAsGroup": spec.user,
            "fsGroup": spec.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": role,
                "image": spec.image,
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "volumeMounts": mounts,
                **container,
            }
        ],
        "volumes": [{"name": volume, **source} for volume, (source, _) in found.items()],
    }


def _tls(role: str) -> dict[str, object]:
    tls = "distributed.comm.tls"
    return {
        "distributed.comm.require-encryption": True,
        f"{tls}.ca-file": f"{TLS}/{AUTHORITY}",
        f"{tls}.{role}.cert": f"{TLS}/{certificate(role)}",
        f"{tls}.{role}.key": f"{TLS}/{key(role)}",
    }


def _env(variables: dict[str, str]) -> list[dict[str, str]]:
    # The user that a pod runs as has no home in the image.
    return [
        {"name": name, "value": text} for name, text in ({"HOME": TEMPORARY} | variables).items()
    ]


def _port(name: str, port: int) -> dict[str, Any]:
    return {"name": name, "containerPort": port, "protocol": "TCP"}


def _resources(cores: float, memory: int) -> dict[str, Any]:
    """Return requests that are limits: a pod has what it was planned with."""
    amounts = {"cpu": f"{round(cores * 1000)}m", "memory": str(memory)}
    return {"requests": amounts, "limits": dict(amounts)}


def _probe(port: int, *, every: int, failures: int) -> dict[str, Any]:
    # From within: Dask's HTTP server listens on the pod's loopback interface.
    url = f"http://127.0.0.1:{port}/health"
    code = f"from urllib.request import urlopen; urlopen('{url}', timeout=5)"
    return {
        "exec": {"command": ["python", "-c", code]},
        "initialDelaySeconds": 5,
        "periodSeconds": every,
        "timeoutSeconds": 10,
        "failureThreshold": failures,
    }
