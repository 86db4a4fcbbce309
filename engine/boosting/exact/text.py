"""What a model text says of its objective, which LightGBM was not told while it was trained."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.boosting.exact.losses import sigmoid, softmax
from engine.boosting.exact.start import LOGS

Array = npt.NDArray[np.float64]

_OBJECTIVE = re.compile(r"^\[objective: .*\]$", re.MULTILINE)
_FEATURES = re.compile(r"^max_feature_idx=.*\n", re.MULTILINE)


def named(model: str, params: Mapping[str, Any]) -> str:
    """Return a model text with its objective, as LightGBM's own training writes it."""
    objective = str(params["objective"])
    extra = {
        "binary": "sigmoid:1",
        "multiclass": f"num_class:{params.get('num_class')}",
        "multiclassova": f"num_class:{params.get('num_class')} sigmoid:1",
    }
    line = " ".join([f"objective={objective}", *filter(None, [extra.get(objective)])])
    head, mark, tail = model.partition("\nTree=")
    head = _FEATURES.sub(lambda found: f"{found[0]}{line}\n", head, count=1)
    return head + mark + _OBJECTIVE.sub(f"[objective: {objective}]", tail)


def predicted(scores: Array, objective: str) -> Array:
    """Return the predictions of raw scores, shape (n,) or (n, classes) as they are."""
    if objective in ("binary", "cross_entropy"):
        return sigmoid(scores)
    if objective == "multiclass":
        return softmax(scores)
    if objective == "multiclassova":
        return sigmoid(scores)
    return np.exp(scores) if objective in LOGS else scores
