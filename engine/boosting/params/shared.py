"""The parameters that millrace adds: the same for all ranks, and those of their network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from engine.boosting.learning import Learning
from engine.boosting.params.objectives import objective_for
from engine.errors import SpecError

DENSE = {"enable_bundle": False, "is_enable_sparse": False}
"""Every cell takes one byte, as the memory plan says, and the rows can be binned by millrace."""


def common(
    params: Mapping[str, object],
    learning: Learning,
    categorical: Sequence[int],
    threads: int,
    features: int = 0,
) -> dict[str, Any]:
    """Return the parameters that bins, data and training share on all ranks.

    Args:
        params: The user's, already `checked`.
        learning: Decides objective, classes, seed and constraints.
        categorical: Positions of features that hold codes.
        threads: Threads of one rank.
        features: Number of features; those in no group of interactions get one of their own.

    Raises:
        SpecError: Objective or constraints do not go with the task or the features.
    """
    layout = {} if {"force_col_wise", "force_row_wise"} & set(params) else {"force_col_wise": True}
    return {
        **layout,  # col-wise keeps no second copy of the bins, and trying both would touch both
        **DENSE,
        **params,
        "objective": objective_for(learning.task, learning.objective),
        **({"num_class": learning.classes} if learning.task == "multiclass" else {}),
        **dict(_constraints(learning, categorical, features)),
        "metric": "None",
        "seed": learning.seed,
        "num_threads": threads,
        "deterministic": True,
        "feature_pre_filter": False,
        **({"pre_partition": True} if learning.reproducible else {}),  # a line of the model text
        "verbosity": 0,
        **({"categorical_column": list(categorical)} if categorical else {}),
    }


def _constraints(
    learning: Learning, categorical: Sequence[int], features: int
) -> Iterator[tuple[str, Any]]:
    """Yield LightGBM's parameters for monotone features and for groups of interactions."""
    if any(learning.monotone):
        if codes := [at for at in categorical if learning.monotone[at]]:
            what = f"a feature of categories (number {codes[0]}) cannot be monotone"
            raise SpecError(what, where="train.monotone", hint="its codes have no order")
        yield "monotone_constraints", list(learning.monotone)
    if learning.interactions:
        named = {at for group in learning.interactions for at in group}
        # LightGBM would never use a feature that is in no group.
        others = [at for at in range(features) if at not in named]
        groups = [sorted(group) for group in learning.interactions]
        yield "interaction_constraints", [*groups, others] if others else groups


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
        if not line.startswith(_OF_A_RUN):
            yield line


_OF_A_RUN = ("[machines:", "[local_listen_port:", "[num_machines:", "[num_threads:")
