"""Models that are not of millrace: a function, ONNX, scikit-learn, XGBoost; in own processes.

>>> from engine.scoring.foreign import Function, Isolated  # doctest: +SKIP
>>> model = Isolated(Function("shop.scoring:predict"), ("age",), {"score": pl.Float32()}).opened()
... # doctest: +SKIP
>>> model.predict(rows)  # doctest: +SKIP
[shape: (2,) Series: 'score' [f32] ...]
"""

from engine.scoring.foreign.function import Function
from engine.scoring.foreign.isolated import Isolated
from engine.scoring.foreign.limits import Limits
from engine.scoring.foreign.onnx import Onnx
from engine.scoring.foreign.skops import Skops
from engine.scoring.foreign.xgboost import Xgboost

__all__ = ["Function", "Isolated", "Limits", "Onnx", "Skops", "Xgboost"]
