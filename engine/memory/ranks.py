"""Training: an idle worker and its rank."""

from __future__ import annotations

from dataclasses import dataclass

from engine.memory.passes import Shape, opening, reading
from engine.plan import MIB, Term

IDLE = 130 * MIB
"""The same worker while it waits for its training process, shared libraries left out; it gives back
what it does not need first (`engine.process.give_back`)."""

WALKER = 120 * MIB
"""What a rank adds when it scores its own rows by the trees so far: the predictor again, compiled
before rows are loaded."""

RANK = 195 * MIB
"""A training child process with next to no rows: Python, Polars, pyarrow, LightGBM, SciPy, bins."""

EXPRESSIONS = 70 * MIB
"""What Polars adds to it when features are computed: code that is paged in, category tables."""

FEATURE = 6 * 2**10
"""Bytes a feature in a rank: bins in the reference and in both datasets, bucket tables, histograms
of one leaf, Python's objects."""

BIN_CELL = 1
"""Bytes a cell of LightGBM's binned storage up to 256 bins; twice that above."""

BOOST_ROW = 28
"""Bytes a row while boosting, however many outputs: ordered copies of gradient and hessian (8),
label (4), row indices and partition buffers (16)."""

BOOST_OUTPUT = 24
"""Bytes a row and output: score (8), gradient and hessian (8), and the score that boosting started
from (8), which LightGBM keeps: every training may have to go on from a checkpoint (measured: one of
28M rows took 177 MB more than it would have had without)."""

EXACT_OUTPUT = 20
"""Bytes a row and output of a reproducible training: derivatives in float64, and as LightGBM takes
them."""

MASK = 10
"""Bytes a row of a partition while its rows of one fold are picked: marks, mask, a column of the
block (up to 8 bytes)."""

WEIGHT = 4
"""Bytes a row with weights."""

ROW_WISE_CELL = 1
"""Bytes a cell more with ``force_row_wise``."""

HISTOGRAM_BIN = 16
"""Bytes a bin of a leaf's histogram: sums of gradients and hessians in float64."""

EXCHANGED = 2
"""Histograms of all features that a rank keeps to send and to receive, if there are several."""


@dataclass(frozen=True)
class Boosting:
    """What decides the memory of a rank.

    Attributes:
        rows: Training and validation rows of one rank that are held at once; a validation row needs
            no more.
        leaves: ``num_leaves``.
        bins: ``max_bin``.
        row_wise: Whether LightGBM keeps a second, row-wise copy.
        outputs: Raw scores of a row.
        weighted: Whether rows have weights.
        started: Whether a model is gone on with: rows are scored before the first round.
        exact: Whether the same model is wanted on any number of workers.
        rotates: Whether subsets of the rows have their turn one after the other.
        ranks: How many ranks there are.
    """

    rows: int
    leaves: int
    bins: int
    row_wise: bool
    outputs: int = 1
    weighted: bool = False
    started: bool = False
    exact: bool = False
    rotates: bool = False
    ranks: int = 2

    @property
    def cell(self) -> int:
        """Bytes of a binned cell."""
        return (1 if self.bins <= 256 else 2) * BIN_CELL

    @property
    def stored(self) -> int:
        """Bytes that a binned cell takes in LightGBM."""
        return self.cell + self.row_wise * ROW_WISE_CELL

    @property
    def row(self) -> int:
        """Bytes of a row while boosting, its cells apart."""
        each = BOOST_OUTPUT + EXACT_OUTPUT * self.exact
        return BOOST_ROW + WEIGHT * self.weighted + each * self.outputs


def training(shape: Shape, boosting: Boosting, computed: bool) -> tuple[Term, ...]:
    """Return the terms of training: an idle worker and its rank, which reads one slice ahead.

    Args:
        shape: The pass that loads the rows.
        boosting: What the rank holds.
        computed: Whether features are computed, and not only read.
    """
    kept = boosting.leaves + EXCHANGED * (boosting.ranks > 1)
    bins = kept * shape.features * boosting.bins * HISTOGRAM_BIN
    rows = boosting.rows * boosting.row
    walks = boosting.started or boosting.rotates
    return (
        Term("worker process", IDLE),
        Term("training process", RANK + computed * EXPRESSIONS),
        *([Term("predictor", WALKER)] if walks else []),
        Term("bins of this worker's rows", boosting.rows * shape.features * boosting.stored),
        Term("features, apart from their rows", shape.features * FEATURE),
        *opening(shape, 1),
        # A rank loads first and boosts afterwards: the larger of the two counts.
        Term("partitions being loaded", max(0, loading(shape, boosting) - rows)),
        Term("scores and gradients of this worker's rows", rows),
        Term("histograms", bins),
    )


def marks(shape: Shape, folds: int) -> tuple[Term, ...]:
    """Return what ranks hold besides, where folds are masks over rows that all of them share.

    Args:
        shape: The pass that loads the rows.
        folds: Folds, all repeats together: a byte each of the rows of a partition that is read, of
            the one before that is written, and of that one in the order of subsets.
    """
    rows = max((partition.rows for partition in shape.partitions), default=0)
    return (Term("folds of the partitions being loaded", rows * (3 * folds + MASK)),)


def loading(shape: Shape, boosting: Boosting) -> int:
    """Return the bytes of reading and binning partitions, one while the next is read."""
    coded = max((p.rows for p in shape.partitions), default=0) * shape.features * boosting.cell
    return sum(term.bytes for term in reading(shape, 2, 1)) + coded
