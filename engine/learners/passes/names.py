"""The estimators that learn so."""

from __future__ import annotations

from engine.learners.estimator import Estimator

_IGNORED = (
    *("dual", "intercept_scaling", "class_weight", "random_state"),
    *("multi_class", "verbose", "warm_start", "n_jobs"),
)
"""Parameters of dask-ml's linear models that it takes and does not look at (dask_ml 2025.1.0,
linear_model/glm.py)."""

ESTIMATORS: tuple[Estimator, ...] = (
    Estimator(
        "dask_ml.LinearRegression",
        "passes",
        ("regression",),
        "dask_ml.linear_model:LinearRegression",
        "Least squares, with an L2 penalty unless `penalty = none`.",
        (*_IGNORED, "solver_kwargs"),
    ),
    Estimator(
        "dask_ml.LogisticRegression",
        "passes",
        ("binary",),
        "dask_ml.linear_model:LogisticRegression",
        "Logistic regression of two classes.",
        (*_IGNORED, "solver_kwargs"),
    ),
    Estimator(
        "dask_ml.PoissonRegression",
        "passes",
        ("regression",),
        "dask_ml.linear_model:PoissonRegression",
        "Poisson regression of counts, with the logarithm as link.",
        (*_IGNORED, "solver_kwargs"),
    ),
    Estimator(
        "dask_ml.KMeans",
        "passes",
        ("clustering",),
        "dask_ml.cluster:KMeans",
        "k-means from centres of k-means||.",
        ("random_state", "precompute_distances", "copy_x", "n_jobs", "algorithm"),
    ),
    Estimator(
        "dask_ml.PCA",
        "passes",
        ("reduction",),
        "dask_ml.decomposition:PCA",
        "Principal components by the QR decomposition of a tall matrix.",
        ("copy", "tol", "iterated_power", "random_state"),
    ),
    Estimator(
        "dask_ml.TruncatedSVD",
        "passes",
        ("reduction",),
        "dask_ml.decomposition:TruncatedSVD",
        "Singular vectors of the rows as they are, not centred.",
        ("n_iter", "random_state", "tol", "compute"),
    ),
    Estimator(
        "dask_ml.GaussianNB",
        "passes",
        ("binary", "multiclass"),
        "dask_ml.naive_bayes:GaussianNB",
        "Naive Bayes with a normal distribution of each feature in each class.",
        ("classes",),
    ),
    Estimator(
        "dask_ml.Incremental",
        "passes",
        ("binary", "regression"),
        "dask_ml.wrappers:Incremental",
        "`SGDClassifier` or `SGDRegressor` of scikit-learn, block after block.",
        ("scoring", "predict_meta", "predict_proba_meta", "transform_meta"),
    ),
)
