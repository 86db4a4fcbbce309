"""The same work without a cluster, in plain processes: what Dask costs, and what is possible.

``plain`` runs the function of the Dask contestant. ``millrace-plain`` runs a whole millrace job
with a pool of processes in place of its cluster. ``limit`` does of millrace's work only what cannot
be left out, decoding and predicting: it writes nothing and looks at no contract. As with a cluster,
the seconds of both begin when the processes are there, and hold what their first task imports.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import millrace_job
from score_booster import Part, Settings, predicted, read
from synthetic import slices


def plain(settings: Settings) -> float:
    """Run the peers' function in plain processes, without Dask."""
    os.makedirs(settings["output"])
    began = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(settings["workers"]) as pool:
        work = list(enumerate(slices(Path(settings["table"]))))
        pool.map(partial(_score_part, settings), work, chunksize=1)
    return time.perf_counter() - began


def _score_part(settings: Settings, numbered: tuple[int, Part]) -> None:
    number, part = numbered
    frame = read(part, [*settings["ids"], *settings["features"]])
    path = f"{settings['output']}/part-{number:05d}.parquet"
    predicted(frame, settings).to_parquet(path, compression="zstd")


def millrace_plain(settings: Settings) -> float:
    """Run a millrace job whose partitions go to plain processes; the commit is its own."""
    return _job(settings, None)


def limit(settings: Settings) -> float:
    """Decode and predict the partitions of a millrace job, and do nothing else."""
    return _job(settings, _decode_and_predict)


def _decode_and_predict(work: Any, partition: Any) -> None:
    import polars as pl

    source = work.source
    wanted = list(dict.fromkeys([*work.columns, *work.model.inputs]))
    read = [source.format.read(source.files[one.file], one, wanted) for one in partition.slices]
    work.model.predict(pl.concat(read))


def _job(settings: Settings, instead: Callable[[Any, Any], None] | None) -> float:
    """Run the settings' job with a pool; with another function end where it would be committed."""
    sys.path.insert(0, str(millrace_job.REPOSITORY))
    os.environ["PYTHONPATH"] = str(millrace_job.REPOSITORY)
    # As its workers have it (`cluster.settings`).
    os.environ |= {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    from jobs import cli, run
    from jobs.sections import writing

    @contextmanager
    def no_cluster(spec: Any, *, remote: bool) -> Iterator[Any]:
        yield SimpleNamespace(client=None, resources=spec.resources(), dashboard=None)

    def over(
        _: Any, function: Any, work: Any, left: Sequence[Any], *, threads: int, **__: Any
    ) -> Any:
        context = multiprocessing.get_context("spawn")
        there = context.Barrier(threads + 1)
        with context.Pool(threads, _ready, (there,)) as pool:
            there.wait()
            began = time.perf_counter()
            call = partial(_done, instead or function, work)
            for done in pool.imap_unordered(call, left):
                if not instead:
                    yield done
            _marks(settings, time.perf_counter() - began)
        if instead:
            sys.stdout.flush()
            os._exit(0)

    run.connect = no_cluster  # type: ignore[attr-defined,assignment]
    writing.over_partitions = over  # type: ignore[attr-defined,assignment]
    os.chdir(settings["folder"])
    if status := cli.main(["run", settings["job"]]):
        sys.exit(status)
    marks: dict[str, float] = json.loads((Path(settings["folder"]) / "marks.json").read_text())
    return millrace_job.seconds(Path(settings["folder"])).get("score", marks["score"])


def _ready(there: Any) -> None:
    """Be where a worker of a cluster is when its first task comes: the clock starts then."""
    import distributed  # noqa: F401

    there.wait()


def _done(function: Callable[[Any, Any], Any], work: Any, partition: Any) -> Any:
    from engine import process
    from engine.tasks.execute import Done

    return Done(partition, function(work, partition), process.name(), process.peak())


def _marks(settings: Settings, seconds: float) -> None:
    (Path(settings["folder"]) / "marks.json").write_text(json.dumps({"score": seconds}))


CONTESTANTS: Mapping[str, Callable[[Settings], float]] = {
    "plain": plain,
    "millrace-plain": millrace_plain,
    "limit": limit,
}
