"""What the labels and weights of all ranks hold, and whether a model can be learned from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from engine.errors import ContractRefused

COUNTED = 1 << 16
"""Whole labels below this are counted one by one: classes, and degrees of relevance."""

MOST_RELEVANCE = 30
"""LightGBM's gains are 2^label - 1 in 31 entries (``label_gain``, include/LightGBM/config.h)."""


@dataclass(frozen=True)
class LabelCounts:
    """How many labels and weights are of which kind; adds up over partitions and ranks.

    Attributes:
        rows: All labels.
        missing: NaN.
        infinite: Plus or minus infinity.
        negative: Finite and below 0.
        uneven: Finite and not whole.
        large: Finite and above 1.
        counted: Labels that are 0, 1, 2 ...; those from `COUNTED` on are left out.
        bad_weights: Weights that are NaN, infinite or negative.
        weighty: Rows with a weight above 0; all without weights.
    """

    rows: int = 0
    missing: int = 0
    infinite: int = 0
    negative: int = 0
    uneven: int = 0
    large: int = 0
    counted: tuple[int, ...] = ()
    bad_weights: int = 0
    weighty: int = 0

    @classmethod
    def of(
        cls, y: npt.NDArray[np.float32], weight: npt.NDArray[np.float32] | None = None
    ) -> LabelCounts:
        """Count labels, shape (n,), and their weights, shape (n,); None = all the same."""
        finite = y[np.isfinite(y)]
        whole = finite[(finite >= 0) & (finite < COUNTED) & (finite == np.floor(finite))]
        found = cls(
            rows=len(y),
            missing=_count(np.isnan(y)),
            infinite=_count(np.isinf(y)),
            negative=_count(finite < 0),
            uneven=_count(finite != np.floor(finite)),
            large=_count(finite > 1),
            counted=tuple(np.bincount(whole.astype(np.int64)).tolist()),
            weighty=len(y),
        )
        return found if weight is None else found._weighed(weight)

    def _weighed(self, weight: npt.NDArray[np.float32]) -> LabelCounts:
        said = vars(self) | {
            "bad_weights": _count(~(np.isfinite(weight) & (weight >= 0))),
            "weighty": _count(weight > 0),
        }
        return LabelCounts(**said)

    def __add__(self, other: LabelCounts) -> LabelCounts:
        """Return the counts of both."""
        pairs = zip_longest(self.counted, other.counted, fillvalue=0)
        said = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return LabelCounts(**{**said, "counted": tuple(map(sum, pairs))})

    def count(self, label: int) -> int:
        """Return how many labels are this number."""
        return self.counted[label] if label < len(self.counted) else 0

    @property
    def kinds(self) -> list[int]:
        """The whole labels that exist."""
        return [label for label, count in enumerate(self.counted) if count]


def refuse_bad(
    part: str, task: str, counts: LabelCounts, *, classes: int = 0, objective: str = ""
) -> None:
    """Raise when LightGBM would learn from labels that are none, or refuse them in its own words.

    Args:
        part: ``train`` or ``valid``.
        task: ``binary``, ``multiclass``, ``regression`` or ``ranking``.
        counts: Over the rows of all ranks.
        classes: Number of classes of a multiclass task.
        objective: LightGBM's name of it.

    Raises:
        ContractRefused: The first thing that is wrong with these labels or their weights.
    """
    for what, hint in _wrong(part, task, counts, classes, objective):
        names = {"train": "training", "valid": "validation"}
        raise ContractRefused(what, where=f"train.target, {names[part]} rows", hint=hint)


def _wrong(
    part: str, task: str, counts: LabelCounts, classes: int, objective: str
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and what to do about it."""
    if counts.missing or counts.infinite:
        yield (
            f"{counts.missing:,} labels are missing (NaN) and {counts.infinite:,} infinite, "
            f"of {counts.rows:,}",
            "give the target a contract, or filter these rows with `where`",
        )
    if counts.bad_weights:
        what = f"{counts.bad_weights:,} of {counts.rows:,} weights are negative, infinite or NaN"
        yield what, "look at train.weight, or filter these rows with `where`"
    if part == "train" and counts.rows and not counts.weighty:
        yield f"all {counts.rows:,} weights are 0", "look at train.weight"
    if task == "binary":
        yield from _odd(counts, 2, "neither 0 nor 1", "map the target to 0 and 1, or use task = ")
    if task == "multiclass":
        yield from _odd(counts, classes, f"no class (0 to {classes - 1})", "see train.classes; or ")
    if task in ("binary", "multiclass") and part == "train" and len(counts.kinds) < 2:
        what = f"all {counts.rows:,} labels are {counts.kinds[0]}: a single class"
        yield what, "look at the target, the filter and the split"
    if task == "ranking":
        kinds = f"not whole numbers from 0 to {MOST_RELEVANCE}"
        yield from _odd(counts, MOST_RELEVANCE + 1, kinds, "map them to a few degrees, or use ")
    if task == "regression":
        yield from _outside(part, counts, objective)


def _odd(counts: LabelCounts, below: int, what: str, hint: str) -> Iterator[tuple[str, str]]:
    """Yield how many labels are not whole numbers from 0 to below a limit."""
    if odd := counts.rows - sum(counts.counted[:below]):
        yield f"{odd:,} of {counts.rows:,} labels are {what}", f"{hint}task = 'regression'"


_FROM_ZERO = ("poisson", "tweedie", "gamma")
_SHARES = ("cross_entropy", "cross_entropy_lambda")


def _outside(part: str, counts: LabelCounts, objective: str) -> Iterator[tuple[str, str]]:
    """Yield what an objective of the regression family cannot take (LightGBM's CheckLabel)."""
    hint = f"objective = {objective!r} is not for these labels; filter them, or use another"
    of = f"of {counts.rows:,} labels"
    if objective in (*_FROM_ZERO, *_SHARES) and counts.negative:
        yield f"{counts.negative:,} {of} are negative", hint
    if objective == "gamma" and counts.count(0):
        yield f"{counts.count(0):,} {of} are 0", hint
    if objective in _SHARES and counts.large:
        yield f"{counts.large:,} {of} are above 1", hint
    if objective in _FROM_ZERO and part == "train" and counts.rows == counts.count(0):
        yield f"all {counts.rows:,} labels are 0", hint


def _count(kind: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(kind))
