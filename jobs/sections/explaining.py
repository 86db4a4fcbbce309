"""The section ``[explain]``: what the trained model looks at, as a step of the run."""

from __future__ import annotations

from dataclasses import replace

from engine.bundle import Bundle
from engine.explaining import ExplainWork, explain
from engine.predict.kernel import keep
from engine.training.fitting import Prepared
from jobs.sections import boosting
from jobs.sections.context import Context
from jobs.work.training import Training


def explained(context: Context, training: Training, prepared: Prepared, bundle: Bundle) -> Bundle:
    """Return the model with what was found of it among its metrics.

    Permutation importance stands beside the other importances, in units of the metric.
    """
    spec = context.planned.job.explain
    assert spec is not None
    keep()  # the workers that predict have no memory for a compiler
    counts, session = prepared.survey.counts, context.session()
    part: str = spec.part or next(name for name in ("test", "valid", "train") if counts.get(name))
    partitions = [
        one for one in context.planned.train_partitions if prepared.counts[one.index].get(part)
    ]
    context.start("explain", sum(one.rows for one in partitions))
    measure = boosting.measure(training.spec, prepared)
    found = explain(
        session.client,
        ExplainWork(prepared.data, bundle, part, measure, spec.wanted),
        partitions,
        threads=session.resources.slots,
        progress=context.watch("explain"),
        cancel=context.stop,
    )
    told = found.told()
    context.reporter.step_done(told["explained"])
    importance = {**bundle.metrics.get("importance", {}), "permutation": told.pop("permutation")}
    return replace(bundle, metrics={**bundle.metrics, "importance": importance, **told})
