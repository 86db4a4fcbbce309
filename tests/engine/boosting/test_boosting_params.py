from __future__ import annotations

import pytest

from engine.boosting.native import lightgbm
from engine.boosting.params.followed import metric_for
from engine.boosting.params.given import checked
from engine.boosting.params.names import ALIASES
from engine.boosting.params.shared import common, network, without_network
from engine.errors import SpecError


def test_names_are_those_of_the_installed_lightgbm() -> None:
    lightgbm()
    from lightgbm.basic import _ConfigAliases

    live = {
        main: tuple(sorted(set(names) - {main}))
        for main, names in _ConfigAliases._get_all_param_aliases().items()
    }
    assert live == {main: tuple(sorted(names)) for main, names in ALIASES.items()}


def test_aliases_become_main_names() -> None:
    assert checked({"eta": 0.1, "num_leaves": 7}) == {"learning_rate": 0.1, "num_leaves": 7}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"num_leafs": 31}, "did you mean 'num_leaf"),
        ({"zzzzzz": 1}, "not a parameter"),
        ({"eta": 0.1, "learning_rate": 0.1}, "means the same as 'eta'"),
        ({"machines": "a:1"}, "connects the ranks itself"),
        ({"nthread": 8}, "cluster.threads"),
        ({"n_estimators": 8}, "number of rounds"),
        ({"application": "binary"}, "train.task"),
        ({"linear_tree": True}, "raw rows"),
        ({"config": "/etc/passwd"}, "files"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        checked(params)


def test_the_layout_can_be_chosen() -> None:
    assert common({}, "binary", (), 1, 0)["force_col_wise"] is True
    assert "force_col_wise" not in common({"force_row_wise": True}, "binary", (), 1, 0)


def test_what_millrace_sets_cannot_be_overruled() -> None:
    shared = common({"max_bin": 63}, "regression", (2, 5), 3, 9)
    assert shared["max_bin"] == 63
    assert (shared["num_threads"], shared["seed"], shared["objective"]) == (3, 9, "regression")
    assert shared["categorical_column"] == [2, 5]


@pytest.mark.parametrize(
    ("call", "where"),
    [
        (("ranking", None, None, 1, None), "train.task"),
        (("binary", "rmse", None, 1, None), "train.metric"),
        (("binary", None, 5, 0, None), "train.early_stopping"),
        (("binary", None, 5, 10, "dart"), "train.early_stopping"),
    ],
)
def test_metrics_that_cannot_be(call: tuple[object, ...], where: str) -> None:
    with pytest.raises(SpecError) as caught:
        metric_for(*call)  # type: ignore[arg-type]
    assert caught.value.where == where


def test_the_first_metric_of_a_task_is_the_default() -> None:
    assert metric_for("binary", None, 5, 10, None) == "log_loss"
    assert metric_for("regression", "mae", None, 0, None) == "mae"


def test_a_single_rank_has_no_network() -> None:
    assert network([("10.0.0.1", 99)], 99) == {}
    two = network([("10.0.0.1", 99), ("10.0.0.2", 98)], 98)
    assert (two["machines"], two["local_listen_port"]) == ("10.0.0.1:99,10.0.0.2:98", 98)


def test_the_network_is_cut_out_of_a_model() -> None:
    text = "tree\nTree=0\n[machines: in a tree]\n\nparameters:\n[machines: a:1]\n[max_bin: 255]\n"
    kept = without_network(text)
    assert kept == "tree\nTree=0\n[machines: in a tree]\n\nparameters:\n[max_bin: 255]\n"
    assert without_network("no block") == "no block"
