"""The user's parameters of LightGBM: known by name, told apart from millrace's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from engine.boosting.params.names import ALIASES
from engine.errors import SpecError

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
    for name, what in refusals(params):
        raise SpecError(f"parameter {name!r} {what}", where=f"train.params.{name}")
    return {_MAIN[name]: value for name, value in params.items()}


def refusals(params: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the names that cannot be given, each with the reason and what to do.

    Args:
        params: Names as the user gave them, in order.
    """
    origin: dict[str, str] = {}
    for name in params:
        main = _MAIN.get(name)
        if main is None:
            close = get_close_matches(name, _MAIN, 1)
            hint = f"did you mean {close[0]!r}?" if close else "see LightGBM's list of parameters"
            yield name, f"is not a parameter of LightGBM; {hint}"
        elif main in _OWNED:
            yield name, f"cannot be set here: {_OWNED[main]}"
        elif main in origin:
            yield name, f"means the same as {origin[main]!r}: keep one of them"
        else:
            origin[main] = name


_MAIN: Final = {alias: main for main, aliases in ALIASES.items() for alias in (main, *aliases)}
