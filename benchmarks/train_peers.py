"""Run one contestant of `train` in this process, or measure its model.

``python train_peers.py NAME settings.json`` trains and leaves its model (``model.txt`` of LightGBM,
``model.ubj`` of XGBoost) and ``marks.json`` (seconds to load and to boost) in the settings' folder.
NAME ``auc`` prints the AUC of the settings' ``model`` on ``held_out``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

# This folder has a profile.py, and so has the standard library: let that one be found first.
sys.path.append(sys.path.pop(0))

PEERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "reading": ("train_reading", ("lightgbm",)),
    "lightgbm.dask": ("train_lightgbm", ("lightgbm", "dask", "distributed", "pandas")),
    "pandas": ("train_lightgbm", ("lightgbm", "pandas")),
    "arrow": ("train_lightgbm", ("lightgbm", "pyarrow")),
    "polars": ("train_lightgbm", ("lightgbm", "polars")),
    "xgboost.dask": ("train_xgboost", ("xgboost", "lightgbm", "dask", "distributed", "pandas")),
    "xgboost-external": ("train_xgboost", ("xgboost", "lightgbm")),
    "xgboost-streamed": ("train_xgboost", ("xgboost", "lightgbm")),
}
"""Module of each contestant, whose ``CONTESTANTS`` hold a function by name; what it imports."""


def auc(settings: Mapping[str, Any]) -> float:
    """Return the AUC of ``model`` on ``held_out``; ties count half."""
    import numpy as np
    import pyarrow.parquet as pq
    from scores import area

    table = pq.read_table(settings["held_out"], columns=[*settings["features"], "label"])
    x = np.column_stack([table[name].to_numpy() for name in settings["features"]])
    return area(table["label"].to_numpy(), _predicted(Path(settings["model"]), x))


def _predicted(model: Path, x: Any) -> Any:
    if model.suffix == ".ubj":
        import xgboost as xgb

        return xgb.Booster(model_file=model).inplace_predict(x)
    import lightgbm as lgb

    return lgb.Booster(model_file=model).predict(x, num_threads=2)


def main() -> None:
    """Run one contestant."""
    name, settings = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    if name == "auc":
        print(auc(settings))
        return
    marks = import_module(PEERS[name][0]).CONTESTANTS[name](settings)
    (Path(settings["folder"]) / "marks.json").write_text(json.dumps(marks))


if __name__ == "__main__":
    main()
