"""Hosts for tests of SSH: network namespaces with a real sshd each, joined by a bridge.

Needs root, iproute2 and OpenSSH's server.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[3]
NETWORK, HERE, NOBODY = "10.213.79.0/24", "10.213.79.1", "10.213.79.99"
BRIDGE = "mrssh0"
PORT = 2222
SSHD = "/usr/sbin/sshd"
TRUSTED = "tests.cluster.ssh.slow_scorer"


@dataclass(frozen=True)
class Machine:
    """A host: its namespace, its address, and how it is reached."""

    name: str
    address: str

    @property
    def text(self) -> str:
        return f"{self.address}:{PORT}"

    def processes(self) -> list[psutil.Process]:
        """What runs there, without its sshd."""
        pids = ip("netns", "pids", self.name).split()
        return [process for pid in pids if (process := _process(int(pid))) is not None]

    def link(self, state: str) -> None:
        ip("link", "set", self.name, state)


@dataclass(frozen=True)
class Hosts:
    """Hosts, and the keys that fit them."""

    machines: list[Machine]
    identity: Path
    known_hosts: Path
    scratch: Path
    """Folder of temporary files on all of them."""

    @property
    def texts(self) -> list[str]:
        return [machine.text for machine in self.machines]

    def processes(self) -> list[psutil.Process]:
        return [process for machine in self.machines for process in machine.processes()]

    def empty(self, seconds: float) -> list[list[str]]:
        """Wait until nothing runs on any host; return what does all the same."""
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return [process.cmdline() for process in left if process.is_running()]


def missing() -> str | None:
    """Return what is not here that the hosts need."""
    if os.geteuid():
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "no `ip` (Debian: iproute2)"
    if not Path(SSHD).exists():
        return f"no {SSHD} (Debian: openssh-server)"
    try:
        with _namespace("mrssh-try"):
            return None
    except subprocess.CalledProcessError as error:
        return f"no network namespaces: {error.stderr}"


@contextmanager
def hosts(folder: Path, count: int) -> Iterator[Hosts]:
    """Make hosts; they are gone afterwards, with all that runs there."""
    made = [Machine(f"mrssh-{i}", f"10.213.79.{11 + i}") for i in range(count)]
    identity, known = folder / "id_ed25519", folder / "known_hosts"
    key(identity)
    shutil.copy(identity.with_suffix(".pub"), folder / "authorized_keys")
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's own condition
    with ExitStack() as stack:
        stack.enter_context(_bridge())
        for machine in made:
            stack.enter_context(_machine(machine))
            public = stack.enter_context(_sshd(machine, folder))
            with known.open("a") as file:
                file.write(f"[{machine.address}]:{PORT} {public}\n")
        yield Hosts(made, identity, known, scratch(folder))


def scratch(folder: Path) -> Path:
    """Return the folder of temporary files on the hosts."""
    found = folder / "tmp"
    found.mkdir(exist_ok=True)
    return found


def key(file: Path) -> None:
    """Make a key pair."""
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)]
    subprocess.run(words, check=True)


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def _process(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return None if zombie or process.name().startswith("sshd") else process
    except psutil.NoSuchProcess:
        return None


@contextmanager
def _bridge() -> Iterator[None]:
    ip("link", "add", BRIDGE, "type", "bridge")
    try:
        ip("addr", "add", f"{HERE}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        yield
    finally:
        ip("link", "del", BRIDGE)


@contextmanager
def _namespace(name: str) -> Iterator[None]:
    ip("netns", "add", name)
    try:
        yield
    finally:
        for pid in ip("netns", "pids", name).split():
            subprocess.run(["kill", "-9", pid], check=False)
        ip("netns", "del", name)


@contextmanager
def _machine(machine: Machine) -> Iterator[None]:
    name = machine.name
    with _namespace(name):
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        try:
            ip("link", "set", name, "master", BRIDGE, "up")
            address = f"addr add {machine.address}/24 dev eth0"
            for words in (address, "link set eth0 up", "link set lo up"):
                ip("-n", name, *words.split())
            yield
        finally:
            ip("link", "del", name)  # the namespace itself lasts as long as a process in it


@contextmanager
def _sshd(machine: Machine, folder: Path) -> Iterator[str]:
    """Run an SSH server; yield its public key."""
    own, config = folder / f"{machine.name}-key", folder / f"{machine.name}.conf"
    key(own)
    config.write_text(
        f"Port {PORT}\nListenAddress {machine.address}\nHostKey {own}\nPidFile none\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nStrictModes no\nUsePAM no\n"
        f"PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        f"SetEnv PYTHONPATH={ROOT} MILLRACE_FUNCTIONS={TRUSTED} TMPDIR={scratch(folder)}\n"
    )
    with (folder / f"{machine.name}.log").open("wb") as log:
        words = ["ip", "netns", "exec", machine.name, SSHD, "-D", "-e", "-f", str(config)]
        server = subprocess.Popen(words, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]})
    try:
        _wait_for(machine, server)
        yield own.with_suffix(".pub").read_text().strip()
    finally:
        server.kill()
        server.wait()


def _wait_for(machine: Machine, server: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        assert server.poll() is None, "sshd ended"
        try:
            socket.create_connection((machine.address, PORT), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"no sshd at {machine.text}")
