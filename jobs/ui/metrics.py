"""The runs of a store in Prometheus' text format, made anew from the run folders at each scrape.

Names follow Prometheus' conventions: base units, ``_total`` for what only counts up. Runs that are
at work are told, and those that ended within the last quarter of an hour: so their end is seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from jobs.runs.state import State
from jobs.runs.story import Step
from jobs.ui.view import Looked

RUNS_TOLD = 100
"""Runs that are told one by one, the newest: the series of one scrape are bounded."""

WORKERS_TOLD = 64
"""Workers of a step that are told one by one, those that held most."""

Value = Callable[[Step], float | None]

_COUNTERS: Sequence[tuple[str, str, Value]] = (
    ("rows_done", "Rows that a step has worked on since it was begun.", lambda s: s.done),
    (
        "parts_done",
        "Partitions that a step has finished since it was begun.",
        lambda s: s.parts or None,
    ),
    (
        "quarantined_rows",
        "Rows that broke the contract and were set aside.",
        lambda s: s.quarantined,
    ),
)

_GAUGES: Sequence[tuple[str, str, Value]] = (
    ("rows_planned", "Rows that a step will work on.", lambda s: s.rows),
    ("step_progress_ratio", "Share of a step's work that is done, 0 to 1.", lambda s: s.share),
    ("worker_bound_bytes", "Projected peak of a worker in a step.", lambda s: s.bound),
    ("boosting_rounds", "Boosting rounds that are done.", lambda s: s.round),
)


@dataclass(frozen=True, eq=False)  # a registry keeps it in a dictionary
class RunsCollector(Collector):
    """Tells Prometheus of runs.

    Args:
        runs: All runs of the store, the newest first.
    """

    runs: Sequence[Looked]

    @property
    def _told(self) -> list[Looked]:
        return [run for run in self.runs if run.active or run.recent][:RUNS_TOLD]

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield self._states()
        yield from self._each_run()
        for name, text, value in _COUNTERS:
            yield self._each_step(CounterMetricFamily, name, text, value)
        for name, text, value in _GAUGES:
            yield self._each_step(GaugeMetricFamily, name, text, value)
        yield self._workers()
        yield self._scores()

    def _states(self) -> Metric:
        found = Counter(run.state for run in self.runs)
        family = GaugeMetricFamily("millrace_runs", "Runs in the store.", labels=["state"])
        for state in State:
            family.add_metric([str(state)], found[state])
        return family

    def _each_run(self) -> Iterator[Metric]:
        labels = ["run", "job"]
        state = GaugeMetricFamily(
            "millrace_run_state", "1 for the state of a run.", labels=[*labels, "state"]
        )
        started = GaugeMetricFamily(
            "millrace_run_started_timestamp_seconds", "When a run was made.", labels=labels
        )
        ended = GaugeMetricFamily(
            "millrace_run_ended_timestamp_seconds", "When a run ended.", labels=labels
        )
        for run in self._told:
            for one in State:
                state.add_metric([run.run, run.job, str(one)], float(run.state == one))
            started.add_metric([run.run, run.job], run.started.timestamp())
            if run.ended:
                ended.add_metric([run.run, run.job], run.ended.timestamp())
        yield from (state, started, ended)

    def _each_step(
        self,
        kind: type[CounterMetricFamily] | type[GaugeMetricFamily],
        name: str,
        text: str,
        value: Value,
    ) -> Metric:
        family = kind(f"millrace_{name}", text, labels=["run", "job", "step"])
        for run, step in self._begun():
            if (found := value(step)) is not None:
                family.add_metric([run.run, run.job, step.name], found)
        return family

    def _workers(self) -> Metric:
        family = GaugeMetricFamily(
            "millrace_worker_peak_bytes",
            "Highest memory of a worker in a step, its child processes included.",
            labels=["run", "job", "step", "worker"],
        )
        for run, step in self._begun():
            most = sorted(step.memory.items(), key=lambda held: -held[1])[:WORKERS_TOLD]
            for worker, peak in most:
                family.add_metric([run.run, run.job, step.name, worker], peak)
        return family

    def _scores(self) -> Metric:
        family = GaugeMetricFamily(
            "millrace_boosting_score",
            "Validation metric after the last boosting round.",
            labels=["run", "job", "step", "metric"],
        )
        for run, step in self._begun():
            for metric, curve in step.curves.items():
                family.add_metric([run.run, run.job, step.name, metric], curve[-1][1])
        return family

    def _begun(self) -> Iterator[tuple[Looked, Step]]:
        return ((run, step) for run in self._told for step in run.steps if step.tries)


def exposition(runs: Sequence[Looked], accept: str) -> tuple[bytes, str]:
    """Return the answer to a scrape, and its content type.

    Args:
        runs: All runs of the store, the newest first.
        accept: What the scraper asks for, a header of HTTP: OpenMetrics or the older text format.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunsCollector(runs))
    encode, kind = choose_encoder(accept)
    return encode(registry), kind
