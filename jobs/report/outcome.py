"""What a run found, as plain data: the content of its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from jobs.report.modelling import Modelling
from jobs.report.quality import Quality


@dataclass(frozen=True)
class DataSummary:
    """What was read.

    Args:
        rows: Rows by part: "train", "valid", "test", "dropped", ... in the order to show.
        files: Number of input files.
        bytes: Their size on disk, bytes.
        partitions: Number of partitions.
        features: Number of features after preparation.
        labels: Rows by part and label, where labels are few.
        ledger: Rows read by what became of them: "good", "quarantined", "filtered".
        reasons: Quarantined rows by the reason.
        odd_files: Rows of files that are not all good, by path and what became of them.
    """

    rows: Mapping[str, int]
    files: int
    bytes: int | None = None
    partitions: int | None = None
    features: int | None = None
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    ledger: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    odd_files: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


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
class Provenance:
    """Where a model came from.

    Args:
        job: The job file as it was resolved, as text; secrets stand in it as references.
        params: What the model was trained with, by name.
        digests: Digest by what it is of ("data", "model", "fingerprint").
        facts: Other facts by name ("seed", "estimator", "model").
        versions: Version by package.
    """

    job: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """All that the page shows; parts that are empty are left out of it.

    Args:
        job: Name of the job.
        run: Run id.
        when: Start of the run, with its time zone.
        duration: How long the run took, seconds.
        status: How it ended, in a word.
        task: "binary", "multiclass", "regression", "ranking", "clustering", ...
        metric: The metric the model was chosen by.
        data: What was read.
        quality: How good the model is.
        model: What is known of the model itself.
        memory: Plan and measurement per step.
        ledger: Where the scored rows went.
        outputs: Paths by what is there ("model", "predictions").
        watched: What is known of the scored columns, inputs first.
        provenance: Where the model came from.
    """

    job: str
    run: str
    when: datetime
    duration: float | None = None
    status: str = "done"
    task: str | None = None
    metric: str | None = None
    data: DataSummary | None = None
    quality: Quality = field(default_factory=Quality)
    model: Modelling = field(default_factory=Modelling)
    memory: Sequence[StepMemory] = ()
    ledger: Ledger | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    watched: Sequence[Watched] = ()
    provenance: Provenance = field(default_factory=Provenance)
