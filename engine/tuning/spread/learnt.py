"""Other estimators than LightGBM, fitted on a fold by the whole cluster and measured in a pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from distributed import Client

from engine.errors import Cancelled
from engine.evaluation.contestants import MODEL, Contestant
from engine.evaluation.measuring import Metrics
from engine.evaluation.run import run
from engine.evaluation.scored import Evaluation
from engine.evaluation.work import EvaluationWork
from engine.learners import Assignment, Lesson, learner
from engine.metrics import Measure
from engine.models import Learned
from engine.tasks.execute import Done
from engine.tuning.spread.fold import FoldRows, FoldWorth, Told
from engine.tuning.trial import Trial

PART = "valid"
"""Under a fold the rows that it holds out are validation rows."""


@dataclass(frozen=True)
class LearntFolds:
    """Fits an estimator of the catalogue; see `engine.tuning.spread.fold.Fitting`.

    Attributes:
        client: An open Dask client.
        rows: The rows of each fold.
        assignment: What is learned where a trial does not say otherwise.
        measure: How rows are measured; its first followed metric is what a fold is worth.
        threads: Tasks that all workers may have at once.
    """

    client: Client
    rows: tuple[FoldRows, ...]
    assignment: Assignment
    measure: Measure
    threads: int

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return len(self.rows)

    @property
    def rounds(self) -> bool:
        """A fit is measured once, at its end."""
        return False

    def fit(self, trial: Trial, fold: int, *, told: Told, cancel: Callable[[], bool]) -> FoldWorth:
        """Fit and measure; nobody is told of rounds."""
        rows, peaks = self.rows[fold], [0]
        params = {**self.assignment.params, **trial.params}
        asked = replace(self.assignment, params=params)

        def progress(_: int, found: Mapping[str, int]) -> None:
            peaks.extend(found.values())

        learnt = learner(asked.estimator.way).fit(
            self.client,
            Lesson(asked, rows.source, rows.parts, self.threads),
            progress=progress,
            cancel=cancel,
        )

        def measured(done: Done[Evaluation]) -> None:
            peaks.append(done.peak)
            if cancel():
                raise Cancelled("the trial was stopped while it was measured")

        value = self._worth(rows, learnt.model, measured)
        return FoldWorth((value,), max(learnt.peak_memory, *peaks))

    def close(self) -> None:
        """Do nothing: what a fit leaves on disks it removes itself."""

    def _worth(
        self, rows: FoldRows, model: Learned, progress: Callable[[Done[Evaluation]], None]
    ) -> float:
        """Return the metric of the rows that are held out."""
        data, pipeline = rows.prepared.data, rows.prepared.pipeline
        contestant = Contestant(model, {MODEL: None}, Metrics(self.measure))
        outputs = self.measure.classes or 1
        work = EvaluationWork(data, pipeline, (contestant,), (PART,), outputs)
        wanted = [one.partition for one in rows.parts if one.valid]
        found = run(self.client, work, wanted, threads=self.threads, progress=progress)
        return float(found.of(MODEL)[PART].results()[self.measure.followed[0]])
