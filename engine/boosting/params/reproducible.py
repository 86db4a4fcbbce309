"""What a model that does not depend on the number of workers cannot have, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from engine.boosting.exact.losses import LOSSES
from engine.boosting.params.objectives import MEDIANS

EXACT: Final = (*LOSSES, "lambdarank")
"""Objectives whose derivatives millrace computes itself, so that their sums are exact."""

_PLACE: Final = "depends on which worker holds a row"
_REFUSED: Final = {
    "extra_trees": "draws thresholds on the worker that looks after a feature",
    "cegb_penalty_feature_lazy": f"{_PLACE}",
    "is_unbalance": "is not in the derivatives that millrace computes; use train.class_weight",
    "scale_pos_weight": "is not in the derivatives that millrace computes; use train.class_weight",
    "reg_sqrt": "is not in the derivatives that millrace computes",
    "use_quantized_grad": "rounds where LightGBM's sums of several workers are wrong",
    "monotone_constraints_method": "is 'basic' with several workers",
}
_HARMLESS: Final = {"monotone_constraints_method": "basic"}


def irreproducible(asked: Any) -> Iterator[tuple[str, str]]:
    """Yield what keeps a model from being reproducible, each with the reason.

    Args:
        asked: An `engine.boosting.params.together.Asked`.
    """
    objective = asked.objective
    if objective in MEDIANS:
        reason = "its leaves are quantiles, of which LightGBM takes the mean over workers"
        yield f"objective = {objective!r}", reason
    elif objective not in EXACT:
        yield f"objective = {objective!r}", f"it is not one of {', '.join(EXACT)}"
    if asked.boosting != "gbdt" or asked.goss:
        kind = "goss" if asked.goss else asked.boosting
        yield f"boosting = {kind!r}", "it needs LightGBM's own derivatives, or draws rows"
    if asked.bags:
        yield "bagging", f"what it draws {_PLACE}"
    if asked.learning.interactions:
        yield "interactions", "LightGBM 4.7 crashes on them with several workers"
    if asked.learning.refit is not None:
        yield "fitting leaves again", "its sums are rounded in the order of the workers"
    for name, reason in _REFUSED.items():
        value = asked.params.get(name)
        if value not in (None, False, 0, _HARMLESS.get(name)):
            yield f"parameter {name!r}", f"it {reason}"
    if asked.params.get("sigmoid", 1) != 1 and objective != "lambdarank":
        yield "parameter 'sigmoid'", "it is not in the derivatives that millrace computes"
