"""What the sections that write rows share: parts, gate, commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from distributed import Client

from engine.commit import Manifest, PartRecord, Run, Staged, Summary, run_key
from engine.data.dataset import Dataset
from engine.errors import TaskFailed
from engine.plan import Partition
from engine.rejected.bad_parts import BadParts
from engine.rejected.part import gate
from engine.tasks.execute import Done, Notice, over_partitions
from engine.uniqueness import assert_unique
from jobs.fingerprint import digest
from jobs.sections.context import Context
from jobs.sections.publishing import publish, targets_of
from jobs.spec.job import PrepareSpec, ScoreSpec
from jobs.work.files import assert_case_told

W = TypeVar("W")


@dataclass(frozen=True)
class Written:
    """A section that writes rows.

    Attributes:
        step: Name of its step.
        dataset: The rows that are read.
        partitions: Their partitions.
        depends: What the result depends on, plain JSON.
        bad: How parts that fail are set aside; None: one of them ends the job.
        summary: Makes one file of what the parts have gathered, for the commit; None: nothing.
    """

    step: str
    dataset: Dataset
    partitions: Sequence[Partition]
    depends: Mapping[str, Any]
    bad: BadParts | None = None
    summary: Summary | None = None

    def over(
        self,
        client: Client,
        function: Callable[[W, Partition], Staged],
        work: W,
        left: Sequence[Partition],
        *,
        run: Run,
        threads: int,
        notice: Notice,
    ) -> Iterator[Done[Staged]]:
        """Stage these partitions and yield them as they finish."""
        if self.bad is None:
            return over_partitions(client, function, work, left, threads=threads, notice=notice)
        return self.bad.over(client, function, work, left, run=run, threads=threads, notice=notice)

    def check(self, parts: Iterable[PartRecord]) -> None:
        """Refuse parts that an earlier attempt has set aside, where that is not wanted now.

        Raises:
            TaskFailed: There is one.
        """
        first = next((part for part in parts if part.bad), None)
        if first is not None and first.bad is not None and self.bad is None:
            raise TaskFailed(
                f"an earlier run of this job has set part {first.part} aside: {first.bad.error}",
                where=f"{self.step}.on_bad_part",
                hint='set it to "quarantine", or delete the output and its .millrace folder',
            )


def facts(depends: Mapping[str, Any]) -> dict[str, str]:
    """Return what the files of an output say of where they come from.

    Equal inputs give equal bytes, wherever they lie and whenever they were written: so neither
    their names and times are told nor the run, which depends on these. The manifest has both.

    Args:
        depends: What the result depends on.
    """
    told = {"input": digest([[file["size"], file["digest"]] for file in depends["files"]])}
    names = ("model", "fitted", "coverage")
    told |= {name: str(depends[name]) for name in names if depends.get(name)}
    return {f"millrace.{name}": value for name, value in told.items()}


def written(
    context: Context,
    job: Written,
    spec: ScoreSpec | PrepareSpec,
    function: Callable[[W, Partition], Staged],
    shared: Callable[[Run], W],
) -> tuple[Manifest, bool]:
    """Write every partition as one part and commit them together, or find that this was done.

    Args:
        context: The run.
        job: What is written.
        spec: The section: where to, and over what.
        function: Makes the part of one partition, in the worker.
        shared: Returns what the tasks share; called only when something is left to do.

    Returns:
        The manifest, and whether nothing had to be done.
    """
    planned = [part.rows for part in job.partitions]
    depends = context.depending(job.depends)
    key = run_key(depends, planned)
    output, targets = spec.output_of(key), targets_of(spec, key)
    output.preflight(context.began)
    assert_case_told(spec, job.dataset.schema)
    for target in targets:
        target.admit()
    if (before := output.committed()) is not None:
        job.check(before.parts)
        context.run.write_written(job.step, before.run)
        with context.committing():
            return before, not publish(targets, output, before)
    run = output.begin(depends, planned)
    context.run.write_written(job.step, run.name)
    finished = run.done()
    left = [part for part in job.partitions if part.index not in finished]
    session = context.session()
    threads = session.resources.slots
    if left:
        assert_unique(session.client, job.dataset, threads=threads)
        work = shared(run)
        context.start(job.step, sum(part.rows for part in left))
        watch = context.watch(job.step, lambda staged: staged.record.quarantined)
        staged = job.over(
            session.client, function, work, left, run=run, threads=threads, notice=context.notice
        )
        for done in staged:
            watch(done)
            if (bad := done.result.record.bad) is not None:
                context.reporter.warning(f"part {done.partition.index} is set aside: {bad.error}")
            elif done.result.differs:
                what = "a part was made twice with different bytes; the first one counts"
                context.reporter.warning(what)
    else:
        context.start(job.step, 0)
    records = run.done().values()
    job.check(records)
    gate(job.dataset, records, context.planned.job.data[spec.data].max_bad)
    with context.committing():
        manifest = output.commit(run, job.summary)
        job.check(manifest.parts)
        publish(targets, output, manifest)
    context.reporter.step_done({"rows": manifest.rows_in, "scored": manifest.scored})
    return manifest, False
