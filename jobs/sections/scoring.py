"""The section ``[score]``: a prediction for every row, committed once."""

from __future__ import annotations

from engine.commit import Manifest, Run
from engine.predict.kernel import keep
from engine.rejected.bad_parts import BadParts
from engine.scoring import ScoringWork
from engine.scoring import score as score_partition
from jobs.fingerprint import scoring_spec
from jobs.sections.context import Context
from jobs.sections.statistics import gathering_of, summing
from jobs.sections.writing import Written, facts, written
from jobs.work.scoring import Scoring


def score(context: Context, work: Scoring) -> tuple[Manifest, bool]:
    """Score all rows, or find that this was done before.

    Args:
        context: The run.
        work: What is scored, and with what; all models are trained.

    Returns:
        The manifest, and whether nothing had to be done.

    Raises:
        SpecError: Columns of the output have one name, or a column that is renamed is not there.
    """
    keep()  # here, where there is memory for a compiler
    model = work.model()
    spec = scoring_spec(work, model.digest)
    fail = context.fails(work.spec.data, work.spec.on_bad_rows)
    partitions, bad = context.planned.score_partitions, None
    if work.spec.on_bad_part == "quarantine":
        bad = BadParts(work.dataset.source, tuple(work.read_columns), len(partitions), fail)
    gathering = gathering_of(work, model)
    summary = None if gathering is None else summing(context, gathering)
    job = Written("score", work.dataset, partitions, spec, bad, summary)

    def shared(run: Run) -> ScoringWork:
        return ScoringWork(
            work.dataset.source,
            model,
            run,
            work.columns,
            fail,
            work.history(job.partitions),
            work.spec.rename,
            encoding=work.spec.encoding(facts(spec)),
            gathering=gathering,
        )

    return written(context, job, work.spec, score_partition, shared)
