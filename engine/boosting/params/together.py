"""What cannot be asked for together: LightGBM would refuse it late, or change it in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.boosting.learning import Learning
from engine.boosting.params.objectives import MEDIANS, objective_for
from engine.boosting.params.reproducible import irreproducible
from engine.boosting.params.values import is_on
from engine.errors import SpecError

Clash = tuple[str, str, str]
"""The key in the job file, what is wrong with it, and what to do."""


@dataclass(frozen=True)
class Asked:
    """All that decides what goes together.

    Attributes:
        params: The user's, already `checked`.
        learning: What is to be learned.
        ranks: Processes that train together.
        vectors: What the rows have beside features and labels, as `RowSource.vectors`.
        class_weight: Whether the job weighs classes.
    """

    params: Mapping[str, Any]
    learning: Learning
    ranks: int
    vectors: frozenset[str] = frozenset()
    class_weight: bool = False

    @property
    def objective(self) -> str:
        """LightGBM's main name of the objective."""
        return objective_for(self.learning.task, self.learning.objective)

    @property
    def boosting(self) -> str:
        """LightGBM's main name of the kind of boosting."""
        given = str(self.params.get("boosting", "gbdt")).lower()
        return {"gbrt": "gbdt", "random_forest": "rf"}.get(given, given)

    @property
    def goss(self) -> bool:
        """Whether rows are drawn by their gradients."""
        strategy = str(self.params.get("data_sample_strategy", "bagging")).lower()
        return "goss" in (self.boosting, strategy)

    @property
    def bags(self) -> bool:
        """Whether each round sees a draw of the rows."""
        fractions = ("bagging_fraction", "pos_bagging_fraction", "neg_bagging_fraction")
        less = any(self.params.get(name, 1.0) < 1 for name in fractions)
        return less and self.params.get("bagging_freq", 0) > 0

    def on(self, name: str) -> bool:
        """Return whether a flag is set."""
        return is_on(self.params.get(name, False))


def refuse_clashes(asked: Asked) -> None:
    """Raise what does not go together first.

    Raises:
        SpecError: Something does not; ``where`` is the key in the job file.
    """
    for where, what, hint in clashes(asked):
        raise SpecError(what, where=where, hint=hint)


def clashes(asked: Asked) -> Iterator[Clash]:
    """Yield all that does not go together.

    Raises:
        SpecError: The objective does not belong to the task.
    """
    yield from _objective(asked)
    yield from _drawn(asked)
    yield from _boosting(asked)
    yield from _monotone(asked)
    yield from _distributed(asked)
    if asked.learning.reproducible:
        for what, why in irreproducible(asked):
            hint = "leave it out, or reproducible = false"
            yield "train.reproducible", f"{what} does not go with reproducible: {why}", hint


def _objective(asked: Asked) -> Iterator[Clash]:
    """Yield what the objective would ignore or refuse."""
    objective = asked.objective
    weighing = [n for n in ("is_unbalance", "scale_pos_weight") if n in asked.params]
    if len(weighing) > 1:
        yield _params(weighing[1], "does not go with is_unbalance", "keep one of them")
    for name in weighing:
        if objective not in ("binary", "multiclassova"):
            yield _params(name, f"does nothing with objective = {objective!r}", "leave it out")
        elif asked.class_weight:
            yield _params(name, "weighs classes, and so does train.class_weight", "keep one")
    if objective == "quantile" and asked.params.get("alpha", 0.9) >= 1:
        yield _params("alpha", "is the quantile here, and below 1", "give a number such as 0.9")
    if asked.on("reg_sqrt") and objective != "regression":
        yield _params("reg_sqrt", f"does nothing with objective = {objective!r}", "leave it out")
    if asked.on("force_col_wise") and asked.on("force_row_wise"):
        yield _params("force_row_wise", "does not go with force_col_wise", "keep one of them")


def _drawn(asked: Asked) -> Iterator[Clash]:
    """Yield ways of drawing rows that exclude each other (src/boosting/goss.hpp, bagging.hpp)."""
    if asked.goss and asked.bags:
        hint = "leave bagging_fraction and bagging_freq out"
        yield _params("bagging_fraction", "does not go with goss, which draws rows too", hint)
    if asked.goss and asked.params.get("top_rate", 0.2) + asked.params.get("other_rate", 0.1) > 1:
        yield _params("top_rate", "and other_rate are more than all rows together", "lower one")
    if asked.on("bagging_by_query") and (asked.goss or asked.learning.task != "ranking"):
        yield _params("bagging_by_query", "is for ranking without goss", "leave it out")


def _boosting(asked: Asked) -> Iterator[Clash]:
    """Yield what dart and rf cannot do: trees change or are averaged (dart.hpp, rf.hpp)."""
    kind, learning = asked.boosting, asked.learning
    if kind == "rf" and not asked.goss and not asked.bags and _all_features(asked):
        hint = "give bagging_fraction and bagging_freq, or feature_fraction below 1"
        yield _params("boosting", "= 'rf' needs a draw of rows or of features", hint)
    if kind not in ("dart", "rf"):
        return
    if learning.subsets > 1:
        what = f"= {kind!r} needs all rows in memory at once: later trees depend on earlier ones"
        yield _params("boosting", what, "give more memory or workers, or leave it out")
    if learning.base is not None or "init" in asked.vectors:
        what = f"= {kind!r} cannot go on from scores of another model"
        yield _params("boosting", what, "leave boosting, or train.init and train.init_score, out")
    if kind == "rf" and learning.schedule is not None:
        yield "train.schedule", "boosting = 'rf' has no learning rate", "leave one of them out"


def _all_features(asked: Asked) -> bool:
    return float(asked.params.get("feature_fraction", 1.0)) == 1


def _monotone(asked: Asked) -> Iterator[Clash]:
    """Yield what a monotone model cannot have."""
    if not any(asked.learning.monotone):
        return
    if asked.objective in MEDIANS:
        what = f"objective = {asked.objective!r} cannot be monotone: its leaves are quantiles"
        yield "train.monotone", what, "use objective = 'huber' or 'regression'"
    name = "monotone_constraints_method"
    method = str(asked.params.get(name, "basic")).lower()
    if method != "basic" and asked.ranks > 1 and not asked.learning.reproducible:
        what = f"= {method!r} needs all rows in one process; LightGBM would take 'basic'"
        yield _params(name, what, "use 'basic', or cluster.workers = 1")
    if method != "basic" and asked.params.get("feature_fraction_bynode", 1.0) != 1:
        what = f"= {method!r} does not go with feature_fraction_bynode"
        yield _params(name, what, "leave one of them out")


def _distributed(asked: Asked) -> Iterator[Clash]:
    """Yield what LightGBM does wrong, or not at all, with several ranks."""
    if asked.learning.interactions and asked.ranks > 1 and not asked.learning.reproducible:
        # std::bad_alloc or a signal, 4.7; open since 2023 (LightGBM issue 5680).
        what = "LightGBM 4.7 crashes on interactions with several workers"
        yield "train.interactions", what, "use cluster.workers = 1, or leave them out"
    if asked.ranks > 1 and asked.on("use_quantized_grad") and not asked.learning.reproducible:
        # Measured, 4.7: leaf values of 1e15, or "Check failed: best_split_info.left_count > 0".
        what = "gives wrong models with several workers in LightGBM 4.7"
        yield _params("use_quantized_grad", what, "leave it out, or use cluster.workers = 1")


def _params(name: str, what: str, hint: str) -> Clash:
    return f"train.params.{name}", f"parameter {name!r} {what}", hint
