"""Workers on machines that SSH reaches."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from cluster.spec.elsewhere import Started
from cluster.spec.paths import LocalPath

_HOST = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.-]+))"
    r"(?::(?P<port>\d{1,5}))?"
)
_ADDRESS = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)(?::(?P<port>\d{1,5}))?")


HomePath = Annotated[
    LocalPath,
    BeforeValidator(lambda value: os.path.expanduser(value) if isinstance(value, str) else value),
]
"""A path of this machine; ``~`` is the home folder, as in all that is said of SSH."""


@dataclass(frozen=True)
class Host:
    """Where SSH connects to.

    Attributes:
        text: As it stands in the job file.
        name: Name or address.
        user: None = what `~/.ssh/config` says, else this user's name.
        port: None = what `~/.ssh/config` says, else 22.
    """

    text: str
    name: str
    user: str | None = None
    port: int | None = None


def _port(text: str | None) -> int | None:
    port = None if text is None else int(text)
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"{port} is not a port: they go from 1 to 65535")
    return port


def _host(text: str) -> Host:
    found = _HOST.fullmatch(text)
    if found is None or (found["name"] and found["name"].startswith("-")):
        raise ValueError("should be `host`, `user@host`, `host:port` or `user@host:port`")
    return Host(text, found["six"] or found["name"], found["user"], _port(found["port"]))


def _is_host(text: str) -> str:
    _host(text)
    return text


def _is_address(text: str) -> str:
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise ValueError("should be an address of this machine such as '10.1.0.5' or with a port")
    _port(found["port"])
    return text


class SshCluster(Started):
    """Workers on machines that SSH reaches; the scheduler runs in the process of the job.

    The job's process needs no password: a key without passphrase, or one that an SSH agent holds.
    `~/.ssh/config` counts.
    """

    kind: Literal["ssh"] = Field(description="Workers on machines that SSH reaches.")
    hosts: tuple[Annotated[str, AfterValidator(_is_host)], ...] = Field(
        min_length=1,
        description="The machines: `host`, `user@host`, `host:port` or `user@host:port`.",
    )
    workers: int = Field(
        ge=1,
        strict=True,
        description="Number of workers on all hosts together; each host has as many as any other.",
    )
    tls: LocalPath | None = Field(
        None,
        description="Folder of the certificates that `millrace cluster certs` made; only this "
        "machine needs it. Left out: new ones are made for the session.",
    )
    identity: HomePath | None = Field(
        None,
        description="File of the private key for SSH. Left out: those of `~/.ssh` and of the SSH "
        "agent.",
    )
    known_hosts: HomePath | None = Field(
        None,
        description="File with the public keys of the hosts; a host that is not in it is refused. "
        "Left out: `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`.",
    )
    python: str | None = Field(
        None,
        min_length=1,
        description="Python on the hosts, such as `/opt/millrace/bin/python`, which has millrace "
        "installed. Left out: the same path as on this machine.",
    )
    interface: str | None = Field(
        None,
        min_length=1,
        description="Network interface of this machine, such as `eth1`, at which the hosts reach "
        "the scheduler. Left out: the one that leads to the first host.",
    )
    address: Annotated[str, AfterValidator(_is_address)] | None = Field(
        None,
        description="Address of this machine at which the hosts reach the scheduler, with a port "
        "if it must be a certain one: `10.1.0.5` or `10.1.0.5:8786`.",
    )
    workdir: str | None = Field(
        None,
        pattern="^/",
        description="Folder on the hosts for what workers keep on disk while they run; it is made "
        "if need be, and stays. Left out: a temporary one for the session.",
    )

    @property
    def reached(self) -> tuple[Host, ...]:
        """The hosts, taken apart."""
        return tuple(map(_host, self.hosts))

    @property
    def each(self) -> int:
        """Number of workers of one host."""
        return self.workers // len(self.hosts)

    @property
    def listening(self) -> tuple[str | None, int]:
        """Address and port of the scheduler, as far as they are given; 0 = any port."""
        if self.address is None:
            return None, 0
        name, _, port = self.address.partition(":")
        return name, int(port or 0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        count = len(self.hosts)
        if len({(host.name, host.port) for host in self.reached}) < count:
            raise ValueError("a host stands twice in `hosts`; give `workers` = more of each")
        if self.workers % count:
            low = self.workers // count * count
            either = f"{low} or {low + count}" if low else f"{count}"
            raise ValueError(
                f"{self.workers} workers cannot be spread evenly over {count} hosts: "
                f"give `workers` = {either}"
            )
        if self.interface is not None and self.address is not None:
            raise ValueError("give `interface` or `address`, not both")
        return self
