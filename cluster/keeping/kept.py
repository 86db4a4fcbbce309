"""What is known of the clusters that stay up: their folders, and who holds them."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cluster.errors import ClusterError
from cluster.processes import ProcessName

SPEC, KEEPER, CLUSTER, FAILURE, LOG = (
    "spec.json",
    "keeper.json",
    "cluster.json",
    "failure.json",
    "log",
)


@dataclass(frozen=True)
class Kept:
    """A cluster that stays up, or the remains of one.

    Args:
        name: Its name.
        kind: Its kind.
        state: ``starting``, ``up``, or ``dead`` when its keeper is gone.
        address: Address of its scheduler; none before it is up.
        certificates: Folder of what a client needs; none where it is plain tcp on loopback.
        pid: The keeper.
        host: The keeper's machine.
        log: What the keeper and its workers said.
    """

    name: str
    kind: str
    state: str
    address: str | None
    certificates: Path | None
    pid: int | None
    host: str | None
    log: Path

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        paths = {"certificates": self.certificates, "log": self.log}
        return asdict(self) | {name: path and str(path) for name, path in paths.items()}


def home() -> Path:
    """Return the folder of all of them."""
    return Path.home() / ".millrace/clusters"


def every() -> list[Kept]:
    """Return all clusters that there is a folder of, by name."""
    return [_kept(folder) for folder in sorted(home().glob("*")) if (folder / SPEC).exists()]


def find(name: str) -> Kept:
    """Return the cluster of a name.

    Raises:
        ClusterError: There is none.
    """
    folder = home() / name
    if not (folder / SPEC).exists():
        known = ", ".join(kept.name for kept in every())
        raise ClusterError(
            f"there is no cluster {name!r} here",
            f"there are: {known}" if known else f"`millrace cluster up FILE --name {name}`",
        )
    return _kept(folder)


def running(name: str) -> Kept:
    """Return the cluster of a name, which is up.

    Raises:
        ClusterError: There is none, or it is not up.
    """
    kept = find(name)
    if kept.state == "starting":
        raise ClusterError(
            f"the cluster {name!r} is not up yet", f"`millrace cluster status {name}` shows it"
        )
    if kept.address is None or kept.state != "up":
        raise ClusterError(
            f"the cluster {name!r} has ended: its keeper (process {kept.pid}) is gone",
            f"`millrace cluster down {name}` clears it away; {kept.log} says more",
        )
    return kept


def keeper(folder: Path) -> ProcessName | None:
    """Return the process that holds a cluster; none when none was ever started."""
    values = read(folder / KEEPER)
    return ProcessName(**values) if values else None


def clear(folder: Path) -> None:
    """Delete what a cluster has left, its keys first."""
    clear_keys(folder)
    shutil.rmtree(folder)


def clear_keys(folder: Path) -> None:
    """Delete the keys of a cluster that is no more; its log stays."""
    for file in folder.rglob("*-key.pem"):
        file.unlink(missing_ok=True)


def read(file: Path) -> dict[str, Any]:
    """Return the values of a file; none when it is not there."""
    try:
        values: dict[str, Any] = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    return values


def write(file: Path, values: dict[str, Any]) -> None:
    """Write values for the owner to read, all at once."""
    new = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        json.dump(values, stream)
    new.replace(file)


def _kept(folder: Path) -> Kept:
    held, cluster = keeper(folder), read(folder / CLUSTER)
    certificates = cluster.get("certificates")
    return Kept(
        name=folder.name,
        kind=str(read(folder / SPEC).get("kind", "local")),
        state=_state(held, cluster),
        address=cluster.get("address"),
        certificates=Path(certificates) if certificates else None,
        pid=held.pid if held else None,
        host=held.host if held else None,
        log=folder / LOG,
    )


def _state(held: ProcessName | None, cluster: dict[str, Any]) -> str:
    # Of another machine's process (a home on a network file system) nothing is known: the
    # connection will tell.
    if held is None or held.alive() is False:
        return "dead"
    return "up" if cluster else "starting"
