"""The estimators that learn so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.learners.estimator import Estimator, Task


@dataclass(frozen=True)
class Course:
    """How an estimator goes through its rows.

    Attributes:
        epochs: Passes over all rows unless ``params.epochs`` says otherwise; 0: one pass is all
            that there is to learn, more would count each row again.
        shuffled: Whether rows are put into another order in each epoch.
    """

    epochs: int = 0
    shuffled: bool = False


_CLASSES: Final[tuple[Task, ...]] = ("binary", "multiclass")
_UNUSED: Final = ("early_stopping", "max_iter", "n_iter_no_change", "tol", "validation_fraction")
_SET: Final = ("n_jobs", "random_state", "verbose", "warm_start")
_LINEAR: Final = (*_SET, *_UNUSED, "class_weight")
_NETWORK: Final = (*_SET, "early_stopping", "max_iter", "max_fun", "validation_fraction")
_MEANS: Final = (*_SET, "batch_size", "max_iter", "max_no_improvement", "n_init", "tol")


def _of(
    module: str, name: str, tasks: tuple[Task, ...], about: str, fixed: tuple[str, ...]
) -> Estimator:
    return Estimator(f"sklearn.{name}", "streamed", tasks, f"sklearn.{module}:{name}", about, fixed)


ESTIMATORS: tuple[Estimator, ...] = (
    _of("linear_model", "SGDClassifier", _CLASSES, "Linear classifier, any loss.", _LINEAR),
    _of("linear_model", "SGDRegressor", ("regression",), "Linear regression, any loss.", _LINEAR),
    _of("linear_model", "Perceptron", _CLASSES, "The perceptron.", _LINEAR),
    _of(
        "linear_model",
        "PassiveAggressiveClassifier",
        _CLASSES,
        "Linear classifier that corrects itself at each mistake.",
        _LINEAR,
    ),
    _of(
        "linear_model",
        "PassiveAggressiveRegressor",
        ("regression",),
        "Linear regression that corrects itself at each mistake.",
        _LINEAR,
    ),
    _of("neural_network", "MLPClassifier", _CLASSES, "Neural network of dense layers.", _NETWORK),
    _of(
        "neural_network",
        "MLPRegressor",
        ("regression",),
        "Neural network of dense layers.",
        _NETWORK,
    ),
    _of("cluster", "MiniBatchKMeans", ("clustering",), "k-means over batches of rows.", _MEANS),
    _of(
        "decomposition",
        "IncrementalPCA",
        ("reduction",),
        "Principal components, batch by batch.",
        ("batch_size", "copy"),
    ),
    _of("naive_bayes", "GaussianNB", _CLASSES, "Naive Bayes of normal features.", ()),
    _of("naive_bayes", "MultinomialNB", _CLASSES, "Naive Bayes of counts.", ()),
    _of("naive_bayes", "BernoulliNB", _CLASSES, "Naive Bayes of features that are or not.", ()),
    _of("naive_bayes", "ComplementNB", _CLASSES, "Naive Bayes of counts, uneven classes.", ()),
)
"""Every estimator with ``partial_fit`` that millrace streams rows into."""

COURSES: Final[Mapping[str, Course]] = {
    **{
        f"sklearn.{name}": Course(epochs=5, shuffled=True)
        for name in (
            *("SGDClassifier", "SGDRegressor", "Perceptron"),
            *("PassiveAggressiveClassifier", "PassiveAggressiveRegressor"),
        )
    },
    "sklearn.MLPClassifier": Course(epochs=10, shuffled=True),
    "sklearn.MLPRegressor": Course(epochs=10, shuffled=True),
    "sklearn.MiniBatchKMeans": Course(epochs=3),
}
"""How each goes through its rows; any other in one pass, in their order."""
