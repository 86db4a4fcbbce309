"""The section ``[prepare]``: features fitted, then written for every row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.bundle import digested
from engine.commit import Manifest, Run
from engine.features.fitted import FittedPipeline
from engine.history import History
from engine.registry import save
from engine.training.fitting import prepare
from engine.training.prepared import PreparedWork
from engine.training.prepared import prepare as prepare_part
from engine.training.preparing import TrainingData
from jobs.fingerprint import preparation_spec
from jobs.sections.context import Context
from jobs.sections.writing import Written, facts, written
from jobs.work.preparing import Preparation


def prepare_rows(context: Context, work: Preparation) -> tuple[Manifest, bool]:
    """Write the features of all rows, or find that this was done before.

    Returns:
        The manifest, and whether nothing had to be done.
    """
    depends = preparation_spec(context.planned.job, work)
    job = Written("write", work.dataset, context.planned.prepare_partitions, depends)

    def shared(run: Run) -> PreparedWork:
        data, pipeline = _fitted(context, work)
        return PreparedWork(
            data,
            pipeline,
            run,
            work.columns,
            label=work.spec.label if work.spec.target else None,
            split=work.spec.split is not None,
            learned=work.fitted is None,
            fail=context.fails(work.spec.data, work.spec.on_bad_rows),
            encoding=work.spec.encoding(facts(depends)),
        )

    return written(context, job, work.spec, prepare_part, shared)


def _fitted(context: Context, work: Preparation) -> tuple[TrainingData, FittedPipeline]:
    """Fit the pipeline and keep it, or take the one that was fitted before."""
    if work.pipeline is None or work.resolved is None:
        taken, parts = work.taken, context.planned.prepare_partitions
        return replace(work.data, history=History.of(taken.steps, taken.derive, parts)), taken
    session = context.session()
    context.start("fit", work.dataset.rows * work.resolved.passes)
    found = prepare(
        session.client,
        work.data,
        work.pipeline,
        work.resolved,
        context.planned.prepare_partitions,
        threads=session.resources.slots,
        sample_rows=0,
        seed=work.spec.seed,
        bad=context.bad_rows("prepare", work.spec.data),
        progress=context.watch("fit"),
    )
    found.survey.ledger.check(work.dataset.rows_by_file())
    folder = save(digested(found.pipeline.files()), _home(context, work))
    done = {"rows": dict(found.survey.counts), "pipeline": str(folder)}
    context.reporter.step_done(done)
    return found.data, found.pipeline


def _home(context: Context, work: Preparation) -> Path:
    return Path(work.spec.pipeline) if work.spec.pipeline else context.folder / "pipeline"
