"""What a run found, as plain data: the content of its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from engine.metrics import CalibrationBin


@dataclass(frozen=True)
class DataSummary:
    """What was read.

    Args:
        rows: Rows by part: "train", "valid", "test", "dropped", ... in the order to show.
        files: Number of input files.
        bytes: Their size on disk, bytes.
        partitions: Number of partitions.
        features: Number of features after preparation.
    """

    rows: Mapping[str, int]
    files: int
    bytes: int | None = None
    partitions: int | None = None
    features: int | None = None


@dataclass(frozen=True)
class StepMemory:
    """Plan and measurement of one step, bytes per worker.

    Args:
        step: Name of the step.
        projected: Peak that the plan stated beforehand.
        terms: What the projection is made of, bytes by name.
        measured: Highest peak over the workers; None when the step did not run.
        limit: Memory of a worker.
    """

    step: str
    projected: int
    terms: Mapping[str, int] = field(default_factory=dict)
    measured: int | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Curve:
    """A ROC curve: rates in [0, 1], equally many of both: the lists of ``ScoreHistogram.roc``."""

    false_rate: Sequence[float]
    true_rate: Sequence[float]


@dataclass(frozen=True)
class BadPart:
    """A part that failed and was set aside.

    Args:
        part: Its number.
        rows: Rows of it.
        unread: Those that could not even be read; the others are in quarantine.
        error: Why.
    """

    part: int
    rows: int
    unread: int
    error: str


@dataclass(frozen=True)
class Ledger:
    """Where every input row of a scoring went.

    Args:
        rows_in: Rows read.
        scored: Rows with a prediction.
        quarantined: Rows by the reason they have none.
        filtered: Rows left out by the job's own filter.
        bad_parts: Parts that were set aside.
    """

    rows_in: int
    scored: int
    quarantined: Mapping[str, int] = field(default_factory=dict)
    filtered: int = 0
    bad_parts: Sequence[BadPart] = ()

    @property
    def refused(self) -> int:
        """Rows in quarantine, all reasons together."""
        return sum(self.quarantined.values())

    @property
    def unread(self) -> int:
        """Rows that could not be read, all bad parts together."""
        return sum(part.unread for part in self.bad_parts)

    @property
    def missing(self) -> int:
        """Rows that are unaccounted for; 0 or the scoring was not exactly-once."""
        return self.rows_in - self.scored - self.refused - self.filtered - self.unread


@dataclass(frozen=True)
class SliceScore:
    """Metrics of the rows that share a value, as ``results()`` returns them."""

    column: str
    value: str
    results: Mapping[str, float]


@dataclass(frozen=True)
class ClassCounts:
    """How a model does on the rows of one class.

    Args:
        name: The class.
        rows: Rows that have it.
        predicted: Rows that were given it.
        right: Rows that have it and were given it.
    """

    name: str
    rows: int
    predicted: int
    right: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN without rows of either kind."""
        both = self.rows + self.predicted
        return 2 * self.right / both if both else float("nan")


@dataclass(frozen=True)
class Watched:
    """A column of the rows that were scored.

    Args:
        name: Its name.
        type: Its type.
        predicted: Whether a model has made it.
        rows: Scored rows.
        missing: Rows in which it is null or NaN.
        low: Least value, as text; empty where there is none.
        high: Largest value.
        mean: Mean of the sample, as text.
        median: Median of the sample.
        levels: Most frequent values of the sample, with the share of each in it.
    """

    name: str
    type: str
    predicted: bool
    rows: int
    missing: int
    low: str = ""
    high: str = ""
    mean: str = ""
    median: str = ""
    levels: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True)
class Report:
    """All that the page shows; parts that are empty are left out of it.

    Args:
        job: Name of the job.
        run: Run id.
        when: Start of the run, with its time zone.
        duration: How long the run took, seconds.
        status: How it ended, in a word.
        task: "binary", "multiclass", "regression" or "ranking".
        metric: The metric the model was chosen by.
        versions: Version by package.
        data: What was read.
        memory: Plan and measurement per step.
        metrics: Results by column of the table ("valid", "test", "baseline").
        roc: ROC curves by part.
        calibration: Calibration bins by part.
        judged: The part that ``by_class`` and ``confusion`` are of.
        by_class: How the model does on each class, for a multiclass task.
        confusion: Rows by true class and predicted class, unless there are too many classes.
        importance: Total gain by feature.
        history: One entry per boosting round; keys end in a metric's name ("valid_log_loss").
        best_round: The round the model was cut to, from 1.
        ledger: Where the scored rows went.
        slices: Metrics by slice.
        outputs: Paths by what is there ("model", "predictions").
        watched: What is known of the scored columns, inputs first.
    """

    job: str
    run: str
    when: datetime
    duration: float | None = None
    status: str = "done"
    task: str | None = None
    metric: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    data: DataSummary | None = None
    memory: Sequence[StepMemory] = ()
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    roc: Mapping[str, Curve] = field(default_factory=dict)
    calibration: Mapping[str, Sequence[CalibrationBin]] = field(default_factory=dict)
    judged: str | None = None
    by_class: Sequence[ClassCounts] = ()
    confusion: Sequence[Sequence[int]] = ()
    importance: Mapping[str, float] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    best_round: int | None = None
    ledger: Ledger | None = None
    slices: Sequence[SliceScore] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    watched: Sequence[Watched] = ()
