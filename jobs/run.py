"""One run of a job: order of the sections, what is skipped, how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cluster.session import connect
from engine.bundle import Bundle
from engine.commit import Manifest
from engine.errors import Cancelled, CommitUnknown, MillraceError
from engine.ledger import MOST_TOLD
from jobs.fingerprint import profile_digest
from jobs.planning.plan import plan_job, scoring_plan
from jobs.report.content import page
from jobs.report.write import write_report
from jobs.runs.events import EventLog, Reporter, Together
from jobs.runs.folder import Run, create_run
from jobs.runs.result import Result
from jobs.runs.state import Entry, State
from jobs.runs.stopping import Stop, Stopping
from jobs.sections import profiling
from jobs.sections.context import Context
from jobs.sections.preparation import prepare_rows
from jobs.sections.scoring import score
from jobs.sections.sorting import sort_rows
from jobs.sections.statistics import statistics_of, watched_of
from jobs.sections.training import train, trained_before
from jobs.spec.job import Job

__all__ = ["Result", "plan_job", "run_job"]


def run_job(job: Job, store: Path, reporter: Reporter, stop: Stop | None = None) -> Result:
    """Run all sections of a job in the foreground.

    Args:
        job: The job.
        store: Folder of the run folders.
        reporter: Hears what happens.
        stop: The wish to end, looked at where work can be ended without a loss.

    Raises:
        Cancelled: The wish was uttered.
        PlanRefused: A step does not fit the memory of a worker; nothing was started.
        MillraceError: A section failed; what was finished is kept and a rerun goes on from there.
    """
    planned = plan_job(job)
    planned.plan.check()
    run = create_run(store, job.to_dict())
    run.write_plan(planned.to_dict())
    stop = stop or Stop()
    told = Together([reporter, EventLog(run.events), Stopping(stop)])
    for note in dict.fromkeys(note for step in planned.plan.steps for note in step.notes):
        told.warning(note)
    with ExitStack() as stack:
        stack.enter_context(run.beating())
        progress = stack.enter_context(_recorded(run))
        session = cache(lambda: stack.enter_context(connect(job.cluster, remote=job.remote)))
        context = Context(planned, session, told, run.path, progress.commit, stop)
        return _sections(run, context)


def _sections(run: Run, context: Context) -> Result:
    started = datetime.now(UTC)
    result = Result(run.id, run.path, run.path / "report.html")
    if context.planned.profiling:
        _profile(run, context, result)
    if context.planned.sorting:
        _sort(run, context, result)
    if context.planned.preparation:
        _prepare(run, context, result)
    bundle = _train(run, context, result) if context.planned.training else None
    manifest: Manifest | None = None
    if context.planned.scoring:
        manifest = _score(run, context, bundle, result)
    result.memory = {
        step.name: {"projected": step.peak, "measured": context.measured.get(step.name)}
        for step in context.planned.plan.steps
    }
    told = page(result, context.planned, bundle, manifest, started)
    if manifest is not None and context.planned.scoring:
        told = replace(told, watched=watched_of(context.planned.scoring.spec, manifest))
    write_report(result.report, told)
    return result


def _profile(run: Run, context: Context, result: Result) -> None:
    work = context.planned.profiling
    assert work is not None
    found = profiling.profiled_before(context, work)
    if found:
        result.skipped.append("profile")
        context.reporter.skipped("profile", f"the data are those of {found}")
    result.profile = found or profiling.profile(context, work)
    step = {"profile": str(result.profile), "fingerprint": profile_digest(work)}
    run.write_step("profile", step)


def _sort(run: Run, context: Context, result: Result) -> None:
    work = context.planned.sorting
    assert work is not None
    done = sort_rows(context, work)
    result.sorted = work.spec.shown(done[0].run)
    result.sorted_rows = _written(run, context, result, "sort", result.sorted, done)


def _prepare(run: Run, context: Context, result: Result) -> None:
    work = context.planned.preparation
    assert work is not None
    done = prepare_rows(context, work)
    result.prepared = work.spec.shown(done[0].run)
    result.prepared_rows = _written(run, context, result, "prepare", result.prepared, done)


def _written(
    run: Run,
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
    run.write_step(section, {"output": str(output), **ledger})
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


def _train(run: Run, context: Context, result: Result) -> Bundle:
    training = context.planned.training
    assert training is not None
    found = trained_before(context, training)
    if found:
        result.skipped.append("train")
        context.reporter.skipped("train", f"data and sections are those of {found[0]}")
    result.model, bundle = found or train(context, training)
    result.metrics = dict(bundle.metrics.get("results", {}))
    result.trained_on = dict(bundle.provenance.get("ledger", {}))
    run.write_step("train", {"model": str(result.model), "metrics": result.metrics})
    return bundle


def _score(run: Run, context: Context, bundle: Bundle | None, result: Result) -> Manifest:
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
    run.write_step("score", {**told, **result.ledger})
    return manifest


@dataclass
class _Recorder:
    """Moves the run's state on."""

    run: Run
    entry: Entry

    def move(self, state: State, message: str = "") -> None:
        self.entry = self.run.log.advance(self.entry, state, message)

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Be COMMITTING while the body runs."""
        self.move(State.COMMITTING)
        yield
        self.move(State.RUNNING)


@contextmanager
def _recorded(run: Run) -> Iterator[_Recorder]:
    """Write the state of the run on the way in and, however it ends, on the way out."""
    recorder = _Recorder(run, run.log.advance(run.log.last(), State.STARTING))
    recorder.move(State.RUNNING)
    try:
        yield recorder
    except (KeyboardInterrupt, Cancelled):
        recorder.move(State.CANCELLED, "stopped by the user")
        raise
    except CommitUnknown as error:
        recorder.move(State.COMMIT_UNKNOWN, error.what)
        raise
    except MillraceError as error:
        recorder.move(State.FAILED, error.what)
        raise
    except BaseException as error:
        recorder.move(State.FAILED, f"{type(error).__name__}: {error}")
        raise
    recorder.move(State.SUCCEEDED)
