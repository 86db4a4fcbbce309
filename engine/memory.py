"""Bytes that each operation holds at its peak: fixed, per row and per cell terms.

The figures are measured by ``benchmarks/memory.py`` and rounded up; a test asserts that measured
peaks stay below the sums made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.plan import MIB, Partition, Term

WORKER = 280 * MIB
"""A Dask worker at work on a small partition: Python, distributed, Polars, pyarrow, sketches; and
pandas, which some readers import (75)."""

IDLE = 130 * MIB
"""The same worker while it waits for its training process, shared libraries left out; it gives back
what it does not need first (`engine.process.give_back`)."""

PREDICTOR = 120 * MIB
"""What a worker adds when it predicts: LLVM, which loads the kernel (45), and at its first batch
the process in which LightGBM predicts some rows of it (65). The driver has compiled the kernel."""

MODEL_TEXT = 8
"""Bytes held for each byte of a model's text: the text, as it came and as it is kept (2), and while
it is parsed and laid out (1.5, 4.2 and 5.4 measured with 100x31, 500x63 and 1000x255 leaves), which
one model is at a time. What stays of it is 1.4 to 2.4."""

EXPLAINER = 190 * MIB
"""What a worker adds when it explains or tells leaves: numba, LLVM, and compiling those kernels
(measured: 173 the first time on a machine, 129 with machine code that is kept)."""

EXPLAINED_TEXT = 4
"""Bytes held for each byte of a model's text beside `MODEL_TEXT`: its trees laid out again."""

EXPLAINED_CELL = 24
"""Bytes a cell of the rows that are explained at once: float64 contributions, their sizes, and a
copy while they are sorted out."""

EXPLAINED_ROWS = 8192
"""Rows that are explained at once (`engine.scoring.explained`)."""

LEAF = 8
"""Bytes a row and tree of a table with leaves: their numbers, as a matrix and as lists."""

SENT = 3
"""Bytes held for each byte of a batch on its way to a model in a process of its own: the message,
twice while it grows (`io.BytesIO`), and what the pipe holds."""

WALKER = 120 * MIB
"""What a rank adds when it scores its own rows by the trees so far: the predictor again, compiled
before rows are loaded."""

RANK = 195 * MIB
"""A training child process with next to no rows: Python, Polars, pyarrow, LightGBM, SciPy, bins."""

EXPRESSIONS = 70 * MIB
"""What Polars adds to it when features are computed: code that is paged in, category tables."""

FETCHED = 1.2
"""Bytes held for each byte on disk of the row groups that a partition touches, with slack."""

CHECKED = 1.5
"""Copies that contract, filter and split hold beside the decoded columns, in multiples of them."""

FEATURE_CELL = 4
"""Bytes a cell of the frame of float32 features."""

COLUMN = 8 * 2**10
"""Bytes a column that is read: expressions, series and their plan in Polars, however few rows."""

WRITTEN_COLUMN = 6 * 2**10
"""Bytes a column of the output file: its writer's pages, statistics and metadata."""

FEATURE = 6 * 2**10
"""Bytes a feature in a rank: bins in the reference and in both datasets, bucket tables, histograms
of one leaf, Python's objects."""

TEXT = 4
"""Multiples of the output table that CSV takes beyond Parquet: the peak over a table of 500k rows
(2 ids, a text, a label, 10 floats) was 5.8 tables (also cut by size; 3.7 in folders), of Parquet
2.0; the text is 2.2, once as it is made and once as its buffer grows."""

CUT = 1
"""The same of folders or files of a size in Parquet: 2.7 tables."""

MATRIX_CELL = 4
"""Bytes a cell of the float32 matrix."""

STATISTIC_ROW = 24
"""Bytes a row while the statistics of one column are gathered (float64 copies); one at a time."""

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

WEIGHT = 4
"""Bytes a row with weights."""

ROW_WISE_CELL = 1
"""Bytes a cell more with ``force_row_wise``."""

HISTOGRAM_BIN = 16
"""Bytes a bin of a leaf's histogram: sums of gradients and hessians in float64."""

EXCHANGED = 2
"""Histograms of all features that a rank keeps to send and to receive, if there are several."""

PROFILED_ROW = 80
"""Bytes a row while a profile looks at one column: hashes, float64, keys, and sorted copies."""

COUNTS = 64 * MIB
"""A profile's tables that do not depend on rows: dense counts, blocks of correlated columns."""

SORTED = 2
"""Copies that a sort holds of a partition beside it: the sorted one, and at most one of keys."""

