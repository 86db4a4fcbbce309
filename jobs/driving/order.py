"""The sections of a run, in their order: what is skipped, what is told, what is tried again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.bundle import Bundle
from engine.commit import Manifest
from engine.ledger import MOST_TOLD
from jobs.driving.retrying import retried
from jobs.fingerprint import profile_digest
from jobs.planning.plan import scoring_plan
from jobs.report.content import page
from jobs.report.numbers import encoded, numbers
from jobs.report.write import render
from jobs.runs.folder import METRICS, REPORT
from jobs.runs.result import Result
from jobs.sections import profiling
from jobs.sections.context import Context
from jobs.sections.preparation import prepare_rows
from jobs.sections.remeasuring import remeasured
from jobs.sections.scoring import score
from jobs.sections.sorting import sort_rows
from jobs.sections.statistics import statistics_of, watched_of
from jobs.sections.tracking import track
from jobs.sections.training import train, trained_before


def sections(context: Context) -> Result:
    """Run the sections of a planned job, and write the report.

    Args:
        context: What they share.

    Raises:
        Cancelled: The user wants the run to end.
        MillraceError: A section failed; what was finished is kept.
    """
    started, run, planned = datetime.now(UTC), context.run, context.planned
    result = Result(run.id, str(run), str(run.file(REPORT)))
    if planned.profiling:
        retried(context, "profile", lambda: _profile(context, result))
    if planned.sorting:
        retried(context, "sort", lambda: _sort(context, result))
    if planned.preparation:
        retried(context, "prepare", lambda: _prepare(context, result))
    bundle: Bundle | None = None
    if planned.training:
        bundle = retried(context, "train", lambda: _train(context, result))
    if planned.evaluating:
        bundle = retried(context, "evaluate", lambda: _evaluate(context, result))
    manifest: Manifest | None = None
    if planned.scoring:
        trained = bundle if planned.training else None
        manifest = retried(context, "score", lambda: _score(context, trained, result))
    result.memory = {
        step.name: {"projected": step.peak, "measured": context.measured.get(step.name)}
        for step in context.planned.plan.steps
    }
    told = page(result, context.planned, bundle, manifest, started)
    if manifest is not None and context.planned.scoring:
        told = replace(told, watched=watched_of(context.planned.scoring.spec, manifest))
    counted = numbers(told, bundle.metrics if bundle else {})
    run.file(REPORT).replace(render(told).encode())
    run.file(METRICS).replace(encoded(counted))
    track(context, counted, bundle, result.model)
    run.write_result(result.to_dict())
    return result


def _profile(context: Context, result: Result) -> None:
    work = context.planned.profiling
    assert work is not None
    found = None if context.force else profiling.profiled_before(context, work)
    if found:
        result.skipped.append("profile")
        context.reporter.skipped("profile", f"the data are those of {found}")
    result.profile = found or profiling.profile(context, work)
    step = {"profile": str(result.profile), "fingerprint": profile_digest(work)}
    context.run.write_step("profile", step)


def _sort(context: Context, result: Result) -> None:
    work = context.planned.sorting
    assert work is not None
    done = sort_rows(context, work)
    result.sorted = work.spec.shown(done[0].run)
    result.sorted_rows = _written(context, result, "sort", result.sorted, done)


def _prepare(context: Context, result: Result) -> None:
    work = context.planned.preparation
    assert work is not None
    done = prepare_rows(context, work)
    result.prepared = work.spec.shown(done[0].run)
    result.prepared_rows = _written(context, result, "prepare", result.prepared, done)


def _written(
    context: Context,
    result: Result,
    section: str,
    output: Path | str,
    done: tuple[Manifest, bool],
) -> dict[str, Any]:
    """Record what a section wrote, or that it had nothing to do; return where the rows went."""
    manifest, before = done
    if before:
        result.skipped.append(section)
        context.reporter.skipped(section, f"{output} holds these rows already")
    ledger = _ledger(manifest, "written")
    context.run.write_step(section, {"output": str(output), **ledger})
    return ledger


def _ledger(manifest: Manifest, done: str) -> dict[str, Any]:
    """Return where the rows went; ``done`` says what became of the good ones."""
    names = ("quarantined", "filtered", "reasons")
    found = {name: getattr(manifest, name) for name in names}
    files = manifest.ledger.told()["files"]
    bad = _bad_parts(manifest) if manifest.bad_parts else {}
    if manifest.crossed is not None:
        found["crossed"] = manifest.crossed
    return {"rows_in": manifest.rows_in, done: manifest.scored, **found, **bad, "files": files}


def _bad_parts(manifest: Manifest) -> dict[str, Any]:
    """Return what became of parts that were set aside; at most `MOST_TOLD` of their errors."""
    parts = manifest.bad_parts
    told = {f"part {part.part}": part.bad.error for part in parts[:MOST_TOLD] if part.bad}
    more = {"more_parts": len(parts) - len(told)} if len(parts) > len(told) else {}
    return {"unread": manifest.unreadable, "bad_parts": {**told, **more}}


def _train(context: Context, result: Result) -> Bundle:
    training = context.planned.training
    assert training is not None
    found = None if context.force else trained_before(context, training)
    if found:
        result.skipped.append("train")
        context.reporter.skipped("train", f"data and sections are those of {found[0]}")
    result.model, bundle = found or train(context, training)
    result.metrics = dict(bundle.metrics.get("results", {}))
    result.trained_on = dict(bundle.provenance.get("ledger", {}))
    context.run.write_step("train", {"model": str(result.model), "metrics": result.metrics})
    return bundle


def _evaluate(context: Context, result: Result) -> Bundle:
    work = context.planned.evaluating
    assert work is not None
    bundle = remeasured(context, work)
    result.evaluated = work.folder
    result.metrics = dict(bundle.metrics["results"])
    result.evaluated_on = dict(bundle.provenance["ledger"])
    context.run.write_step("evaluate", {"model": str(work.folder), "metrics": result.metrics})
    return bundle


def _score(context: Context, bundle: Bundle | None, result: Result) -> Manifest:
    work = context.planned.scoring
    assert work is not None
    if bundle is not None and result.model is not None:
        work = work.with_trained(result.model, bundle)
        scoring_plan(context.planned, work).check()  # a model larger than was guessed
    result.scored_by, result.coverage = work.versions, work.coverage
    manifest, before = score(context, work)
    if before:
        result.skipped.append("score")
        context.reporter.skipped("score", "these rows have their predictions from this model")
    result.predictions = work.spec.shown(manifest.run)
    result.ledger = _ledger(manifest, "scored")
    result.statistics = statistics_of(work.spec, manifest)
    told = {"output": str(result.predictions), "models": result.scored_by}
    told |= {"statistics": result.statistics} if result.statistics else {}
    context.run.write_step("score", {**told, **result.ledger})
    return manifest
