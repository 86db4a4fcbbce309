"""What the labels of all ranks hold, and whether a model can be learned from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.errors import ContractRefused


@dataclass(frozen=True)
class LabelCounts:
    """How many labels are of which kind; adds up over partitions and ranks.

    Attributes:
        rows: All labels.
        missing: NaN.
        infinite: Plus or minus infinity.
        zeros: Labels that are 0.
        ones: Labels that are 1.
    """

    rows: int = 0
    missing: int = 0
    infinite: int = 0
    zeros: int = 0
    ones: int = 0

    @classmethod
    def of(cls, y: npt.NDArray[np.float32]) -> LabelCounts:
        """Count the labels of shape (n,)."""
        kinds = (np.isnan(y), np.isinf(y), y == 0, y == 1)
        return cls(len(y), *(int(np.count_nonzero(kind)) for kind in kinds))

    def __add__(self, other: LabelCounts) -> LabelCounts:
        """Return the counts of both."""
        return LabelCounts(
            self.rows + other.rows,
            self.missing + other.missing,
            self.infinite + other.infinite,
            self.zeros + other.zeros,
            self.ones + other.ones,
        )


def refuse_bad(part: str, task: str, counts: LabelCounts) -> None:
    """Raise when LightGBM would silently learn from labels that are none.

    Args:
        part: ``train`` or ``valid``.
        task: ``binary`` or ``regression``.
        counts: Over the rows of all ranks.

    Raises:
        ContractRefused: NaN or infinite labels, labels other than 0 and 1 for a binary task, or
            a single class to train on.
    """
    if counts.missing or counts.infinite:
        raise _refusal(
            part,
            f"{counts.missing:,} labels are missing (NaN) and {counts.infinite:,} infinite, "
            f"of {counts.rows:,}",
            "give the target a contract, or filter these rows with `where`",
        )
    if task != "binary":
        return
    odd = counts.rows - counts.zeros - counts.ones
    if odd:
        hint = "map the target to 0 and 1, or use task = 'regression'"
        raise _refusal(part, f"{odd:,} of {counts.rows:,} labels are neither 0 nor 1", hint)
    if part == "train" and not (counts.zeros and counts.ones):
        what = f"all {counts.rows:,} labels are {int(counts.ones > 0)}: a single class"
        raise _refusal(part, what, "look at the target, the filter and the split")


def _refusal(part: str, what: str, hint: str) -> ContractRefused:
    names = {"train": "training", "valid": "validation"}
    return ContractRefused(what, where=f"train.target, {names[part]} rows", hint=hint)
