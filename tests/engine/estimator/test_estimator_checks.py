"""scikit-learn's own checks of estimators; each fit starts a rank, so most of them are `long`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from engine.estimator import (
    Classifier,
    Clusterer,
    LGBMClassifier,
    LGBMRegressor,
    OutlierDetector,
    Reducer,
    Regressor,
)

SKIPPED: dict[str, str] = {}
"""Checks that are not run, with the reason. scikit-learn itself leaves out what the tags exclude:
values that are not finite (they are taken) and sparse matrices (they are refused)."""

CHEAP = {
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_mixin_order",
    "check_estimators_unfitted",
    "check_complex_data",
    "check_estimators_empty_data_messages",
    "check_classifiers_regression_target",
    "check_supervised_y_no_nan",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_fit1d",
    "check_fit2d_1sample",
    "check_requires_y_none",
    "check_estimator_sparse_tag",
    "check_estimators_fit_returns_self",
    "check_n_features_in_after_fitting",
}
"""Checks that fit nothing, or once."""

Check = Callable[[Any], None]


def checks() -> Iterator[Any]:
    few: dict[str, Any] = {"n_estimators": 20, "n_jobs": 1}
    for estimator in (LGBMClassifier(**few), LGBMRegressor(**few)):
        made = estimator_checks_generator(estimator, expected_failed_checks=SKIPPED, mark="skip")
        for number, (one, check) in enumerate(made):
            name = getattr(check, "func", check).__name__
            marks = [] if name in CHEAP else [pytest.mark.long]
            identity = f"{type(one).__name__}-{name}-{number}"
            yield pytest.param(one, check, marks=marks, id=identity)


def cheap_checks_of_others() -> Iterator[Any]:
    """Yield those for one learner of each kind; each fit starts a worker in this process."""
    for estimator in (
        Classifier("sklearn.GaussianNB"),
        Regressor("sklearn.Ridge"),
        Clusterer("sklearn.KMeans", n_clusters=2),
        OutlierDetector("sklearn.IsolationForest", n_estimators=5),
        Reducer("sklearn.IncrementalPCA", n_components=1),
    ):
        for number, (one, check) in enumerate(estimator_checks_generator(estimator, mark="skip")):
            name = getattr(check, "func", check).__name__
            identity = f"{type(one).__name__}-{name}-{number}"
            if name in CHEAP:
                yield pytest.param(one, check, marks=[pytest.mark.long], id=identity)


@pytest.mark.parametrize(("estimator", "check"), [*checks(), *cheap_checks_of_others()])
def test_a_check_of_scikit_learn_holds(estimator: Any, check: Check) -> None:
    check(estimator)
