"""Clusters that stay up between jobs, and the certificates of clusters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.commands.manifests import manifest
from jobs.commands.options import debug_option, json_option, shown

if TYPE_CHECKING:
    from cluster.keeping.kept import Kept


@click.group()
def cluster() -> None:
    """Start clusters that stay up, look at them, end them; make certificates."""


cluster.add_command(manifest)


@cluster.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--days",
    type=click.IntRange(min=2, max=3650),
    default=365,
    show_default=True,
    help="Days until they end.",
)
@debug_option
def certs(folder: Path, days: int) -> None:
    """Make the certificates of one cluster in FOLDER, which must be empty or absent.

    That is an authority of its own, and a certificate each for the scheduler, the workers and the
    clients. Keys can be read by you only; whoever has one can run code on the cluster.
    """
    from cluster.security.certificates import make
    from cluster.security.text import use_text

    make(folder, days=days)
    click.echo(use_text(folder, days))


@cluster.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="Its name; the file's, when left out.")
@debug_option
def up(file: Path, name: str | None) -> None:
    """Start the cluster of [cluster] in FILE, and leave it running.

    FILE is a job file, or holds that section alone. Jobs use the cluster with kind = "address" and
    its name as the address.
    """
    from jobs.spec.jobfile import load_cluster

    spec = load_cluster(file)
    from cluster.keeping.starting import up

    kept = up(_name(name or file.stem), spec)
    click.echo(f"{kept.name} is up at {kept.address}\n\n{_section(kept)}")


@cluster.command()
@click.argument("name", required=False)
@json_option
@debug_option
def status(name: str | None, as_json: bool) -> None:
    """Show the clusters that stay up; with NAME, also ask that one for its workers."""
    from cluster.keeping.kept import every, find

    if name is None:
        shown([kept.to_dict() for kept in every()], as_json, _table)
        return
    kept = find(name)
    shown(kept.to_dict() | _workers(kept), as_json, _details)


@cluster.command()
@click.argument("name")
@debug_option
def down(name: str) -> None:
    """End the cluster NAME, with all of its workers; jobs that run on it fail."""
    from cluster.keeping.starting import down

    kept = down(name)
    click.echo(
        f"{name} had ended already; cleared away" if kept.state == "dead" else f"{name} ended"
    )


def _name(name: str) -> str:
    from cluster.spec.address import NAME

    if not NAME.fullmatch(name):
        raise click.UsageError(
            f"{name!r} cannot be the name of a cluster: it should start with a letter or digit and "
            "hold only those, '.', '_', '-'; give --name"
        )
    return name


def _section(kept: Kept) -> str:
    return f'[cluster]\nkind = "address"\naddress = "{kept.name}"'


def _workers(kept: Kept) -> dict[str, Any]:
    """Return what the workers are, or why nothing is known of them."""
    if kept.state != "up":
        return {}
    from cluster.errors import ClusterError
    from cluster.session import offered
    from cluster.spec import AddressCluster

    try:
        found = offered(AddressCluster(kind="address", address=kept.name))
    except ClusterError as error:
        return {"error": error.what}
    sizes = {"workers": found.workers, "threads": found.threads, "memory": found.memory}
    return {**sizes, "notes": list(found.notes)}


def _table(clusters: list[dict[str, Any]]) -> str:
    if not clusters:
        return "no cluster stays up here; `millrace cluster up FILE` starts one"
    rows = [("name", "kind", "state", "address")]
    rows += [(c["name"], c["kind"], c["state"], c["address"] or "") for c in clusters]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    dead = [c["name"] for c in clusters if c["state"] == "dead"]
    told = [f"\n`millrace cluster down {name}` clears {name} away" for name in dead]
    return "\n".join([*lines, *told])


def _details(found: dict[str, Any]) -> str:
    lines = [
        f"{name:<13} {found[name]}" for name in ("name", "kind", "state", "address") if found[name]
    ]
    if "workers" in found:
        memory = found["memory"] / 2**30
        threads = f"{found['threads']} thread{'s' * (found['threads'] != 1)}"
        each = f"{threads} and {memory:.2f} GiB each"
        lines.append(f"{'workers':<13} {found['workers']}, {each}")
    lines += [
        f"{name:<13} {found[name]}" for name in ("certificates", "log", "error") if found.get(name)
    ]
    if found["state"] == "dead":
        lines.append(f"its keeper is gone: `millrace cluster down {found['name']}` clears it away")
    return "\n".join([*lines, *found.get("notes", [])])
