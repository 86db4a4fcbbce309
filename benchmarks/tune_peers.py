"""Run one contestant of `tune` in this process, other than millrace.

``python tune_peers.py NAME settings.json`` tries parameters of LightGBM and leaves ``marks.json``
in the settings' folder: the best log loss, the trials that came to their end, seconds to load. All
draw from the same space, measure the same number of folds, and use as many cores.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# This folder has a profile.py, and so has the standard library: let that one be found first.
sys.path.append(sys.path.pop(0))

Settings = dict[str, Any]
Marks = dict[str, Any]

QUIET = {"objective": "binary", "metric": "binary_logloss", "verbosity": -1}


def _rows(settings: Settings) -> tuple[Any, Any]:
    """Read all rows into memory: features (n, width) float32, labels (n,)."""
    import numpy as np
    import pyarrow.parquet as pq

    table = pq.read_table(settings["table"], columns=[*settings["features"], "label"])
    x = np.column_stack([table[name].to_numpy() for name in settings["features"]])
    return x, table["label"].to_numpy()


def _folds(settings: Settings, y: Any) -> Any:
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(settings["folds"], shuffle=True, random_state=42)
    return list(folds.split(y, y))


def _measured(settings: Settings, data: Any, folds: Any, params: dict[str, Any], cores: int) -> Any:
    """Return the mean log loss after each round, over folds of one binned data set."""
    import lightgbm as lgb

    found = lgb.cv({**QUIET, **params, "num_threads": cores}, data, settings["rounds"], folds=folds)
    return found["valid binary_logloss-mean"]


def _bins(x: Any, y: Any) -> Any:
    import lightgbm as lgb

    params = {**QUIET, "feature_pre_filter": False}
    return lgb.Dataset(x, y, params=params, free_raw_data=False).construct()


def _suggested(trial: Any, space: dict[str, Any]) -> dict[str, Any]:
    """Return what Optuna suggests, in the space of the job file."""
    params = {}
    for name, one in space.items():
        kind = trial.suggest_int if isinstance(one["low"], int) else trial.suggest_float
        params[name] = kind(name, one["low"], one["high"], log=one.get("log", False))
    return params


def _optuna(settings: Settings, at_once: int) -> Marks:
    """Optuna's TPE over `lgb.cv`, all rows in memory, binned once."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    start = time.time()
    x, y = _rows(settings)
    data, folds = _bins(x, y), _folds(settings, y)
    load = time.time() - start
    cores = settings["workers"] // at_once

    def objective(trial: Any) -> float:
        params = _suggested(trial, settings["space"])
        return float(min(_measured(settings, data, folds, params, cores)))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=42))
    study.optimize(objective, settings["trials"], n_jobs=at_once)
    return {"load": load, "best": study.best_value, "done": len(study.trials)}


def optuna_one(settings: Settings) -> Marks:
    """Trials one after the other, each on all cores."""
    return _optuna(settings, 1)


def optuna_side_by_side(settings: Settings) -> Marks:
    """As many trials at once as there are cores, in threads."""
    return _optuna(settings, settings["workers"])


def _scipy(space: dict[str, Any]) -> dict[str, Any]:
    from scipy.stats import loguniform, randint, uniform

    found: dict[str, Any] = {}
    for name, one in space.items():
        low, high = one["low"], one["high"]
        if isinstance(low, int):
            found[name] = randint(low, high + 1)
        else:
            found[name] = loguniform(low, high) if one.get("log") else uniform(low, high - low)
    return found


def dask_ml(settings: Settings) -> Marks:
    """dask-ml's RandomizedSearchCV over LGBMClassifier, on worker processes of one thread."""
    from dask_ml.model_selection import RandomizedSearchCV
    from dask_workers import workers
    from lightgbm import LGBMClassifier
    from sklearn.model_selection import StratifiedKFold

    with workers(settings["workers"]) as client:
        start = time.time()
        x, y = _rows(settings)
        load = time.time() - start
        one = LGBMClassifier(n_estimators=settings["rounds"], n_jobs=1, verbosity=-1)
        search = RandomizedSearchCV(
            one,
            _scipy(settings["space"]),
            n_iter=settings["trials"],
            scoring="neg_log_loss",
            cv=StratifiedKFold(settings["folds"], shuffle=True, random_state=42),
            refit=False,
            scheduler=client,
            random_state=42,
        )
        search.fit(x, y)
        best = -float(max(search.cv_results_["mean_test_score"]))
    return {"load": load, "best": best, "done": len(search.cv_results_["params"])}


def ray_tune(settings: Settings) -> Marks:
    """Ray Tune's random search over `lgb.cv`, a core each trial; rows in Ray's object store."""
    import ray
    from ray import tune

    ray.init(num_cpus=settings["workers"], include_dashboard=False, log_to_driver=False)
    start = time.time()
    x, y = _rows(settings)
    folds = _folds(settings, y)
    load = time.time() - start

    def trial(config: dict[str, Any], x: Any, y: Any) -> dict[str, float]:
        return {"loss": float(min(_measured(settings, _bins(x, y), folds, config, 1)))}

    draws: dict[str, Any] = {}
    for name, one in settings["space"].items():
        low, high, log = one["low"], one["high"], one.get("log", False)
        if isinstance(low, int):
            draws[name] = (tune.lograndint if log else tune.randint)(low, high + 1)
        else:
            draws[name] = (tune.loguniform if log else tune.uniform)(low, high)
    tuner = tune.Tuner(
        tune.with_parameters(trial, x=x, y=y),
        param_space=draws,
        tune_config=tune.TuneConfig(metric="loss", mode="min", num_samples=settings["trials"]),
        run_config=tune.RunConfig(storage_path=settings["folder"], verbose=0),
    )
    found = tuner.fit()
    best = float(found.get_best_result().metrics["loss"])
    return {"load": load, "best": best, "done": len(found) - found.num_errors}


PEERS: dict[str, tuple[Callable[[Settings], Marks], tuple[str, ...]]] = {
    "optuna": (optuna_one, ("optuna", "lightgbm", "sklearn", "pyarrow")),
    "optuna-threads": (optuna_side_by_side, ("optuna", "lightgbm", "sklearn", "pyarrow")),
    "dask-ml": (dask_ml, ("dask_ml", "lightgbm", "sklearn", "pyarrow")),
    "ray": (ray_tune, ("ray", "lightgbm", "sklearn", "pyarrow")),
}
"""What each contestant does, and what it imports."""


def main() -> None:
    """Run one contestant."""
    name, settings = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    marks = PEERS[name][0](settings)
    (Path(settings["folder"]) / "marks.json").write_text(json.dumps(marks))


if __name__ == "__main__":
    main()
