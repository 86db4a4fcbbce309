"""The section ``[score]``: a prediction for every row, committed once."""

from __future__ import annotations

from engine import scoring
from engine.bundle import Bundle
from engine.errors import SpecError
from engine.history import History
from engine.manifest import Manifest
from engine.staging import Run
from jobs.fingerprint import scoring_spec
from jobs.steps import Context
from jobs.work.scoring import Scoring
from jobs.writing import Written, written


def score(context: Context, work: Scoring, bundle: Bundle) -> tuple[Manifest, bool]:
    """Score all rows, or find that this was done before.

    Returns:
        The manifest, and whether nothing had to be done.

    Raises:
        SpecError: A column of the data is called as one that scoring adds.
    """
    _refuse_taken(work, bundle)
    spec = scoring_spec(work, bundle.digest)
    job = Written("score", work.dataset, context.planned.score_partitions, spec)

    def shared(run: Run) -> scoring.ScoringWork:
        return scoring.ScoringWork(
            work.dataset.source,
            bundle,
            run,
            work.columns,
            context.fails(work.spec.data, work.spec.on_bad_rows),
            work.spec.threshold,
            History.of(bundle.pipeline.steps, bundle.pipeline.derive, job.partitions),
        )

    return written(context, job, work.spec, scoring.score, shared)


def _refuse_taken(work: Scoring, bundle: Bundle) -> None:
    """Refuse passed-through columns with the name of a prediction: classes are known only now."""
    added = scoring.prediction_columns(bundle.task, bundle.classes or ())
    for name in work.columns:
        if name in added:
            raise SpecError(
                f"{name!r} is the name of a column that scoring adds",
                where="score.columns",
                hint="leave the column out, or give it another name",
            )
