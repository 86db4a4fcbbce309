"""Stands in for Kubernetes where there is none: its API over HTTP, and what the pods would run.

The API takes what `kubectl` would send, checks it by the schemas of `schemas`, and keeps it. What
the operator and a node do with a DaskCluster is done with the operator's own functions and with
processes of this machine: the commands, variables, certificates and probes of the pods are those of
the manifest; paths in a pod become folders, and its ports free ports. Not imitated: images, users,
limits of memory, networks and their policies, volumes.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import yaml
from aiohttp import WSMsgType, web
from dask_kubernetes.operator.controller import controller
from jsonschema import ValidationError

from tests.cluster.gateway.gateways import free_port
from tests.cluster.kubernetes.schemas import check

ROOT = Path(__file__).parents[3]
NAMESPACE, TOKEN = "ml", "a-token"


class Imitation:
    """One API server, its objects and its pods."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.created: list[str] = []
        self.pods: dict[str, tuple[dict[str, Any], subprocess.Popen[bytes]]] = {}
        self.ports = {port: free_port() for port in (8786, 8787)}
        self.forbidden: set[str] = set()
        self.waiting: dict[str, str] = {}
        """What the containers are said to wait for; their processes are then not started."""
        self.operator = True

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig file for this server."""
        file = self.folder / "kubeconfig"
        server = {"server": f"http://127.0.0.1:{self.port}"}
        entries = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": server}],
            "users": [{"name": "me", "user": {"token": TOKEN}}],
            "contexts": [
                {
                    "name": "here",
                    "context": {"cluster": "here", "user": "me", "namespace": NAMESPACE},
                }
            ],
        }
        file.write_text(yaml.safe_dump(entries))
        return file

    def application(self) -> web.Application:
        app = web.Application(client_max_size=2**24)
        for prefix in ("/api/{version}", "/apis/{group}/{version}"):
            base = prefix + f"/namespaces/{NAMESPACE}/{{kind}}"
            app.router.add_post(base, self._create)
            app.router.add_get(base, self._list)
            app.router.add_get(base + "/{name}", self._get)
            app.router.add_delete(base + "/{name}", self._delete)
            app.router.add_get(base + "/{name}/portforward", self._forward)
        app.router.add_get("/version/", self._version)
        return app

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "33", "gitVersion": "v1.33.0"})

    async def _create(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _refusal(401, "Unauthorized")
        kind, body = request.match_info["kind"], await request.json()
        if kind in self.forbidden:
            return _refusal(403, f"{kind} is forbidden: User 'me' cannot create resource")
        metadata = body["metadata"]
        owner = metadata.get("ownerReferences")
        try:
            check(_without(body, "namespace", "ownerReferences"))
        except (ValidationError, AssertionError) as error:
            return _refusal(422, str(error)[:2000])
        metadata["uid"] = str(uuid.uuid4())
        if owner is not None:
            known = self.objects[("daskclusters", owner[0]["name"])]
            assert known["metadata"]["uid"] == owner[0]["uid"]
        self.objects[(kind, metadata["name"])] = body
        self.created.append(body["kind"])
        if kind == "daskclusters" and self.operator:
            asyncio.get_running_loop().call_later(0.5, self._operate, body)
        return web.json_response(body, status=201)

    async def _get(self, request: web.Request) -> web.Response:
        kind, name = request.match_info["kind"], request.match_info["name"]
        if kind == "pods":
            return web.json_response(self._pod(name))
        if (kind, name) not in self.objects:
            return _refusal(404, f'{kind} "{name}" not found')
        return web.json_response(self.objects[(kind, name)])

    async def _list(self, request: web.Request) -> web.Response:
        selector = request.query.get("labelSelector", "")
        wanted = dict(each.split("=", 1) for each in selector.split(",") if each)
        loop = asyncio.get_running_loop()
        found = [await loop.run_in_executor(None, self._pod, name) for name in list(self.pods)]
        if (kind := request.match_info["kind"]) != "pods":
            found = [each for (its, _), each in self.objects.items() if its == kind]
        chosen = [p for p in found if wanted.items() <= p["metadata"]["labels"].items()]
        fields = [f for f in request.query.get("fieldSelector", "").split(",") if f]
        for field in fields:
            assert field.startswith("metadata.name=")
            name = field.partition("=")[2]
            chosen = [p for p in chosen if p["metadata"]["name"] == name]
        singular = kind.removesuffix("s").capitalize()
        body = {"kind": f"{singular}List", "apiVersion": "v1", "metadata": {}, "items": chosen}
        return web.json_response(body)

    async def _delete(self, request: web.Request) -> web.Response:
        kind, name = request.match_info["kind"], request.match_info["name"]
        if (kind, name) not in self.objects:
            return _refusal(404, f'{kind} "{name}" not found')
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.end)
        return web.json_response({"kind": "Status", "status": "Success"})

    def end(self) -> None:
        """End all pods, and let go of all objects, as their owner goes."""
        for _, process in self.pods.values():
            family = [process, *psutil.Process(process.pid).children(recursive=True)]
            for each in reversed(family):
                with suppress(psutil.NoSuchProcess, ProcessLookupError):
                    each.kill()
            process.wait(30)
        self.pods.clear()
        self.objects.clear()

    def _operate(self, cluster: dict[str, Any]) -> None:
        """Make of a DaskCluster what the operator would."""
        name, spec = cluster["metadata"]["name"], cluster["spec"]
        labels = cluster["metadata"]["labels"]
        deployment = controller.build_scheduler_deployment_spec(
            name, spec["scheduler"]["spec"], {}, labels
        )
        service = controller.build_scheduler_service_spec(
            name, spec["scheduler"]["service"], {}, labels
        )
        service["metadata"]["namespace"] = NAMESPACE
        self.objects[("services", service["metadata"]["name"])] = service
        self._start(deployment)
        for number in range(spec["worker"]["replicas"]):
            self._start(
                controller.build_worker_deployment_spec(
                    f"{name}-default",
                    NAMESPACE,
                    name,
                    str(number),
                    spec["worker"]["spec"],
                    {},
                    labels,
                )
            )

    def _start(self, deployment: dict[str, Any]) -> None:
        """Run what a pod would, as a process."""
        pod = deployment["spec"]["template"]
        name = pod["metadata"]["name"]
        (container,) = pod["spec"]["containers"]
        if self.waiting:
            process = subprocess.Popen(["sleep", "600"])
        else:
            folder = self._files(name, pod["spec"])
            env = {e["name"]: self._local(e["value"], folder, name) for e in container["env"]}
            args = [self._local(arg, folder, name) for arg in container["args"]]
            args = [
                arg.replace("$(DASK_WORKER_NAME)", env.get("DASK_WORKER_NAME", "")) for arg in args
            ]
            assert args[0] == "dask"
            inherited = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", *args], env=inherited | env, stdout=log, stderr=log
                )
        self.pods[name] = pod, process

    def _files(self, name: str, pod: dict[str, Any]) -> Path:
        folder = self.folder / name
        (folder / "tmp").mkdir(parents=True)
        (folder / "tls").mkdir()
        (volume,) = (each["secret"] for each in pod["volumes"] if "secret" in each)
        data = self.objects[("secrets", volume["secretName"])]["data"]
        for item in volume["items"]:
            (folder / "tls" / item["path"]).write_bytes(base64.b64decode(data[item["key"]]))
        return folder

    def _local(self, text: str, folder: Path, name: str) -> str:
        """Return a text of a manifest with what is the pod's own in it."""
        for where in ("/run/millrace/tls", "/tmp"):
            if text == where or text.startswith(f"{where}/"):
                return str(folder / Path(where).name) + text[len(where) :]
        if text.startswith("tls://"):
            return f"tls://127.0.0.1:{self.ports[8786]}"
        if text == "127.0.0.1:8788":
            return "127.0.0.1:0"
        for port, here in self.ports.items():
            text = text.replace(str(port), str(here))
        return text

    def _pod(self, name: str) -> dict[str, Any]:
        pod, process = self.pods[name]
        (container,) = pod["spec"]["containers"]
        running = process.poll() is None and not self.waiting
        probe = container.get("readinessProbe", {}).get("exec", {}).get("command")
        ready = running
        if running and probe:
            command = [self._local(each, self.folder, name) for each in probe]
            assert command[0] == "python"
            tried = subprocess.run([sys.executable, *command[1:]], capture_output=True)
            ready = tried.returncode == 0
        state = {"running": {}} if running else {"waiting": self.waiting}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**pod["metadata"], "namespace": NAMESPACE},
            "spec": pod["spec"],
            "status": {
                "phase": "Running" if running else "Pending",
                "conditions": [
                    {"type": "Ready", "status": str(ready)},
                    {"type": "ContainersReady", "status": str(ready)},
                ],
                "containerStatuses": [{"name": container["name"], "state": state}],
            },
        }

    async def _forward(self, request: web.Request) -> web.WebSocketResponse:
        """Pass bytes on to a port of a pod: v4.channel.k8s.io, one port."""
        socket = web.WebSocketResponse(protocols=["v4.channel.k8s.io"])
        await socket.prepare(request)
        port = int(request.query["ports"])
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[port])
        for channel in (b"\x00", b"\x01"):  # both begin with the number of the port
            await socket.send_bytes(channel + port.to_bytes(2, "little"))

        async def back() -> None:
            while data := await reader.read(2**16):
                await socket.send_bytes(b"\x00" + data)
            await socket.close()

        task = asyncio.create_task(back())
        async for message in socket:
            if message.type == WSMsgType.BINARY:
                writer.write(message.data[1:])
                await writer.drain()
        task.cancel()
        writer.close()
        return socket


def _without(manifest: dict[str, Any], *keys: str) -> dict[str, Any]:
    metadata = {k: v for k, v in manifest["metadata"].items() if k not in keys}
    return {**manifest, "metadata": metadata}


def _refusal(status: int, message: str) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "message": message, "code": status}
    return web.Response(status=status, text=json.dumps(body), content_type="application/json")


@contextmanager
def imitated(folder: Path) -> Iterator[Imitation]:
    """Serve the API while the context is open; no process is left behind."""
    server = Imitation(folder)
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(server.application())

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", server.port).start()

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.end()
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
