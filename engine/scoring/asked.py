"""What a user wants to know of each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Asked:
    """What a model is asked beside its prediction.

    Attributes:
        threshold: Probability above which a binary prediction is the second class; None: what was
            chosen when the model was trained, or 0.5.
        raw: Raw scores too, as float64: those of LightGBM, bit for bit.
        leaves: The row's leaf in every tree too.
        explain: What each feature contributed to the raw score: of ``all`` features, or the so
            many largest; None: not asked.
    """

    threshold: float | None = None
    raw: bool = False
    leaves: bool = False
    explain: Literal["all"] | int | None = None

    @property
    def beyond(self) -> tuple[str, ...]:
        """What is asked beyond predictions, by its key in the job file."""
        wanted = {"raw": self.raw, "leaves": self.leaves, "explain": self.explain is not None}
        return tuple(name for name, asked in wanted.items() if asked)
