"""The boosters of a reproducible training, from the rows that a rank has on its disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.boosting.bins.dataset import Piece
from engine.boosting.council.decisions import LEAVES
from engine.boosting.council.link import Council
from engine.boosting.exact.booster import ExactBooster
from engine.boosting.exact.ranking import Queries
from engine.boosting.exact.slopes import Share
from engine.boosting.exact.start import Sums
from engine.boosting.exact.twin import Twin
from engine.boosting.rank.network import parameters
from engine.boosting.rank.stock import Part
from engine.boosting.rank.trees import Add
from engine.boosting.work import Place
from engine.errors import ContractRefused
from engine.queries import starts_of


@dataclass
class Exactly:
    """Makes boosters; one stands for all turns of a rank.

    Attributes:
        params: LightGBM's parameters, as for its datasets.
        places: Of all ranks.
        council: Where all ranks agree.
        classes: Number of classes of a multiclass task, or 0.
    """

    params: dict[str, Any]
    places: Sequence[Place]
    council: Council
    classes: int

    def __post_init__(self) -> None:
        """Connect the two threads of an only rank."""
        self._twin = Twin() if len(self.places) == 1 else None

    def booster(
        self, part: Part, valid: Part, followed: Any, add: Add | None, model: str | None
    ) -> ExactBooster:
        """Return a booster of some training rows.

        Args:
            part: The training rows.
            valid: The validation rows.
            followed: Their dataset, or None.
            add: Adds what the trees so far say; None without trees.
            model: Their text, or None.

        Raises:
            ContractRefused: An only rank has one query, or one row.
        """
        parts = [part] if self._twin is None else _halves(part)
        shares = [_share(one, self.params) for one in parts]
        start: tuple[float, ...] = ()
        if add is None and not part.has("init"):
            start = self._start(shares)
        for one, data in (
            *((p, s.data) for p, s in zip(parts, shares, strict=True)),
            (valid, followed),
        ):
            if start:
                _set(data, one.rows, start)
            else:
                one.start(data, add)
        network = parameters(self.places) if self._twin is None else self._twin.network
        booster = ExactBooster(shares, self.params, network, self._agree, self._twin, start)
        if model is not None:
            booster.merge(model)
        return booster

    def _agree(self, found: Any) -> Any:
        return self.council.say(LEAVES, found)

    def _start(self, shares: Sequence[Share]) -> tuple[float, ...]:
        sums = [Sums.of(one.y, one.weight, self.classes) for one in shares]
        total: Sums = self._agree(sum(sums[1:], sums[0]))
        return total.scores(str(self.params["objective"]))


def _share(part: Part, params: dict[str, Any]) -> Share:
    y, queries = part.vector("y"), None
    if part.has("query"):
        queries = Queries(y, np.append(starts_of(part.vector("query")), part.rows), params)
    weight = part.vector("weight") if part.has("weight") else None
    return Share(part.dataset(params), y, weight, queries)


def _set(data: Any, rows: int, start: tuple[float, ...]) -> None:
    if data is not None:
        data.set_init_score(
            np.tile(start, (rows, 1)) if len(start) > 1 else np.full(rows, start[0])
        )
        data.init_score = None


def _halves(part: Part) -> list[Part]:
    """Return the rows in two parts; a query stays whole.

    Raises:
        ContractRefused: There is but one query, or one row.
    """
    query = part.has("query")
    cuts = starts_of(part.vector("query"))[1:] if query else np.arange(1, part.rows)
    if not len(cuts):
        what = "a reproducible training needs two rows or queries at least"
        raise ContractRefused(what, where="train", hint="or reproducible = false")
    cut = int(cuts[np.argmin(np.abs(cuts - part.rows / 2))])
    return [
        Part(part.blocks, list(_within(part.pieces, *span)))
        for span in ((0, cut), (cut, part.rows))
    ]


def _within(pieces: Sequence[Piece], first: int, last: int) -> Iterator[Piece]:
    """Yield the pieces of the rows from first to before last."""
    done = 0
    for piece in pieces:
        low, high = max(first - done, 0), min(last - done, piece.rows)
        if low < high:
            yield Piece(piece.block, piece.start + low, piece.start + high)
        done += piece.rows
