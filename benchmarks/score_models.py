"""The models of the scoring benchmark: sizes, labels, and what training each of them takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FIVE = "CASE WHEN account % 7 = 0 THEN 4 ELSE 2 * CAST(label AS BIGINT) + account % 2 END"
"""A label of five classes (SQL): half of it can be learned, and it is made of no feature."""


@dataclass(frozen=True)
class Size:
    """A model: boosting rounds, leaves of a tree, and classes where there are more than two."""

    rounds: int
    leaves: int
    classes: int = 2

    @property
    def several(self) -> bool:
        """Whether it has a score for each class."""
        return self.classes > 2

    @property
    def target(self) -> str:
        """SQL expression of its label."""
        return FIVE if self.several else "label"

    @property
    def params(self) -> dict[str, object]:
        """What LightGBM is told, objective and rounds apart."""
        more = {"num_class": self.classes} if self.several else {}
        return {"num_leaves": self.leaves, "learning_rate": 0.1, **more}


SIZES: Mapping[str, Size] = {
    "100x31": Size(100, 31),
    "500x63": Size(500, 63),
    "5x200": Size(200, 31, classes=5),
}
"""By name; ``5x200`` has 1,000 trees of 31 leaves, 200 for each of 5 classes."""
