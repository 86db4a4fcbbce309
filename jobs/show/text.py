"""What the read verbs print for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jobs.runs.events import Event
from jobs.runs.folder import Run
from jobs.runs.state import Entry, State
from jobs.show.units import count, duration, size

_LEFT_OUT = frozenset(
    {
        *("auc_error", "average_precision_error", "auc_macro_error", "precision", "recall", "mcc"),
        *("kappa", "f_beta", "ks", "gain", "lift", "explained_variance", "max_error", "rmsle"),
        *("precision_macro", "recall_macro", "f_beta_macro", "precision_weighted"),
        *("recall_weighted", "f1_weighted", "f_beta_weighted", "mape"),
    }
)
"""Metrics that a terminal does not show, by their names up to ``@``."""

_BYTES = ("bytes", "memory", "peak", "bound", "projected", "measured")
"""Words in the names of values that are bytes."""


def plan_text(plan: Mapping[str, Any]) -> str:
    """Write a plan: a table of the steps, and what makes up the peak of each.

    Args:
        plan: What ``Planned.to_dict`` returns.
    """
    head = ("step", "partitions", "rows", "reads", "writes", "peak a worker")
    rows = [
        (
            step["name"],
            count(step["partitions"]),
            count(step["rows"]),
            size(step["bytes_read"]),
            size(step["output_bytes"]) if step["output_bytes"] else "-",
            size(step["peak"]),
        )
        for step in plan["steps"]
    ]
    fits = "fits" if plan["peak"] <= plan["limit"] else "DOES NOT FIT"
    limit = f"{plan['workers']} workers of {size(plan['limit'])}: the job {fits}"
    ending = [*_driver(plan), limit]
    return "\n".join([*_data(plan), "", *table([head, *rows]), "", *_reasons(plan), *ending])


def _data(plan: Mapping[str, Any]) -> list[str]:
    head = ("data", "format", "files", "rows", "size", "columns", "location")
    rows = [
        (
            name,
            told["format"],
            count(told["files"]),
            count(told["rows"]),
            size(told["bytes"]),
            count(told["columns"]),
            told["location"],
        )
        for name, told in plan["data"].items()
    ]
    return table([head, *rows])


def _reasons(plan: Mapping[str, Any]) -> Iterator[str]:
    for step in plan["steps"]:
        yield f"{step['name']}"
        for number, what in enumerate(step["passes"], 1):
            yield f"  pass {number}: {what}"
        terms = sorted(step["terms"], key=lambda term: -term["bytes"])
        for term in terms:
            yield f"  {size(term['bytes']):>9}  {term['name']}"
        for note in step["notes"]:
            yield f"  note: {note}"
        yield ""


def _driver(plan: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the driver holds in the step in which it holds most; runs of before told none."""
    by_step = {
        step["name"]: sum(term["bytes"] for term in step.get("driver", ()))
        for step in plan["steps"]
    }
    most = max(by_step, key=lambda name: by_step[name], default="")
    if not by_step.get(most):
        return
    yield f"the driver, beside them: {size(by_step[most])} in {most}"
    step = next(step for step in plan["steps"] if step["name"] == most)
    for term in sorted(step["driver"], key=lambda term: -term["bytes"]):
        yield f"  {size(term['bytes']):>9}  {term['name']}"
    yield ""


def status_of(run: Run) -> dict[str, Any]:
    """Return how a run stands, as JSON values.

    Args:
        run: The run.
    """
    entries = run.log.entries()
    last, state = entries[-1], run.stands(entries[-1])
    return {
        "run": run.id,
        "job": run.job().get("name"),
        "state": str(state),
        "message": last.message,
        **_took(entries[0], last, state),
        "code": last.code,
        "host": last.driver.host,
        "pid": last.driver.pid,
        "steps": run.steps(),
        "now": _now(run) if state.active else None,
        "folder": str(run),
    }


def brief_of(run: Run) -> dict[str, Any]:
    """Return what a list says of a run, as JSON values; little is read for it.

    Args:
        run: The run.
    """
    first, last = run.log.first(), run.log.last()
    state = run.stands(last)
    return {"run": run.id, "job": run.job().get("name"), "state": str(state)} | _took(
        first, last, state
    )


def _took(first: Entry, last: Entry, state: State) -> dict[str, Any]:
    ended = None if state.active or state in (State.PENDING, State.LOST) else last.time
    return {
        "started": first.time.isoformat(),
        "ended": ended.isoformat() if ended else None,
        "seconds": round(((ended or datetime.now(UTC)) - first.time).total_seconds(), 1),
    }


