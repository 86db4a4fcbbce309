"""LightGBM's parameters: the user's are checked and passed on, millrace's own are added."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, Literal

from engine.boosting.names import ALIASES
from engine.errors import SpecError

Task = Literal["binary", "regression"]
Metric = Literal["log_loss", "auc", "rmse", "mae"]

METRICS: Final[Mapping[str, tuple[Metric, ...]]] = {
    "binary": ("log_loss", "auc"),
    "regression": ("rmse", "mae"),
}
"""Metrics that can stop training, by task; the first is the default."""

_NETWORK = "millrace connects the ranks itself"
_FILES = "millrace reads and writes the files of a job itself"
_ROWS = "the columns are told by the job's [train] and [features]"
_OWNED: Final[Mapping[str, str]] = {
    "task": "a job trains with [train] and predicts with [score]",
    "objective": "train.task says it",
    "num_class": "train.task says it",
    "metric": "train.metric says it",
    "is_provide_training_metric": "train.metric says what is measured",
    "metric_freq": "every round is measured",
    "first_metric_only": "train.metric says it",
    "num_iterations": "the number of rounds is given on its own",
    "early_stopping_round": "train.early_stopping says it",
    "early_stopping_min_delta": "train.early_stopping says it",
    "seed": "train.seed says it",
    "num_threads": "cluster.threads says it",
    "num_machines": "cluster.workers says it",
    **dict.fromkeys(("machines", "machine_list_filename", "local_listen_port"), _NETWORK),
    **dict.fromkeys(("tree_learner", "pre_partition", "time_out"), _NETWORK),
    **dict.fromkeys(("data", "valid", "input_model", "output_model", "output_result"), _FILES),
    **dict.fromkeys(("config", "parser_config_file", "save_binary", "two_round"), _FILES),
    **dict.fromkeys(("snapshot_freq", "convert_model", "convert_model_language"), _FILES),
    **dict.fromkeys(("forcedsplits_filename", "forcedbins_filename", "header"), _FILES),
    **dict.fromkeys(("label_column", "weight_column", "group_column", "ignore_column"), _ROWS),
    "categorical_feature": "an encode step of [features] says it",
    "bin_construct_sample_cnt": "train.sample_rows says it",
    "feature_pre_filter": "the bins must hold for every rank",
    "linear_tree": "it needs the raw rows, which are not kept in memory",
    "deterministic": "training is always deterministic",
    "verbosity": "LightGBM's warnings go to the worker's log",
}


def checked(params: Mapping[str, object]) -> dict[str, object]:
    """Return the user's parameters under LightGBM's main names.

    Raises:
        SpecError: A name is unknown (with a "did you mean"), given twice under two names, or
            belongs to millrace.
    """
    found: dict[str, object] = {}
    origin: dict[str, str] = {}
    for name, value in params.items():
        main = _main_name(name)
        if main in _OWNED:
            raise _error(name, f"cannot be set here: {_OWNED[main]}", "leave it out")
        if main in origin:
            raise _error(name, f"means the same as {origin[main]!r}", "keep one of them")
        found[main], origin[main] = value, name
    return found


def _main_name(name: str) -> str:
    if name in ALIASES:
        return name
    main = _MAIN.get(name)
    if main is None:
        close = get_close_matches(name, [*ALIASES, *_MAIN], 1)
        hint = f"did you mean {close[0]!r}?" if close else "see LightGBM's list of parameters"
        raise _error(name, "is not a parameter of LightGBM", hint)
    return main


_MAIN: Final = {alias: main for main, aliases in ALIASES.items() for alias in aliases}


def _error(name: str, what: str, hint: str) -> SpecError:
    return SpecError(f"parameter {name!r} {what}", where=f"train.params.{name}", hint=hint)


def metric_for(
    task: str, metric: str | None, early_stopping: int | None, valid: int, boosting: object
) -> Metric:
    """Return the metric that training is followed by.

    Args:
        task: ``binary`` or ``regression``.
        metric: The user's choice.
        early_stopping: Rounds of patience, or None.
        valid: Number of validation rows.
        boosting: LightGBM's ``boosting`` as the user set it, or None.

    Raises:
        SpecError: The metric does not go with the task, or there is nothing to stop by.
    """
    if task not in METRICS:
        hint = f"one of {', '.join(METRICS)}"
        raise SpecError(f"unknown task {task!r}", where="train.task", hint=hint)
    known = METRICS[task]
    chosen = next((name for name in known if name == metric), None) if metric else known[0]
    if chosen is None:
        what = f"metric {metric!r} does not go with task {task!r}"
        raise SpecError(what, where="train.metric", hint=f"use {' or '.join(known)}")
    if early_stopping is not None and not valid:
        what = "early stopping needs validation rows, and there are none"
        raise SpecError(what, where="train.early_stopping", hint="give train.split.valid")
    if early_stopping is not None and boosting == "dart":
        # Dart changes earlier trees in later rounds: cutting gives another model than was measured.
        what = "early stopping does not go with boosting = 'dart'"
        raise SpecError(what, where="train.early_stopping", hint="leave one of them out")
    return chosen


def common(
    params: Mapping[str, object], task: Task, categorical: Sequence[int], threads: int, seed: int
) -> dict[str, Any]:
    """Return the parameters that bins, data and training share on all ranks.

    Args:
        params: The user's, already `checked`.
        task: Decides the objective.
        categorical: Positions of features that hold codes.
        threads: Threads of one rank.
        seed: Of everything that LightGBM draws.
    """
    layout = {} if {"force_col_wise", "force_row_wise"} & set(params) else {"force_col_wise": True}
    return {
        **layout,  # col-wise keeps no second copy of the bins, and trying both would touch both
        **params,
        "objective": task,
        "metric": "None",
        "seed": seed,
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
