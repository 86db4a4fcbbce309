"""From a table to a trained model: its rows go to files, ranks read these, nothing stays."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cluster.resources import Resources
from engine.boosting import Conduct, Fitted, Learning
from engine.boosting.gang.alone import fit_alone
from engine.errors import OutputRefused, RankLost
from engine.estimator.collected import Collected
from engine.estimator.columns import Categorical, Columns
from engine.estimator.given import Given, library
from engine.estimator.held import Held
from engine.estimator.lazy import Lazy
from engine.estimator.parameters import Parameters
from engine.estimator.spool import Order
from engine.estimator.stored import Stored

Table = Held | Lazy | Stored


def opened(given: Given, categorical: Categorical, columns: Columns | None, owner: str) -> Table:
    """Return a table of the kind that was given; nothing is read."""
    kinds: dict[str, type[Held] | type[Lazy] | type[Stored]] = {"dask": Lazy, "dataset": Stored}
    return kinds.get(library(given.x), Held).of(given, categorical, columns, owner)


def client_for(given: Given, client: Any) -> Any:
    """Return the Dask client to train on: the one given, or for lazy tables the current one."""
    if client is not None or library(given.x) not in ("dask", "dataset"):
        return client
    from distributed import default_client

    try:
        return default_client()
    except ValueError:  # there is none
        return None


def resources(client: Any) -> Resources:
    """Return what the workers of a client have, each at least.

    Raises:
        RankLost: There are none.
    """
    workers = client.scheduler_info()["workers"].values()
    if not workers:
        raise RankLost("the cluster has no workers", hint="start some, then fit again")
    memory = min(one["memory_limit"] or 0 for one in workers)
    return Resources(len(workers), min(one["nthreads"] for one in workers), memory)


@contextmanager
def folder(scratch: str | None) -> Iterator[Path]:
    """Make a folder for the rows of one fit; it is gone afterwards.

    Raises:
        OutputRefused: It cannot be made.
    """
    try:
        made = Path(tempfile.mkdtemp(prefix="millrace-fit-", dir=scratch)).absolute()
        made.chmod(0o777)  # workers may be other users
    except OSError as error:
        hint = "give scratch= a folder that exists and can be written to"
        raise OutputRefused(f"no folder for the rows: {error}", hint=hint) from error
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def spooled(home: Path, train: Table, valid: Table | None, classes: bool, client: Any) -> Collected:
    """Write the rows of both tables.

    Args:
        home: Folder for the files.
        train: Training rows.
        valid: Validation rows, if there are any.
        classes: Whether labels are classes.
        client: The cluster, or None.
    """
    workers = resources(client).workers if client else 1
    order = Order(home, "train", train.columns, classes)
    files = train.spooled(order, client, workers)
    other = Order(home, "valid", train.columns, classes)
    held_out = valid.spooled(other, client, workers) if valid else []
    return Collected.of(train.columns, files, held_out)


def trained(
    files: Collected,
    learning: Learning,
    class_weight: tuple[float, ...],
    parameters: Parameters,
    client: Any,
) -> Fitted:
    """Train on the files: on all workers of a client, or in a child of this process.

    Args:
        files: The rows.
        learning: What is to be learned.
        class_weight: Weight of each class; empty = all the same.
        parameters: Threads, and how many rows make the bins.
        client: The cluster, or None.
    """
    source, parts = files.source(class_weight), files.parts()
    most = int(parameters.arguments["subsample_for_bin"])
    sample = files.sample(most, learning.seed, client)
    if client is None:
        threads = parameters.threads
        return fit_alone(source, parts, sample, learning, Conduct(), threads=threads, progress=_say)
    from engine.boosting import fit

    have = resources(client)
    conduct = Conduct(memory=have.memory)
    return fit(client, have, source, parts, sample, learning, conduct, progress=_say)


def _say(_: object) -> None:
    """Hear what happens; an estimator says nothing."""
