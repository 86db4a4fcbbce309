"""Dask's scheduler as dask-ml is given it: what it computes is bounded, watched and stopped here.

dask-ml calls `dask.compute` again and again. Under `Computing.in_charge` each of these calls comes
here first:

- A task that reads rows is made part of every task that needs them. Dask would hold a block until
  its last reader is done; where one of them waits for a sum over all rows, as the subtraction of a
  mean does, it would hold all blocks. Reading them again from a file costs less than a percent of
  what is done with them.
- It is waited for with an eye on the cancel flag.
- Passes are counted, and the workers' peak memory is told.

What dask-ml does with `dask.persist` would come here too, and to this process: estimators and
solvers that call it are not used.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from distributed import Client, wait

from engine import process
from engine.errors import Cancelled, MillraceError, TrainingFailed
from engine.learners.lesson import Progress

if TYPE_CHECKING:
    from dask._task_spec import GraphNode

LOOK_SECONDS = 0.5
"""So often is looked whether training was cancelled."""

RETRIES = 2
"""Runs of a task after an error, as in every other pass (`engine.tasks.underway`)."""

READS = "millrace-rows"
"""Keys of tasks that read rows start so."""


@dataclass
class Computing:
    """The calls of one training.

    Attributes:
        client: An open Dask client.
        progress: Hears of the workers' peaks.
        cancel: Whether to stop.
        passes: Calls so far that read rows.
        peak: Highest bytes of a worker.
        heard: Called with the results of each call.
    """

    client: Client
    progress: Progress
    cancel: Callable[[], bool]
    passes: int = 0
    peak: int = 0
    heard: list[Callable[[list[Any]], None]] = field(default_factory=list)

    @contextmanager
    def in_charge(self) -> Iterator[None]:
        """Have all that Dask computes in this block come here.

        Dask keeps this setting by process: nothing else may compute Dask collections meanwhile.
        """
        import dask

        # In this order: a client that is the current one puts itself into this setting.
        with (
            self.client.as_current(),
            dask.config.set(scheduler=self._results),
            warnings.catch_warnings(),
        ):
            # dask-glm 0.4 sets a key under the name that it had before.
            warnings.filterwarnings("ignore", ".*fuse_ave_width", FutureWarning)
            # It sets SciPy's `iprint`, which SciPy 1.18 will no longer take.
            warnings.filterwarnings("ignore", ".*iprint", DeprecationWarning)
            yield

    def look(self) -> None:
        """Raise where training was cancelled."""
        if self.cancel():
            raise Cancelled(f"training was cancelled after {self.passes} passes over the rows")

    def told(self, peaks: Mapping[str, int], rows: int = 0) -> None:
        """Note the workers' peaks and tell them."""
        self.peak = max(self.peak, *peaks.values(), 0)
        self.progress(rows, peaks)

    def _results(self, expr: Any, keys: Collection[Any], **_: Any) -> list[Any]:
        self.look()
        graph = dict(expr.__dask_graph__())
        reads = [key for key in graph if _name(key).startswith(READS)]
        packed = self.client.get(fused(graph, keys), list(keys), sync=False, retries=RETRIES)
        try:
            while True:
                try:
                    wait(packed, timeout=LOOK_SECONDS)
                    break
                except TimeoutError:
                    self.look()
            results: list[Any] = self.client.gather(packed)
        except MillraceError:
            raise
        except Exception as error:
            raise _failed(error) from error
        finally:
            self.client.cancel(packed, force=True)
        self.passes += bool(reads)
        self.told(dict(self.client.run(_peak, on_error="ignore").values()))
        for hear in self.heard:
            hear(results)
        return results


def fused(graph: Mapping[Any, GraphNode], keys: Collection[Any]) -> dict[Any, GraphNode]:
    """Return a graph in which the tasks that read rows are part of those that need them.

    Args:
        graph: Tasks by key.
        keys: What is asked for; these tasks stay.
    """
    from dask._task_spec import DataNode, Task, convert_legacy_graph

    tasks = dict(convert_legacy_graph(graph))
    given = {key for key, task in tasks.items() if isinstance(task, DataNode)}
    shared = {key for key in given if _name(key).startswith(READS)}
    reads = {
        key
        for key, task in tasks.items()
        if key not in given and task.dependencies & shared and task.dependencies <= given
    } - set(keys)
    found: dict[Any, GraphNode] = {}
    readers: dict[Any, list[Any]] = defaultdict(list)
    for key, task in tasks.items():
        for read in task.dependencies & reads:
            readers[key].append(read)
    for key, task in tasks.items():
        if key not in reads:
            own = [tasks[read] for read in sorted(readers[key], key=str)]
            found[key] = Task.fuse(*own, task) if own else task
    return found


def _name(key: Any) -> str:
    return str(key[0] if isinstance(key, tuple) else key)


def _peak() -> tuple[str, int]:
    return process.name(), process.peak()


def _failed(error: Exception) -> MillraceError:
    return TrainingFailed(
        f"{type(error).__name__}: {error}",
        hint="if workers died, give them more memory; `millrace resume` trains again",
    )
