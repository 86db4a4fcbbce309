"""The Kubernetes API, as far as a cluster needs it; what goes wrong is said in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cluster.errors import ClusterError
from cluster.extras import library
from cluster.kubernetes.pods import SCHEDULER_PORT
from cluster.spec.kubernetes import KubernetesCluster

FATAL = {
    "CrashLoopBackOff": "it ends as soon as it is started; `kubectl logs {pod}` says why",
    "CreateContainerConfigError": "a Secret or a claim that it needs is not there",
    "ErrImageNeverPull": "check `image`",
    "ImagePullBackOff": "check `image`, and that the nodes may load it",
    "InvalidImageName": "check `image`",
    "RunContainerError": "does the image hold Dask's command `dask`?",
}
"""Reasons of waiting containers that do not go away, and what to do."""


@dataclass(frozen=True)
class Namespace:
    """A namespace of a Kubernetes cluster that this process may talk to."""

    api: Any
    name: str
    inside: bool

    def create(self, manifest: dict[str, Any]) -> Any:
        """Create an object.

        Args:
            manifest: The object; its namespace is this one.

        Returns:
            The object as kr8s holds it.
        """
        objects = library("kr8s.objects", "kubernetes")
        with told(f"{manifest['kind']} {manifest['metadata']['name']}"):
            manifest["metadata"]["namespace"] = self.name
            made = objects.object_from_spec(manifest, api=self.api, allow_unknown_type=True)
            made.create()
            return made

    def pods(self, cluster: str, component: str | None = None) -> list[dict[str, Any]]:
        """Return the pods of a cluster.

        Args:
            cluster: Name of the cluster.
            component: ``scheduler`` or ``worker``; None: both.
        """
        labels = {"dask.org/cluster-name": cluster}
        if component is not None:
            labels["dask.org/component"] = component
        objects = library("kr8s.objects", "kubernetes")
        with told("the pods"):
            found = objects.Pod.list(namespace=self.name, label_selector=labels, api=self.api)
            return [pod.raw.to_dict() for pod in found]

    def look(self, cluster: str) -> None:
        """Raise where a pod of the cluster will never run.

        Args:
            cluster: Name of the cluster.

        Raises:
            ClusterError: There is such a pod.
        """
        for pod in self.pods(cluster):
            for status in pod.get("status", {}).get("containerStatuses", ()):
                waiting = status.get("state", {}).get("waiting") or {}
                reason = waiting.get("reason")
                if reason in FATAL:
                    name = pod["metadata"]["name"]
                    message = f": {waiting['message']}" if waiting.get("message") else ""
                    raise ClusterError(
                        f"pod {name} does not run: {reason}{message}",
                        FATAL[reason].format(pod=name),
                    )

    def pending(self, cluster: str) -> str:
        """Return why pods of the cluster are not scheduled, as Kubernetes says it; '' if all are.

        Args:
            cluster: Name of the cluster.
        """
        conditions = (
            condition
            for pod in self.pods(cluster)
            for condition in pod.get("status", {}).get("conditions", ())
        )
        return next(
            (each.get("message", "") for each in conditions if each.get("status") == "False"), ""
        )

    @contextmanager
    def scheduler(self, cluster: str) -> Iterator[str]:
        """Yield an address at which the scheduler is reached, while the context is open.

        In a pod it is the service's own; elsewhere a port of the loopback interface, passed on by
        the API server.

        Args:
            cluster: Name of the cluster.
        """
        name = f"{cluster}-scheduler"
        if self.inside:
            yield f"tls://{name}.{self.name}.svc:{SCHEDULER_PORT}"
            return
        objects = library("kr8s.objects", "kubernetes")
        with told(f"Service {name}"):
            service = objects.Service.get(name, namespace=self.name, api=self.api)
            forward = service.portforward(SCHEDULER_PORT, local_port="auto")
        with forward as port:
            yield f"tls://127.0.0.1:{port}"


def namespace(spec: KubernetesCluster) -> Namespace:
    """Return the namespace of a cluster.

    Args:
        spec: The section of the job file.

    Raises:
        ClusterError: kr8s is not installed, or there is no cluster to talk to.
    """
    kr8s = library("kr8s", "kubernetes")
    with told("Kubernetes"):
        # Named, because kr8s keeps what it has read once for all later calls like this one.
        file = os.environ.get("KUBECONFIG")
        api = kr8s.api(kubeconfig=file, context=spec.context, namespace=spec.namespace)
    inside = "KUBERNETES_SERVICE_HOST" in os.environ and spec.context is None
    return Namespace(api, spec.namespace or api.namespace, inside)


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say in words what the API answers.

    Args:
        what: What is asked for.

    Raises:
        ClusterError: It is not given.
    """
    from httpx import HTTPError
    from kr8s import APITimeoutError, NotFoundError, ServerError

    try:
        yield
    except ServerError as error:
        code = error.response.status_code if error.response is not None else 0
        raise ClusterError(
            f"Kubernetes refuses {what}: {error}", _HINTS.get(code, _OTHER)
        ) from error
    except NotFoundError as error:
        raise ClusterError(f"{what}: {error}", _HINTS[404]) from error
    except (APITimeoutError, HTTPError, OSError) as error:
        raise ClusterError(
            f"the Kubernetes API does not answer: {error or type(error).__name__}",
            "check the kubeconfig file and `context`: `kubectl get pods` must work",
        ) from error
    except ValueError as error:  # kr8s': no kubeconfig file, or not this context
        raise ClusterError(
            f"no Kubernetes cluster is known here: {error}",
            "check the kubeconfig file and `context`: `kubectl config get-contexts` lists them",
        ) from error


_OTHER = "`kubectl describe` may say more"
_HINTS = {
    401: "log in to the cluster again; `kubectl get pods` must work",
    403: "whoever runs this needs the rights that docs/clusters.md lists",
    404: "is the Dask operator installed? `helm install --repo https://helm.dask.org "
    "--generate-name dask-kubernetes-operator`",
}
"""What to do, by HTTP status."""
