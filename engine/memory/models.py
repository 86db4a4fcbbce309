"""Models at work: scoring and measuring."""

from __future__ import annotations

from dataclasses import dataclass

from engine.memory.passes import MATRIX_CELL, WORKER, Shape, opening, reading, writing
from engine.plan import MIB, Term

PREDICTOR = 120 * MIB
"""What a worker adds when it predicts: LLVM, which loads the kernel (45), at its first batch the
process in which LightGBM predicts some rows of it (10), and slack. The driver has compiled the
kernel."""

MODEL_TEXT = 8
"""Bytes held for each byte of a model's text: the text, as it came and as it is kept (2), and while
it is parsed and laid out (1.5, 4.2 and 5.4 measured with 100x31, 500x63 and 1000x255 leaves), which
one model is at a time. What stays of it is 1.4 to 2.4."""

KEPT_TEXT = 5
"""Bytes that stay for each byte of a model's text, where there are several models: the text, as it
came and as it is kept (2), and its trees as they are walked (1.4 to 2.4)."""

PARSED_TEXT = 6
"""What comes to that while one of them is parsed (5.4)."""

# The next constants were measured in processes that had predicted before: highest resident memory
# (VmHWM, reset through clear_refs after malloc_trim) less what was resident, over models of 28 and
# 300 features, 100 trees of 31 leaves and 500 of 63, of one and five classes.

EXPLAINER = 140 * MIB
"""What a worker adds to `PREDICTOR` when it explains or tells leaves: numba, and compiling those
kernels (121 the first time on a machine, 78 with machine code that is kept), and what Polars takes
for its first gathering of names (11)."""

EXPLAINED_TEXT = 4
"""Bytes held for each byte of a model's text beside `MODEL_TEXT` when it is explained: its trees
laid out again (2.6 to 3.6)."""

LEAVES_TEXT = 4
"""The same when it tells leaves (2.0 to 3.2)."""

EXPLAINED_CELL = 28
"""Bytes a cell of the rows that are explained at once: float64 contributions, their sizes, and a
copy while they are sorted out (16.5 to 21.9; 26.4 of five classes)."""

LEAVES_CELL = 16
"""Bytes a feature of the rows whose leaves are looked for at once (15)."""

LEAVES_ROWS = 4096
"""Rows whose leaves are looked for at once (`engine.predict.leaves`)."""

EXPLAINED_ROWS = 8192
"""Rows that are explained at once (`engine.scoring.explained`)."""

LEAF = 4
"""Bytes a row and tree of a table with leaves: an int32. All that is held at once, the lists, their
blocks and their file, is 9.1, and counted three times 4 (`engine.memory.passes.writing`)."""

SENT = 3
"""Bytes held for each byte of a batch on its way to a model in a process of its own: the message,
twice while it grows (`io.BytesIO`), and what the pipe holds."""

SAMPLED = 2.5
"""Bytes held for each byte of a sampled row while its part's statistics are made: the rows and
their file (measured over 32,768 rows of 200 columns: 2.05 of float32 and float64, 2.3 of 24 bytes a
cell of text with 12 characters)."""

WATCHED_COLUMN = 2 * 2**10
"""Bytes a column of the statistics of a part: counts, and metadata of the file (1,310 measured)."""


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
        contributions = rows * (shape.features + 1) * EXPLAINED_CELL * self.explained
        leaves = min(LEAVES_ROWS, rows) * shape.features * LEAVES_CELL * bool(self.trees)
        laid_out = EXPLAINED_TEXT * self.explained + LEAVES_TEXT * bool(self.trees)
        return [
            Term("kernels of contributions and leaves", EXPLAINER),
            Term("trees laid out for them", texts * laid_out),
            Term("contributions and leaves of some rows", shape.threads * (contributions + leaves)),
        ]


def predictor(shape: Shape) -> list[Term]:
    """Return the term of a predictor; where all libraries are loaded, it is one of them."""
    return [] if shape.loaded else [Term("predictor", PREDICTOR)]


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
        *predictor(shape),
        Term("models", int(texts * MODEL_TEXT)),
        *(answers.terms(shape, texts) if answers else ()),
        *writing(shape, output_row, output_columns),
    )


def foreign(shape: Shape, memory: int, batch: int) -> tuple[Term, ...]:
    """Return the terms of models that are not LightGBM's, beside those of writing or scoring.

    Args:
        shape: The pass.
        memory: Bytes of the processes of one thread, which are ended when they hold more.
        batch: Rows that go to one of them at once, at most.
    """
    top = max(shape.partitions, key=lambda p: p.bytes, default=None)
    sent = int(top.bytes * min(1.0, batch / max(1, top.rows))) if top else 0
    return (
        Term("models in processes of their own", shape.threads * memory),
        Term("batches on their way there", shape.threads * sent * SENT),
    )


def gathering(shape: Shape, row: int, columns: int, step: int) -> tuple[Term, ...]:
    """Return the terms of gathering statistics beside scoring.

    Args:
        shape: The pass.
        row: Bytes of a row of inputs and predictions.
        columns: How many these are.
        step: Of how many rows one is sampled.
    """
    rows = max((p.rows for p in shape.partitions), default=0) // step + 1
    held = int(rows * row * SAMPLED) + columns * WATCHED_COLUMN
    return (Term("statistics of the columns", shape.threads * held),)


def asking(models: int, text: int) -> tuple[Term, ...]:
    """Return the terms of models that are asked while another one learns.

    Args:
        models: How many they are.
        text: Bytes of the text of the largest.
    """
    return (
        Term("predictor", PREDICTOR),
        Term("models that are asked", int(text * (models * KEPT_TEXT + PARSED_TEXT))),
    )


def explaining(shape: Shape, rows: int) -> tuple[Term, ...]:
    """Return the terms of explaining a model: of its pass, or of the tasks for single features.

    Args:
        shape: The pass.
        rows: Rows of the sample.
    """
    sample = min(rows, sum(part.rows for part in shape.partitions)) * shape.features
    return (
        Term("worker process", WORKER),
        *predictor(shape),
        Term("kernels of contributions and leaves", EXPLAINER),
        *opening(shape, shape.threads),
        *reading(shape, shape.threads, shape.threads),
        Term("contributions", shape.threads * EXPLAINED_ROWS * shape.features * EXPLAINED_CELL),
        # As it came, and of each task a copy in which one feature is changed.
        Term("sampled rows", (2 + 2 * shape.threads) * sample * MATRIX_CELL),
    )
