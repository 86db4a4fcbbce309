"""The same model on any number of workers: whether, and what it costs.

Each objective is trained on 1, 2 and 4 workers, with and without ``reproducible``. The table says
whether the model texts are the same, how far apart predictions are when they are not, the metric
both ways, and CPU seconds of all ranks.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from distributed import Client

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from reproducible_rows import ReproducibleRows  # noqa: E402

from cluster.resources import Resources  # noqa: E402
from cluster.session import connect  # noqa: E402
from cluster.spec import LocalCluster  # noqa: E402
from engine.boosting import Conduct, Fitted, Learning, fit  # noqa: E402
from engine.boosting.native import lightgbm  # noqa: E402

CASES = {
    "binary": "binary",
    "regression": "regression",
    "poisson": "regression",
    "multiclass": "multiclass",
    "lambdarank": "ranking",
}
"""Task by objective."""

PARTITIONS = 8
PARAMS = {"num_leaves": 31, "learning_rate": 0.1}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print, one line of JSON a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="training rows")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--objectives", nargs="+", choices=list(CASES), default=list(CASES))
    options = parser.parse_args(arguments)
    with connect(LocalCluster(workers=max(options.workers), memory="1 GiB")) as session:
        for objective in options.objectives:
            each = options.rows // PARTITIONS // 20 * 20
            rows = ReproducibleRows(
                CASES[objective], objective, PARTITIONS, each, each // 5 // 20 * 20
            )
            for exact in (False, True):
                found = measured(session.client, rows, exact, options.rounds, options.workers)
                print(json.dumps(found), flush=True)


def measured(
    client: Client, rows: ReproducibleRows, exact: bool, rounds: int, workers: Sequence[int]
) -> dict[str, Any]:
    """Return the line of one objective, with or without ``reproducible``."""
    fits, seconds = [], []
    for count in workers:
        before = _spent(client)
        fits.append(_trained(client, rows, exact, rounds, count))
        seconds.append(round(_spent(client) - before, 1))
    x = rows.drawn(10_000)[0]
    guesses = [_scores(one, x) for one in fits]
    name, metric = next(iter(fits[0].history[-1].items()))
    return {
        "objective": rows.objective,
        "rows": rows.train * rows.count,
        "reproducible": exact,
        "same text": [one.model == fits[0].model for one in fits[1:]],
        "same from two on": all(one.model == fits[1].model for one in fits[2:]),
        "apart": [float(np.abs(one - guesses[0]).max()) for one in guesses[1:]],
        name: [metric, *(one.history[-1][name] for one in fits[1:])],
        "cpu seconds": seconds,
    }


def _trained(
    client: Client, rows: ReproducibleRows, exact: bool, rounds: int, workers: int
) -> Fitted:
    learning = Learning(
        rows.task,  # type: ignore[arg-type]
        params=PARAMS,
        rounds=rounds,
        objective=rows.objective,
        classes=4 if rows.task == "multiclass" else 0,
        seed=7,
        reproducible=exact,
    )
    resources = Resources(workers, 1, 2**30)
    told = (rows, rows.parts(), rows.sample(), learning, Conduct())
    return fit(client, resources, *told, progress=lambda _: None)


def _scores(fitted: Fitted, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    found = lightgbm().Booster(model_str=fitted.model).predict(x, raw_score=True)
    return np.asarray(found, np.float64)


def _spent(client: Client) -> float:
    """Return the CPU seconds of all ranks that have ended."""
    return sum(_each(client.run(os.times)))


def _each(times: dict[str, os.times_result]) -> Iterator[float]:
    for one in times.values():
        yield one.children_user + one.children_system


if __name__ == "__main__":
    main()
