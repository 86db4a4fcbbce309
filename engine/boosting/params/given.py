"""The user's parameters of LightGBM: known by name, of the right kind, told apart from our own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from engine.boosting.params.names import ALIASES
from engine.boosting.params.values import VALUES
from engine.errors import SpecError

_NETWORK = "millrace connects the ranks itself"
_FILES = "millrace reads and writes the files of a job itself"
_ROWS = "the columns are told by the job's [train] and [features]"
_MEASURED = "train.metric says what is measured"
_SCORED = "it changes how LightGBM predicts; millrace scores with [score]"
_CPU = "training runs on CPUs"
_RAW = "it needs the raw rows, which are not kept in memory"
OWNED: Final[Mapping[str, str]] = {
    "task": "a job trains with [train] and predicts with [score]",
    "objective": "train.objective says it",
    "num_class": "train.classes says it",
    "metric": "train.metric says it",
    **dict.fromkeys(("is_provide_training_metric", "eval_at", "multi_error_top_k"), _MEASURED),
    "auc_mu_weights": _MEASURED,
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
    "top_k": "it is for tree_learner = voting, and millrace's is data",
    **dict.fromkeys(("data", "valid", "input_model", "output_model", "output_result"), _FILES),
    **dict.fromkeys(("config", "parser_config_file", "save_binary", "two_round"), _FILES),
    **dict.fromkeys(("snapshot_freq", "convert_model", "convert_model_language"), _FILES),
    **dict.fromkeys(("forcedsplits_filename", "forcedbins_filename", "header"), _FILES),
    **dict.fromkeys(("precise_float_parser", "saved_feature_importance_type"), _FILES),
    **dict.fromkeys(("label_column", "weight_column", "group_column", "ignore_column"), _ROWS),
    "categorical_feature": "an encode step of [features] says it",
    "monotone_constraints": "train.monotone says it, by names of features",
    "interaction_constraints": "train.interactions says it, by names of features",
    "lambdarank_position_bias_regularization": "millrace gives LightGBM no positions",
    "bin_construct_sample_cnt": "train.sample_rows says it",
    "feature_pre_filter": "the bins must hold for every rank",
    **dict.fromkeys(("linear_tree", "linear_lambda"), _RAW),
    **dict.fromkeys(("device_type", "gpu_device_id", "gpu_device_id_list", "num_gpu"), _CPU),
    **dict.fromkeys(("gpu_platform_id", "gpu_use_dp"), _CPU),
    "deterministic": "training is always deterministic",
    "verbosity": "LightGBM's warnings go to the worker's log",
    **dict.fromkeys(("start_iteration_predict", "num_iteration_predict"), _SCORED),
    **dict.fromkeys(("predict_raw_score", "predict_leaf_index", "predict_contrib"), _SCORED),
    **dict.fromkeys(("predict_disable_shape_check", "pred_early_stop"), _SCORED),
    **dict.fromkeys(("pred_early_stop_freq", "pred_early_stop_margin"), _SCORED),
}
"""Parameters that millrace sets itself, by main name, each with what to do instead, or why."""


def checked(params: Mapping[str, object]) -> dict[str, object]:
    """Return the user's parameters under LightGBM's main names.

    Raises:
        SpecError: A name is unknown (with a "did you mean"), given twice under two names, or
            belongs to millrace; or a value is not what LightGBM takes.
    """
    for name, what in refusals(params):
        raise SpecError(f"parameter {name!r} {what}", where=f"train.params.{name}")
    return {_MAIN[name]: value for name, value in params.items()}


def refusals(params: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the names that cannot be given or not so, each with the reason and what to do.

    Args:
        params: Values by names as the user gave them, in order.
    """
    origin: dict[str, str] = {}
    for name, value in params.items():
        main = _MAIN.get(name)
        if main is None:
            close = get_close_matches(name, _MAIN, 1)
            hint = f"did you mean {close[0]!r}?" if close else "see LightGBM's list of parameters"
            yield name, f"is not a parameter of LightGBM; {hint}"
        elif main in OWNED:
            yield name, f"cannot be set here: {OWNED[main]}"
        elif main in origin:
            yield name, f"means the same as {origin[main]!r}: keep one of them"
        elif value not in VALUES[main]:
            yield name, f"should be {VALUES[main]}, got {value!r}"
        else:
            origin[main] = name


_MAIN: Final = {alias: main for main, aliases in ALIASES.items() for alias in (main, *aliases)}
