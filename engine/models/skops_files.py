"""Estimators of scikit-learn as skops files: bytes that name types, of which ours alone are made.

skops knows which of scikit-learn's and NumPy's own types are safe. A few estimators hold more,
Cython classes whose state is numbers: these are named here, estimator by estimator. A file that
holds anything else is refused before any of it is made.
"""

from __future__ import annotations

import threading
import warnings
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from engine.errors import MillraceError, ModelError, SpecError

LIBRARY: Final = "scikit-learn"

_TREE: Final = ("sklearn.tree._tree.Tree",)
_BINNED: Final = ("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",)
_OPTIMIZERS: Final = tuple(
    f"sklearn.neural_network._stochastic_optimizers.{name}"
    for name in ("AdamOptimizer", "SGDOptimizer")
)
_NEIGHBOURS: Final = (
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    *(
        f"sklearn.metrics._dist_metrics.{name}Distance64"
        for name in ("Chebyshev", "Euclidean", "Manhattan", "Minkowski")
    ),
)

TRUSTED: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        (
            *("sklearn.cluster:KMeans", "sklearn.cluster:MiniBatchKMeans"),
            "sklearn.decomposition:IncrementalPCA",
            *("sklearn.linear_model:LogisticRegression", "sklearn.linear_model:Ridge"),
            *("sklearn.linear_model:PassiveAggressiveClassifier",),
            *("sklearn.linear_model:PassiveAggressiveRegressor", "sklearn.linear_model:Perceptron"),
            *("sklearn.linear_model:SGDClassifier", "sklearn.linear_model:SGDRegressor"),
            "sklearn.mixture:GaussianMixture",
            *("sklearn.naive_bayes:BernoulliNB", "sklearn.naive_bayes:ComplementNB"),
            *("sklearn.naive_bayes:GaussianNB", "sklearn.naive_bayes:MultinomialNB"),
            *("sklearn.svm:LinearSVC", "sklearn.svm:LinearSVR", "sklearn.svm:OneClassSVM"),
            *("sklearn.svm:SVC", "sklearn.svm:SVR"),
        ),
        (),
    ),
    **dict.fromkeys(
        (
            *("sklearn.ensemble:ExtraTreesClassifier", "sklearn.ensemble:ExtraTreesRegressor"),
            *("sklearn.ensemble:RandomForestClassifier", "sklearn.ensemble:RandomForestRegressor"),
            "sklearn.ensemble:IsolationForest",
        ),
        _TREE,
    ),
    **dict.fromkeys(
        (
            "sklearn.ensemble:HistGradientBoostingClassifier",
            "sklearn.ensemble:HistGradientBoostingRegressor",
        ),
        _BINNED,
    ),
    **dict.fromkeys(
        ("sklearn.neural_network:MLPClassifier", "sklearn.neural_network:MLPRegressor"), _OPTIMIZERS
    ),
    **dict.fromkeys(
        (
            *("sklearn.neighbors:KNeighborsClassifier", "sklearn.neighbors:KNeighborsRegressor"),
            "sklearn.neighbors:LocalOutlierFactor",
        ),
        _NEIGHBOURS,
    ),
}
"""Types beyond skops' own that the file of an estimator may hold, by import path. Found by writing
each (scikit-learn 1.7.2, skops 0.16); a test writes them all."""

_one_at_a_time = threading.RLock()


def installed() -> str:
    """Return the version of scikit-learn here; empty where it is not installed."""
    try:
        return version(LIBRARY)
    except PackageNotFoundError:
        return ""


def lacking(where: str | None = None) -> SpecError:
    """Return the error that scikit-learn or skops is not installed."""
    return SpecError(
        "this estimator needs scikit-learn and skops, which are not installed",
        where=where,
        hint="pip install 'millrace[sklearn]'",
    )


def packed(estimator: Any, path: str) -> bytes:
    """Return an estimator as a skops file.

    Args:
        estimator: Fitted or not.
        path: Its import path, a key of `TRUSTED`.

    Raises:
        SpecError: It holds something that could not be read again, such as a metric of its own.
    """
    from skops import io

    with warnings.catch_warnings():
        # A learner of many classes: as many files in the archive, each told of.
        warnings.simplefilter("ignore", UserWarning)
        data: bytes = io.dumps(estimator, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    if strange := sorted(_strange(data, path)):
        raise SpecError(
            f"{path} with these parameters cannot be kept: it holds {', '.join(strange)}",
            where="train.params",
            hint="choose other parameters: of metrics euclidean, manhattan, chebyshev, minkowski",
        )
    return data


def unpacked(data: bytes, path: str) -> Any:
    """Return a new estimator from a file that `packed` made.

    Raises:
        ModelError: It is damaged, of another class, or holds a type that is not trusted.
        SpecError: scikit-learn or skops is not installed.
    """
    try:
        from skops import io
    except ImportError as error:
        raise lacking() from error
    if path not in TRUSTED:
        raise ModelError(
            f"a model says that it is {path!r}, which is none of our estimators",
            hint="train the model again, or use the version of millrace that trained it",
        )
    try:
        strange = _strange(data, path)
        if not strange:
            estimator = io.loads(data, trusted=list(TRUSTED[path]))
    except MillraceError:
        raise
    except Exception as error:  # zip, JSON and NumPy each have their own
        what = f"the file of {path} is damaged: {type(error).__name__}: {error}"
        raise ModelError(what, hint="train the model again") from error
    if strange:
        raise ModelError(
            f"the file of {path} holds types that are not trusted: {', '.join(sorted(strange))}",
            hint="it was not written by this version of millrace: train the model again",
        )
    found = f"{type(estimator).__module__}.{type(estimator).__name__}"
    module, _, name = path.partition(":")
    if not (found.startswith(f"{module}.") and found.endswith(f".{name}")):
        raise ModelError(f"a model says that it is {path}, and its file holds {found}")
    return estimator


def loaded(data: bytes, path: str, trained: str) -> Any:
    """Return the estimator of a file, made once in a process, for predictions alone.

    Args:
        data: The file.
        path: Import path of its class.
        trained: Version of scikit-learn that wrote it.

    Raises:
        ModelError: As `unpacked`, or scikit-learn is of another version: skops' files hold the
            attributes of one version (skops documentation, "Persistence").
    """
    if (here := installed()) != trained:
        if not here:
            raise lacking()
        raise ModelError(
            f"the model was trained with scikit-learn {trained}, and {here} is installed",
            hint=f"pip install 'scikit-learn=={trained}', or train the model again",
        )
    with _one_at_a_time:
        return _kept(data, path)


@lru_cache(maxsize=8)
def _kept(data: bytes, path: str) -> Any:
    return unpacked(data, path)


def _strange(data: bytes, path: str) -> set[str]:
    from skops import io

    return set(io.get_untrusted_types(data=data)) - set(TRUSTED[path])
