"""A job in Python: looked at, run here, or handed over."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from cluster.spec import Cluster
from jobs.api.run import Run, store_at
from jobs.driving.selection import SECTIONS, Selection
from jobs.runs.result import Result
from jobs.runs.stopping import Stop
from jobs.runs.store import STORE
from jobs.spec.job import JobSpec
from jobs.spec.jobfile import job_of, load_job

if TYPE_CHECKING:
    from jobs.api.plan import Plan

Where: TypeAlias = Cluster | Mapping[str, Any] | str | None
"""A cluster: a model of `cluster.spec`, the section ``[cluster]`` as a mapping, the address of one
that runs, the name of one that `millrace cluster up` started, or None for what the job says."""

Options: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, repr=False)
class Job:
    """A job, as a job file describes it.

    Attributes:
        spec: The checked model of the job file.

    >>> job = Job.load("job.toml")  # doctest: +SKIP
    >>> job.plan()  # doctest: +SKIP
    >>> run = job.submit()  # doctest: +SKIP
    """

    spec: JobSpec

    @classmethod
    def load(cls, path: str | Path) -> Job:
        """Read a job file; relative paths in it start at its folder.

        Args:
            path: The TOML file.

        Raises:
            SpecError: It is missing, or has problems, which are all named.
        """
        return cls(load_job(path))

    @classmethod
    def of(cls, sections: Mapping[str, Any], *, folder: str | Path = ".") -> Job:
        """Make a job of what would stand in a job file.

        Args:
            sections: Name and content of each section, and the ``name`` of the job.
            folder: Where relative paths in it start.

        Raises:
            SpecError: It has problems, which are all named.
        """
        return cls(job_of(sections, Path(folder).absolute()))

    def on(self, cluster: Where) -> Job:
        """Return this job on another cluster.

        Args:
            cluster: The cluster; None: this job.

        Raises:
            SpecError: There can be no such cluster.
        """
        if cluster is None:
            return self
        given = {"kind": "address", "address": cluster} if isinstance(cluster, str) else cluster
        return Job(job_of({**self.spec.to_dict(), "cluster": given}, Path.cwd()))

    def plan(self, cluster: Where = None, *, only: Iterable[str] = (), since: str = "") -> Plan:
        """Open the data and project rows, bytes and memory of every step; nothing is run.

        Args:
            cluster: Where it would run.
            only: Sections; none: all.
            since: The first section; empty: the first of the job.

        Returns:
            The plan; one that does not fit says so, and its ``check()`` raises.

        Raises:
            SpecError: The job does not fit its data.
            InputError: A file is damaged.
            ClusterError: The cluster cannot be reached.
        """
        from jobs.api.plan import Plan
        from jobs.planning.plan import plan_job

        selection = _selection(only, since)
        return Plan(plan_job(selection.applied(self.on(cluster).spec)))

    def run(
        self,
        cluster: Where = None,
        *,
        store: str | Path = STORE,
        storage: Options | None = None,
        only: Iterable[str] = (),
        since: str = "",
        force: bool = False,
        progress: bool = True,
    ) -> Result:
        """Do the job in this process and wait for its end, as `millrace run` does.

        In the main thread the first Ctrl-C (in a notebook: the stop button) lets what is under way
        be finished, the second ends it. In another thread it is ended from outside, with
        `Run.cancel` or `millrace cancel`. The workers of a local cluster are processes that
        import the main module: in a script, call this under ``if __name__ == "__main__":``.

        Args:
            cluster: Where to run it.
            store: Where the run folders are: a folder or the URL of an object store.
            storage: Options of the object store; a secret as ``${secret:NAME}``.
            only: Sections; none: all.
            since: The first section; empty: the first of the job.
            force: Do again what has not changed.
            progress: Show how it goes, in the notebook's cell or on stderr.

        Raises:
            Cancelled: It was cancelled.
            MillraceError: A section failed; what was finished is kept.
            ClusterError: The cluster cannot be had.
        """
        from jobs.api.cell import shown
        from jobs.run import run_job
        from jobs.runs.events import Together

        stop, selection = Stop(), _selection(only, since, force)
        home = store_at(store, storage)
        with _signals(stop), shown() if progress else nullcontext(Together([])) as reporter:
            return run_job(self.on(cluster).spec, home, reporter, stop, selection)

    def submit(
        self,
        cluster: Where = None,
        *,
        store: str | Path = STORE,
        storage: Options | None = None,
        only: Iterable[str] = (),
        since: str = "",
        force: bool = False,
        here: bool = False,
    ) -> Run:
        """Hand the job over to a driver that goes on without this process.

        Args:
            cluster: Where to run it. On a cluster that runs already the driver is there; else it is
                a process of this machine, in a session of its own.
            store: Where the run folders are: a folder or the URL of an object store. A driver on a
                cluster must see it too.
            storage: Options of the object store; a secret as ``${secret:NAME}``.
            only: Sections; none: all.
            since: The first section; empty: the first of the job.
            force: Do again what has not changed.
            here: Drive it from this machine in any case.

        Returns:
            The run, after its driver has begun.

        Raises:
            SpecError: The job does not have a section that is wanted.
            ClusterError: The cluster cannot be reached.
        """
        from jobs.driving.submitting import submit
        from jobs.run import create

        home = store_at(store, storage)
        folder = create(self.on(cluster).spec, home, _selection(only, since, force))
        submit(home, folder, here=here)
        return Run(home, folder)

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that do something, in their order."""
        return tuple(name for name in SECTIONS if self.spec.does(name))

    def __repr__(self) -> str:
        """Return a line: name, sections, data."""
        data = ", ".join(self.spec.data)
        return f"<Job {self.spec.name}: {', '.join(self.sections)}; data {data}>"

    def _repr_html_(self) -> str:
        from jobs.api.markup import job_html

        return job_html(self.spec, self.sections)


def _selection(only: Iterable[str], since: str, force: bool = False) -> Selection:
    """Return what is wanted; one section may be given by its name alone."""
    names = (only,) if isinstance(only, str) else tuple(only)
    return Selection(names, since or None, force)


def _signals(stop: Stop) -> AbstractContextManager[None]:
    """Take Ctrl-C where Python lets us: in the main thread."""
    main = threading.current_thread() is threading.main_thread()
    return stop.listening() if main else nullcontext()
