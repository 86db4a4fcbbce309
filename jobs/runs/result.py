"""What a run came to, as the caller and the command line get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.storage.places import in_store


@dataclass
class Result:
    """What a run came to.

    Attributes:
        run: Id of the run.
        folder: The run folder, a path or URL.
        report: The HTML page.
        profile: The ``profile.json``, when the job profiles; its page lies beside it.
        skipped: Sections that had nothing to do.
        sorted: Folder of the sorted rows (a URL on an object store), when the job sorts.
        sorted_rows: Where the rows of its data went, as in ``ledger``.
        prepared: Folder of the prepared rows, when the job prepares.
        prepared_rows: Where the rows of its data went, as in ``ledger``.
        model: Folder of the model's version, when the job trains.
        trained_on: Where the rows of its data went, in total and by file.
        evaluated: Folder of the version that was measured, when the job evaluates one that was
            there already.
        evaluated_on: Where the rows of its data went, in total and by file.
        metrics: Metrics of the model that was trained or evaluated, by part.
        predictions: Folder of the predictions, when the job scores.
        scored_by: Version of each model that made them, by its key in ``[score]``.
        coverage: Share of labels that a prediction interval is to hold, nominally, if one is made.
        ledger: Rows in, scored, quarantined, filtered, in total and by file; of an interval also
            those whose quantiles crossed.
        statistics: The ``statistics.json`` of what was scored, where statistics were gathered.
        memory: Projected and measured bytes of a worker by step.
    """

    run: str
    folder: str
    report: str
    profile: str | None = None
    skipped: list[str] = field(default_factory=list)
    sorted: Path | str | None = None
    sorted_rows: dict[str, Any] = field(default_factory=dict)
    prepared: Path | str | None = None
    prepared_rows: dict[str, Any] = field(default_factory=dict)
    model: Path | None = None
    trained_on: dict[str, Any] = field(default_factory=dict)
    evaluated: Path | None = None
    evaluated_on: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    predictions: Path | str | None = None
    scored_by: dict[str, str] = field(default_factory=dict)
    coverage: float | None = None
    ledger: dict[str, Any] = field(default_factory=dict)
    statistics: str | None = None
    memory: dict[str, dict[str, int | None]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in vars(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Result:
        """Read back what ``to_dict`` returned; what is no URL becomes a path again."""
        told = dict(values)
        for name in ("sorted", "prepared", "model", "evaluated", "predictions"):
            if told.get(name) is not None and not in_store(told[name]):
                told[name] = Path(told[name])
        return cls(**told)
