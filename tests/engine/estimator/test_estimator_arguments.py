"""Arguments of estimators: what they mean to LightGBM, copies and pickles."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from engine.boosting.learning import Learning
from engine.boosting.params.given import checked
from engine.errors import SpecError
from engine.estimator import LGBMClassifier, LGBMRanker, LGBMRegressor
from engine.estimator.given import held_out, library

KINDS = [LGBMClassifier, LGBMRanker, LGBMRegressor]
FEATURES = ("a", "b", "c")


def learning(metric: Any = None, stop: int | None = None, **arguments: Any) -> Learning:
    parameters = LGBMRegressor(**arguments)._parameters()
    return parameters.learning("regression", 0, FEATURES, metric, stop)


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_are_those_of_lightgbm(kind: type) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    theirs = getattr(lightgbm, kind.__name__)().get_params()
    own = kind().get_params()
    assert own.keys() - theirs.keys() == {"client", "scratch", "early_stopping"}
    assert {name: own[name] for name in theirs} == theirs


def test_arguments_become_parameters_that_training_takes() -> None:
    found = learning(num_leaves=5, subsample=0.5, min_child_samples=3, max_bin=63)
    params = checked(found.params)
    assert params["num_leaves"] == 5
    assert params["bagging_fraction"] == 0.5
    assert params["min_data_in_leaf"] == 3
    assert params["max_bin"] == 63


def test_an_extra_parameter_goes_before_the_argument_that_means_the_same() -> None:
    found = learning(min_data_in_leaf=7, num_iterations=3, seed=9, early_stopping_round=4)
    assert checked(found.params)["min_data_in_leaf"] == 7
    assert (found.rounds, found.seed, found.early_stopping) == (3, 9, 4)


def test_what_users_say_for_quiet_is_no_mistake() -> None:
    assert learning(verbose=-1, deterministic=True) == learning(verbosity=0) == learning()


def test_a_parameter_that_is_none_gets_a_hint() -> None:
    with pytest.raises(SpecError, match="did you mean 'num_leaf"):
        checked(learning(num_leafs=5).params)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("binary_logloss", "log_loss"), ("l1", "mae"), ("l2", "rmse"), ("auc", "auc"), (None, None)],
)
def test_metrics_of_lightgbm_have_our_names(asked: str | None, expected: str | None) -> None:
    assert learning(asked).metric == learning(metric=asked).metric == expected


def test_constraints_go_by_name_or_position() -> None:
    found = learning(monotone_constraints={"c": -1}, interaction_constraints=[["a", 2], [1]])
    assert found.monotone == (0, 0, -1)
    assert found.interactions == ((0, 2), (1,))
    assert learning(monotone_constraints=[1, 0, 0]).monotone == (1, 0, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"objective": lambda y, p: (p - y, 1)},
        {"monotone_constraints": [1]},
        {"monotone_constraints": {"d": 1}},
        {"interaction_constraints": [["d"]]},
        {"metric": lambda y, p: ("x", 0.0, True)},
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        learning(**arguments)


@pytest.mark.parametrize(
    "state", [None, 5, np.random.RandomState(1), np.random.default_rng(1)], ids=str
)
def test_a_seed_is_a_whole_number(state: Any) -> None:
    found = learning(random_state=state).seed
    assert isinstance(found, int) and 0 <= found < 2**31
    assert state != 5 or found == 5


@pytest.mark.parametrize("kind", KINDS)
def test_extra_parameters_are_copied_and_set(kind: type) -> None:
    model = kind(max_bin=15, num_leaves=4).set_params(max_bin=31, path_smooth=0.5, num_leaves=9)
    for one in (model, clone(model), pickle.loads(pickle.dumps(model))):
        said = one.get_params()
        assert (said["max_bin"], said["path_smooth"], said["num_leaves"]) == (31, 0.5, 9)
    assert "max_bin=31" in repr(model)


def test_copies_keep_the_client_and_pickles_do_not() -> None:
    class Client:
        def __deepcopy__(self, memo: Any) -> None:
            raise AssertionError("a client cannot be copied")

        def __reduce__(self) -> Any:
            raise AssertionError("a client cannot be pickled")

    model = LGBMRegressor(client=Client(), num_leaves=3)
    assert clone(model).client is model.client
    back = pickle.loads(pickle.dumps(model))
    assert back.client is None and back.num_leaves == 3


def test_one_validation_set_is_taken() -> None:
    assert held_out(None, None).given is None
    one = held_out([(1, 2)], ["mine"], weight=None, init=[3])
    assert one.given is not None
    assert (one.given.x, one.given.y, one.given.init, one.name) == (1, 2, 3, "mine")
    assert held_out((1, 2), None).name == "valid_0"
    with pytest.raises(SpecError, match="2 sets"):
        held_out([(1, 2), (3, 4)], None)


def test_what_is_no_table_is_refused() -> None:
    pl = pytest.importorskip("polars")
    da = pytest.importorskip("dask.array")
    with pytest.raises(SpecError, match="collect"):
        library(pl.LazyFrame({"a": [1]}))
    with pytest.raises(SpecError, match="to_dask_dataframe"):
        library(da.ones((3, 3)))
    assert library([[1, 2]]) == "array"


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_without_scikit_learn_the_error_says_what_to_install() -> None:
    said = run("import sys; sys.modules['sklearn'] = None; from engine.estimator import LGBMRanker")
    assert "SpecError: LGBMRanker needs scikit-learn" in said
    assert "millrace[dask-ml]" in said


def test_ranks_and_workers_load_neither_scikit_learn_nor_dask() -> None:
    said = run(
        "import sys; import engine.estimator.source, engine.estimator.spool; "
        "import engine.boosting.gang.alone; "
        "print([n for n in ('sklearn', 'dask', 'distributed', 'pandas') if n in sys.modules])"
    )
    assert said.strip() == "[]"
