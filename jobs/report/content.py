"""What the report of a run shows, gathered from plan, bundle and manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from engine.bundle import Bundle
from engine.classes import Class, text_of
from engine.commit import Manifest
from engine.metrics import CalibrationBin
from jobs.fingerprint import versions
from jobs.planning.plan import Planned
from jobs.report.outcome import BadPart, ClassCounts, Curve, DataSummary, Ledger, Report, StepMemory
from jobs.runs.result import Result


def page(
    result: Result,
    planned: Planned,
    bundle: Bundle | None,
    manifest: Manifest | None,
    started: datetime,
) -> Report:
    """Return the content of the report.

    Args:
        result: What the run came to.
        planned: The plan, to stand beside what was measured.
        bundle: The model.
        manifest: The scored rows.
        started: When the run began.
    """
    measures: Mapping[str, object] = bundle.metrics if bundle and planned.training else {}
    outputs = {
        "sorted rows": result.sorted,
        "prepared rows": result.prepared,
        "model": result.model,
        "predictions": result.predictions,
        "statistics of them": result.statistics,
        **{f"scored by {key}": version for key, version in result.scored_by.items()},
    }
    return Report(
        job=planned.job.name,
        run=result.run,
        when=started,
        duration=(datetime.now(UTC) - started).total_seconds(),
        task=bundle.task if bundle else None,
        metric=planned.job.train.metric if planned.job.train else None,
        versions=versions(),
        data=_data(planned, bundle),
        memory=_memory(planned, result),
        ledger=_ledger(manifest) if manifest else None,
        outputs={name: str(path) for name, path in outputs.items() if path},
        **_quality(measures, bundle.classes or () if bundle else ()),  # type: ignore[arg-type]
    )


def _quality(measures: Mapping[str, object], classes: Sequence[Class]) -> dict[str, object]:
    """Return the fields that say how good the model is; none without a training."""
    found: dict[str, dict[str, float]] = measures.get("results", {})  # type: ignore[assignment]
    columns: dict[str, dict[str, float]] = {
        name: found[name] for name in ("valid", "test") if name in found
    }
    if baseline := found.get("baseline_test") or found.get("baseline_valid"):
        columns["baseline"] = baseline
    roc: dict[str, list[list[float]]] = measures.get("roc", {})  # type: ignore[assignment]
    bins: dict[str, list[list[float]]] = measures.get("calibration", {})  # type: ignore[assignment]
    return {
        "metrics": columns,
        **_judged(measures, classes),
        "roc": {name: Curve(*rates) for name, rates in roc.items() if rates[0]},
        "calibration": {
            name: [CalibrationBin(int(rows), p, y) for rows, p, y in points]
            for name, points in bins.items()
        },
        "importance": measures.get("importance", {}),
        "history": measures.get("history", ()),
        "best_round": measures.get("best_round"),
    }


def _judged(measures: Mapping[str, object], classes: Sequence[Class]) -> dict[str, object]:
    """Return how the model does on each class, in the part that was kept out the furthest."""
    counts: dict[str, list[list[int]]] = measures.get("by_class", {})  # type: ignore[assignment]
    matrix: dict[str, list[list[int]]] = measures.get("confusion", {})  # type: ignore[assignment]
    part = next((name for name in ("test", "valid") if name in counts), None)
    if part is None:
        return {}
    pairs = zip(classes, counts[part], strict=True)
    return {
        "judged": part,
        "by_class": [ClassCounts(text_of(label), *found) for label, found in pairs],
        "confusion": matrix.get(part, ()),
    }


def _data(planned: Planned, bundle: Bundle | None) -> DataSummary | None:
    if not (planned.training and bundle):
        return None
    dataset = planned.training.dataset
    return DataSummary(
        rows=bundle.provenance["rows"],
        files=len(dataset.source.files),
        bytes=dataset.stored_bytes,
        partitions=len(planned.train_partitions),
        features=len(bundle.pipeline.features),
    )


def _memory(planned: Planned, result: Result) -> list[StepMemory]:
    return [
        StepMemory(
            step.name,
            step.peak,
            {term.name: term.bytes for term in step.terms},
            result.memory.get(step.name, {}).get("measured"),
            planned.plan.limit,
        )
        for step in planned.plan.steps
    ]


def _ledger(manifest: Manifest) -> Ledger:
    bad = [
        BadPart(part.part, part.rows_in, part.unreadable, part.bad.error)
        for part in manifest.bad_parts
        if part.bad
    ]
    return Ledger(manifest.rows_in, manifest.scored, manifest.reasons, manifest.filtered, bad)
