"""What pipelines look at in earlier rows, and whether several can do so over one read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from engine.errors import SpecError
from engine.expression import computed
from engine.features.combine.windows import Window
from engine.features.pipeline import derived_for, origins, with_derived

_HINT = "score with them in jobs of their own"


@dataclass(frozen=True)
class Look:
    """What the steps of one pipeline look at.

    Attributes:
        windows: Fitted steps that look at earlier rows, at least one; all by the same keys and
            time.
        derive: SQL expressions of the derived columns that they need, in order.
    """

    windows: tuple[Window, ...]
    derive: Mapping[str, str]

    @property
    def order(self) -> list[str]:
        """Columns that the data must be sorted by: the keys, then the time."""
        return [*self.windows[0].by, self.windows[0].time]

    @property
    def reads(self) -> list[str]:
        """Columns of the data that the windows are made from."""
        names = [name for window in self.windows for name in (*window.columns, *self.order)]
        return origins(self.derive, names)

    @property
    def made(self) -> dict[str, object]:
        """Columns that the windows make; of each, all that its values depend on but its name.

        The name itself says distance, statistic and length of the window.
        """
        return {
            name: (window.kind, list(names), self.derived(names))
            for window in self.windows
            for name, names in window.sources().items()
        }

    def derived(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Return how these columns come from those of the data."""
        return list(derived_for(self.derive, names).items())

    def add_derived(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the derived columns."""
        return computed(lambda lazy: with_derived(lazy, self.derive), rows)

    def expressions(self) -> dict[str, pl.Expr]:
        """Return what makes each column."""
        made = (expression for window in self.windows for expression in window.expressions())
        return dict(zip(self.made, made, strict=True))


def assert_together(looks: Mapping[str, Look]) -> None:
    """Refuse pipelines that cannot look at earlier rows over one read.

    Args:
        looks: What each looks at, by the key in the job file that errors name.

    Raises:
        SpecError: Two of them want the rows in different orders, or make different columns of one
            name.
    """
    for (first, one), (second, other) in pairwise(looks.items()):
        if one.order != other.order or one.derived(one.order) != other.derived(other.order):
            raise SpecError(
                "these models look at earlier rows by different keys or times, but data have one "
                f"order: {either([one.order, other.order])}",
                where=f"{first} and {second}",
                hint=_HINT,
            )
    known: dict[str, tuple[str, object]] = {}
    for key, look in looks.items():
        for name, meaning in look.made.items():
            first, before = known.setdefault(name, (key, meaning))
            if before != meaning:
                raise SpecError(
                    f"these models make a column {name!r} of earlier rows in different ways",
                    where=f"{first} and {key}",
                    hint=_HINT,
                )


def either(orders: Iterable[Iterable[str]]) -> str:
    """Return orders of rows for a message: ``(k, t) and (t)``."""
    return " and ".join(f"({', '.join(order)})" for order in orders)
