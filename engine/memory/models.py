"""Models at work: scoring and measuring."""

from __future__ import annotations

from dataclasses import dataclass

from engine.memory.passes import WORKER, Shape, opening, reading, writing
from engine.plan import MIB, Term

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

SCORES = 64 * MIB
"""Evaluation states: histograms of up to 2^20 distinct scores, while two are merged."""


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


def evaluation(shape: Shape) -> tuple[Term, ...]:
    """Return the terms of measuring a model."""
    return (
        Term("worker process", WORKER),
        Term("predictor", PREDICTOR),
        *opening(shape, shape.threads),
        *reading(shape, shape.threads, shape.threads),
        Term("scores", shape.threads * SCORES),
    )