MERGED = 4
"""Bytes held for each byte of a range while it is merged, written and read back: 3.7 of numbers,
2.8 of text (measured in workers, with partitions of 16 and 64 MiB)."""

RANGE = 1.25
"""Largest range of a sort, in multiples of the mean (`engine.sorting`)."""

SPILL_CELL = 3 * 2**9
"""Bytes a column of each spilled partition of which a range takes its piece."""

SCORES = 64 * MIB
"""Evaluation states: histograms of up to 2^20 distinct scores, while two are merged."""


@dataclass(frozen=True)
class Shape:
    """What decides the memory of a step.

    Attributes:
        partitions: The partitions of a pass.
        features: Number of features.
        threads: Threads of one worker: as many partitions are held at once.
        columns: Number of columns that are read.
        metadata: Bytes that a process holds of the metadata of a file (`FileInfo.held`).
        before: Rows before a partition that are read with it; 0 for most.
    """

    partitions: Sequence[Partition]
    features: int
    threads: int
    columns: int = 0
    metadata: int = 0
    before: int = 0

    def largest(self) -> Partition:
        """Return the partition that needs most memory."""
        return max(self.partitions, key=lambda p: p.bytes * (1 + CHECKED) + p.touched * FETCHED)


def reading(shape: Shape, held: int, at_once: int) -> list[Term]:
    """Return the terms of holding and preparing partitions, some of them being read.

    Args:
        shape: The pass.
        held: Partitions held at once.
        at_once: Those of them that are being read.
    """
    if not shape.partitions:
        return []
    top = shape.largest()
    cells = max(p.rows for p in shape.partitions) * shape.features
    reach = min(1.0, shape.before / max(1, top.rows))
    return [
        Term("partition, decoded and checked", held * int(top.bytes * (1 + CHECKED) * (1 + reach))),
        Term("row groups fetched", at_once * int(top.touched * FETCHED)),
        Term("features of a partition", held * cells * (FEATURE_CELL + MATRIX_CELL)),
    ]


def opening(shape: Shape, at_once: int) -> list[Term]:
    """Return the terms that do not depend on rows, of so many partitions read at the same time."""
    return [
        Term("metadata of the files", at_once * shape.metadata),
        Term("columns, apart from their rows", at_once * shape.columns * COLUMN),
    ]


def survey(shape: Shape, states: int) -> tuple[Term, ...]:
    """Return the terms of a survey pass.

    Args:
        shape: The pass.
        states: Bytes of the statistics of one partition.
    """
    rows = max((p.rows for p in shape.partitions), default=0)
    return (
        Term("worker process", WORKER),
        *opening(shape, shape.threads),
        *reading(shape, shape.threads, shape.threads),
        Term("statistics", shape.threads * (rows * STATISTIC_ROW + states)),
    )


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
    cell = boosting.cell + boosting.row_wise * ROW_WISE_CELL
    kept = boosting.leaves + EXCHANGED * (boosting.ranks > 1)
    bins = kept * shape.features * boosting.bins * HISTOGRAM_BIN
    coded = max((p.rows for p in shape.partitions), default=0) * shape.features * boosting.cell
    loading = sum(term.bytes for term in reading(shape, 2, 1)) + coded
    rows = boosting.rows * boosting.row
    walks = boosting.started or boosting.rotates
    return (
        Term("worker process", IDLE),
        Term("training process", RANK + computed * EXPRESSIONS),
        *([Term("predictor", WALKER)] if walks else []),
        Term("bins of this worker's rows", boosting.rows * shape.features * cell),
        Term("features, apart from their rows", shape.features * FEATURE),
        *opening(shape, 1),
        # A rank loads first and boosts afterwards: the larger of the two counts.
        Term("partitions being loaded", max(0, loading - rows)),
        Term("scores and gradients of this worker's rows", rows),
        Term("histograms", bins),
    )


def evaluation(shape: Shape) -> tuple[Term, ...]:
    """Return the terms of measuring a model."""
    return (
        Term("worker process", WORKER),
        Term("predictor", PREDICTOR),
        *opening(shape, shape.threads),
        *reading(shape, shape.threads, shape.threads),
        Term("scores", shape.threads * SCORES),
    )


def writing(shape: Shape, output_row: int, output_columns: int) -> tuple[Term, ...]:
    """Return the terms of making rows and writing them.

    Args:
        shape: The pass.
        output_row: Bytes of one row of the output table.
        output_columns: Its columns.
    """
    rows = max((p.rows for p in shape.partitions), default=0)
    return (
        Term("worker process", WORKER),
        *opening(shape, shape.threads),
        *reading(shape, shape.threads, shape.threads),
        Term("output table and its file", shape.threads * rows * output_row * 3),
        Term("columns of the output", shape.threads * output_columns * WRITTEN_COLUMN),
    )