def submitted_text(values: Mapping[str, Any]) -> str:
    """Write what ``millrace submit`` says: the id, and how to follow the run."""
    run = values["run"]
    return f"{run}  {values['state']}\n  millrace status {run.rpartition('-')[2]} --watch"


def cancelled_text(values: Mapping[str, Any]) -> str:
    """Write what ``millrace cancel`` says."""
    told = {
        "drain": "asked to end after what is under way; once more to end it at once",
        "now": "asked to end at once",
    }
    return f"{values['run']}  {told.get(values['asked'], values['asked'])}"


def _now(run: Run) -> dict[str, Any] | None:
    """Return what the run does at the moment: the last step that began, and how far it is."""
    latest: dict[str, Any] | None = None
    for event in run.told():
        latest = _followed(latest, event)
    return latest


def _followed(latest: dict[str, Any] | None, event: Event) -> dict[str, Any] | None:
    if event.name == "step_started":
        return {"step": event.step, **event.fields}
    if event.name == "step_done":
        return None
    if latest is not None and event.name in ("progress", "round"):
        return {**latest, **event.fields}
    return latest


def status_text(status: Mapping[str, Any]) -> str:
    """Write the status of a run.

    Args:
        status: What ``status_of`` returned.
    """
    lines = [f"{status['run']}  {status['job']}  {status['state']}"]
    lines += [f"  {status['message']}"] if status["message"] else []
    if status["state"] == State.LOST:
        lines.append(f"  its driver on {status['host']} is dead: `millrace resume` goes on with it")
    lines.append(f"  started {_local(status['started'])}, {duration(status['seconds'])}")
    lines += [f"  now: {facts(status['now'])}"] if status["now"] else []
    for name, result in status["steps"].items():
        lines += _tree(name, result, "  ")
    lines.append(f"  folder {status['folder']}")
    return "\n".join(lines)


def list_text(statuses: Sequence[Mapping[str, Any]]) -> str:
    """Write a table of runs.

    Args:
        statuses: What ``brief_of`` returned for each.
    """
    head = ("run", "job", "state", "started", "took")
    rows = [
        (s["run"], str(s["job"]), s["state"], _local(s["started"]), duration(s["seconds"]))
        for s in statuses
    ]
    return "\n".join(table([head, *rows])) if rows else "no runs"


def result_text(result: Mapping[str, Any]) -> str:
    """Write what a run returned: a line for each of its parts that is not empty.

    Of the metrics those by which models are mostly chosen, of rows that were held out: the report
    and ``--json`` have all.

    Args:
        result: JSON values.
    """
    if metrics := result.get("metrics"):
        result = {**result, "metrics": _chosen(metrics)}
    return "\n".join(line for name, value in result.items() for line in _tree(name, value, ""))


def _chosen(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the metrics that a terminal shows; of training rows where there are no others."""
    held_out = [part for part in metrics if not part.endswith("train")]
    return {
        part: {
            name: value
            for name, value in metrics[part].items()
            if name.partition("@")[0] not in _LEFT_OUT
        }
        for part in held_out or metrics
    }


def _tree(name: str, value: Any, indent: str) -> Iterator[str]:
    """Yield a line for a value or a flat table, and an indented block for a table of tables."""
    head = f"{indent}{name:<16}"
    if not isinstance(value, Mapping):
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        if text not in (None, ""):
            yield f"{head} {_plain(name, text)}"
    elif any(isinstance(inner, Mapping) for inner in value.values()):
        yield head.rstrip()
        for inner_name, inner in value.items():
            yield from _tree(inner_name, inner, indent + "  ")
    elif value:
        yield f"{head} {facts(value)}"


def facts(values: Mapping[str, Any]) -> str:
    """Write the plain values of a result on one line; lists are left to ``--json``.

    Args:
        values: Any JSON values.
    """
    return ", ".join(f"{name} {_plain(name, value)}" for name, value in _flat("", values))


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        elif value not in (None, "") and not isinstance(value, list):
            yield f"{prefix}{name}", value


def _plain(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, int) and not isinstance(value, bool):
        in_bytes = any(word in name for word in _BYTES)
        return size(value) if in_bytes else count(value)
    return str(value)


def _local(time: str) -> str:
    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align columns: the first to the left, the others to the right where all are numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = zip(*rows[1:], strict=True)
    right = [all(cell[:1].isdigit() or cell == "-" for cell in column) for column in cells]
    return [
        "  ".join(
            cell.rjust(width) if number and place else cell.ljust(width)
            for place, (cell, width, number) in enumerate(zip(row, widths, right, strict=True))
        ).rstrip()
        for row in rows
    ]
