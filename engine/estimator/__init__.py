"""scikit-learn estimators that train on arrays, frames, Dask frames and data sets.

LightGBM has classes of its own; any other estimator of the catalogue is named to the class of what
it tells.

>>> from engine.estimator import LGBMClassifier  # doctest: +SKIP
>>> LGBMClassifier(num_leaves=63).fit(frame, "label").predict(frame)  # doctest: +SKIP
>>> from engine.estimator import Classifier  # doctest: +SKIP
>>> Classifier("sklearn.SGDClassifier", alpha=1e-3).fit("rows/*.parquet", "label")  # doctest: +SKIP

A rank imports this package to read its rows: nothing of scikit-learn or Dask is loaded by that.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from engine.errors import SpecError

if TYPE_CHECKING:
    from engine.estimator.classifier import LGBMClassifier
    from engine.estimator.kinds import Classifier, Clusterer, OutlierDetector, Reducer, Regressor
    from engine.estimator.ranker import LGBMRanker
    from engine.estimator.regressor import LGBMRegressor

__all__ = [
    "Classifier",
    "Clusterer",
    "LGBMClassifier",
    "LGBMRanker",
    "LGBMRegressor",
    "OutlierDetector",
    "Reducer",
    "Regressor",
]


def __getattr__(name: str) -> object:
    """Import an estimator when it is asked for.

    Raises:
        SpecError: scikit-learn is not installed.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    boosted = name.startswith("LGBM")
    module = f"{__name__}.{name.removeprefix('LGBM').lower() if boosted else 'kinds'}"
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        hint = 'pip install "millrace[dask-ml]"; a job file trains without it'
        raise SpecError(f"{name} needs scikit-learn", hint=hint) from error
