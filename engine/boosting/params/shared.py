"""The parameters that millrace adds: the same for all ranks, and those of their network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from engine.boosting.learning import Learning


def common(
    params: Mapping[str, object], learning: Learning, categorical: Sequence[int], threads: int
) -> dict[str, Any]:
    """Return the parameters that bins, data and training share on all ranks.

    Args:
        params: The user's, already `checked`.
        learning: Decides the objective.
        categorical: Positions of features that hold codes.
        threads: Threads of one rank.
    """
    layout = {} if {"force_col_wise", "force_row_wise"} & set(params) else {"force_col_wise": True}
    return {
        **layout,  # col-wise keeps no second copy of the bins, and trying both would touch both
        **params,
        "objective": learning.objective or learning.task,
        "metric": "None",
        "seed": learning.seed,
        "num_threads": threads,
        "deterministic": True,
        "feature_pre_filter": False,
        "verbosity": 0,
        **({"categorical_column": list(categorical)} if categorical else {}),
    }


def network(hosts: Iterable[tuple[str, int]], own_port: int, time_out: int = 2) -> dict[str, Any]:
    """Return the parameters of LightGBM's network; none for a single rank.

    Args:
        hosts: Address and port of every rank, in rank order.
        own_port: The port of this rank.
        time_out: Minutes until LightGBM gives up on a silent peer.
    """
    machines = [f"{host}:{port}" for host, port in hosts]
    if len(machines) < 2:
        return {}
    return {
        "machines": ",".join(machines),
        "num_machines": len(machines),
        "local_listen_port": own_port,
        "tree_learner": "data",
        "pre_partition": True,
        "time_out": time_out,
    }


def without_network(model: str) -> str:
    """Return a model text without the lines that differ from rank to rank and run to run."""
    head, mark, tail = model.partition("\nparameters:\n")
    return head + mark + "".join(_kept_lines(tail))


def _kept_lines(tail: str) -> Iterator[str]:
    # The block only tells how the model was made; nothing in it changes a prediction.
    for line in tail.splitlines(keepends=True):
        if not line.startswith(("[machines:", "[local_listen_port:", "[num_machines:")):
            yield line