def encoding(shape: Shape, output_row: int, *, text: bool, cut: bool) -> tuple[Term, ...]:
    """Return the terms of writing rows in another way than one Parquet file a part.

    Args:
        shape: The pass.
        output_row: Bytes of one row of the output table.
        text: Whether rows are written as text.
        cut: Whether they are cut into folders or files.
    """
    rows = max((p.rows for p in shape.partitions), default=0)
    copies = TEXT if text else CUT if cut else 0
    if not copies:
        return ()
    return (Term("rows as they are written", shape.threads * rows * output_row * copies),)


@dataclass(frozen=True)
class Answers:
    """What models are asked beside their predictions.

    Attributes:
        trees: Trees whose leaves are told, of all models; 0: none.
        explained: Whether contributions are told.
    """

    trees: int = 0
    explained: bool = False

    @property
    def row(self) -> int:
        """Bytes of leaves in a row of the output."""
        return self.trees * LEAF

    def terms(self, shape: Shape, texts: int) -> list[Term]:
        """Return the terms of them, the columns apart; arguments as for `scoring`."""
        if not (self.trees or self.explained):
            return []
        rows = min(EXPLAINED_ROWS, max((p.rows for p in shape.partitions), default=0))
        cells = rows * (shape.features + 1) * self.explained
        return [
            Term("kernels of contributions and leaves", EXPLAINER),
            Term("trees laid out for them", texts * EXPLAINED_TEXT),
            Term("contributions of some rows", shape.threads * cells * EXPLAINED_CELL),
        ]


def scoring(
    shape: Shape,
    output_row: int,
    output_columns: int,
    texts: int = 0,
    answers: Answers | None = None,
) -> tuple[Term, ...]:
    """Return the terms of scoring.

    Args:
        shape: The pass; its features are those of the widest model.
        output_row: As for `writing`.
        output_columns: As for `writing`.
        texts: Bytes of the texts of all models.
        answers: What they are asked beside predictions.
    """
    return (
        Term("predictor", PREDICTOR),
        Term("models", int(texts * MODEL_TEXT)),
        *(answers.terms(shape, texts) if answers else ()),
        *writing(shape, output_row, output_columns),
    )


def foreign(
    shape: Shape, output_row: int, output_columns: int, memory: int, batch: int
) -> tuple[Term, ...]:
    """Return the terms of scoring with a model that is not LightGBM's.

    Args:
        shape: The pass; its features are none.
        output_row: As for `writing`.
        output_columns: As for `writing`.
        memory: Bytes of a process with the model, which is ended when it holds more.
        batch: Rows that go there at once.
    """
    top = max(shape.partitions, key=lambda p: p.bytes, default=None)
    sent = int(top.bytes * min(1.0, batch / max(1, top.rows))) if top else 0
    return (
        Term("model in a process of its own", shape.threads * memory),
        Term("batches on their way there", shape.threads * sent * SENT),
        *writing(shape, output_row, output_columns),
    )


def sorting(shape: Shape) -> tuple[Term, ...]:
    """Return the terms of a sort: the larger of spilling a partition and merging a range.

    Args:
        shape: The passes; its columns are those of the output, its features none.
    """
    parts, threads = shape.partitions, shape.threads
    read = reading(shape, threads, threads)
    copies = threads * SORTED * max((p.bytes for p in parts), default=0)
    mean = sum(p.bytes for p in parts) / max(1, len(parts))
    merged = threads * int(mean * RANGE * MERGED)
    return (
        Term("worker process", WORKER),
        *opening(shape, threads),
        *read,
        Term("sorted copy", copies),
        Term("range merged", max(0, merged - copies - sum(term.bytes for term in read))),
        Term("pieces of a range", threads * len(parts) * shape.columns * SPILL_CELL),
        Term("columns of the output", threads * shape.columns * WRITTEN_COLUMN),
    )


def profiling(shape: Shape, state: int) -> tuple[Term, ...]:
    """Return the terms of a profile; they do not grow with the number of partitions.

    Args:
        shape: The pass; its features are none.
        state: Bytes of the state of one partition, at most (``Request.state_bytes``).
    """
    rows = max((p.rows for p in shape.partitions), default=0)
    return (
        Term("worker process", WORKER),
        *opening(shape, shape.threads),
        *reading(shape, shape.threads, shape.threads),
        Term("one column at a time", shape.threads * (rows * PROFILED_ROW + COUNTS)),
        Term("states and the way to the driver", shape.threads * state * 2),
    )
