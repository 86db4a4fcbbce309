"""How good a model is, read out of what its bundle holds: `Quality`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from engine.classes import Class, text_of
from engine.metrics import BINS, CalibrationBin
from jobs.report.quality import (
    ClassCounts,
    CrossValidation,
    Curve,
    Interval,
    Quality,
    Residuals,
    SliceScore,
    Thresholds,
)
from jobs.report.reading import (
    bounds,
    line,
    mapping,
    number,
    pair,
    sequence,
    texts,
    values,
)

Found = TypeVar("Found")

PARTS = ("train", "valid", "test")
"""Parts of the data, the one that is kept out the furthest last."""
BASELINE = "baseline_"
"""Begins the name of the part under which older bundles tell of their one baseline."""


def quality(metrics: Mapping[str, Any], classes: Sequence[Class], task: str | None) -> Quality:
    """Return what is said of predictions.

    Args:
        metrics: ``metrics.json`` of a bundle. Keys that are absent leave a section out.
        classes: Values of the label in the order of their codes.
        task: Of the model.
    """
    matrix = mapping(metrics.get("confusion") or metrics.get("decided"))
    counts = mapping(metrics.get("by_class"))
    judged = next((p for p in ("test", "valid") if matrix.get(p) or counts.get(p)), None)
    labels = _labels(classes, matrix.get(judged or ""), task)
    by_class = counts.get(judged or "") or ()
    told = mapping(metrics.get("threshold"))
    chosen = number(told.get("at"))
    bins = _bins(metrics.get("calibration"))
    warnings = texts(metrics.get("warnings"))
    return Quality(
        results=_parts(metrics.get("results")),
        intervals=_intervals(metrics.get("intervals")),
        baselines=_baselines(metrics),
        roc=_curves(metrics.get("roc"), "false_rate", "true_rate"),
        pr=_curves(metrics.get("ranked"), "recall", "precision"),
        gain=_curves(metrics.get("ranked"), "share", "recall"),
        calibration=bins or _bins(metrics.get("confidence")),
        uncalibrated=_parts(metrics.get("uncalibrated")),
        thresholds=_thresholds(bins),
        threshold=0.5 if chosen is None and task == "binary" else chosen,
        threshold_by=_chosen_by(told),
        judged=judged,
        by_class=[ClassCounts(n, *c) for n, c in zip(labels, by_class, strict=False)],
        confusion=matrix.get(judged or "") or (),
        labels=labels,
        residuals=dict(_residuals(metrics.get("residuals"))),
        slices=list(_slices(metrics.get("slices"), warnings)),
        cross_validation=_folds(metrics.get("cross_validation")),
        warnings=warnings,
        notes=texts(metrics.get("notes")),
    )


def _labels(classes: Sequence[Class], matrix: object, task: str | None) -> list[str]:
    """Return the names of the classes; a binary label that is a condition has none of its own."""
    if classes:
        return [text_of(one) for one in classes]
    size = len(sequence(matrix))
    return (
        ["negative", "positive"] if size == 2 and task == "binary" else list(map(str, range(size)))
    )


def _parts(found: object) -> dict[str, dict[str, float]]:
    results = mapping(found)
    return {name: values(results[name]) for name in PARTS if values(results.get(name))}


def _intervals(found: object) -> dict[str, dict[str, Interval]]:
    return {part: _bounded(metrics) for part, metrics in mapping(found).items()}


def _bounded(found: object) -> dict[str, Interval]:
    ends = {name: bounds(value) for name, value in mapping(found).items()}
    return {name: both for name, both in ends.items() if both}


def _baselines(metrics: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """Return baselines by name; older bundles have one, among the results."""
    named = {name: _parts(parts) for name, parts in mapping(metrics.get("baselines")).items()}
    if not any(named.values()):
        results = mapping(metrics.get("results"))
        named = {"baseline": _parts({part: results.get(BASELINE + part) for part in PARTS})}
    return {name: parts for name, parts in named.items() if parts}


def _curves(found: object, across: str, up: str) -> dict[str, Curve]:
    lines = {part: pair(one, across, up) for part, one in mapping(found).items()}
    return _ordered({part: Curve(*both) for part, both in lines.items() if both})


def _bins(found: object) -> dict[str, list[CalibrationBin]]:
    parts = {
        part: [
            CalibrationBin(int(one[0]), one[1], one[2])
            for one in map(line, sequence(rows))
            if len(one) == 3
        ]
        for part, rows in mapping(found).items()
    }
    return _ordered({part: bins for part, bins in parts.items() if bins})


def _ordered(parts: dict[str, Found]) -> dict[str, Found]:
    """Return the parts in their order: JSON was written with sorted names."""
    return {part: parts[part] for part in PARTS if part in parts}


def _thresholds(bins: Mapping[str, Sequence[CalibrationBin]]) -> dict[str, Thresholds]:
    """Return precision, recall and F1 where the bins of the probabilities meet.

    The counts of a bin are exact, and so are the metrics at its edge.
    """
    return {part: _at_edges(found) for part, found in bins.items() if len(found) > 1}


def _at_edges(bins: Sequence[CalibrationBin]) -> Thresholds:
    total = sum(one.rows * one.observed for one in bins)
    edges, called, hits = [], 0, 0.0
    by_metric: dict[str, list[float]] = {"precision": [], "recall": [], "f1": []}
    for one in reversed(bins):
        called, hits = called + one.rows, hits + one.rows * one.observed
        edges.append(min(int(one.predicted * BINS), BINS - 1) / BINS)
        shares = (hits / called, hits / total if total else 0.0, 2 * hits / (called + total))
        for name, share in zip(by_metric, shares, strict=True):
            by_metric[name].append(share)
    return Thresholds(edges[::-1], {name: found[::-1] for name, found in by_metric.items()})


def _chosen_by(told: Mapping[str, Any]) -> str:
    """Return what a threshold was chosen by, in words."""
    if told.get("by") == "f_beta":
        beta = number(told.get("beta")) or 1.0
        return f"the best F{beta:g} of the validation rows"
    if told.get("by") == "cost":
        costs = told.get("false_positive"), told.get("false_negative")
        return f"the least cost of the validation rows ({costs[0]} and {costs[1]} for a mistake)"
    return ""


def _residuals(found: object) -> Iterator[tuple[str, Residuals]]:
    for part, one in mapping(found).items():
        told = mapping(one)
        predicted, residual = line(told.get("predicted")), line(told.get("residual"))
        width, height = number(told.get("width")), number(told.get("height"))
        cells = [
            (int(cell[0]), int(cell[1]), int(cell[2]))
            for cell in map(line, sequence(told.get("cells")))
            if len(cell) == 3 and cell[0] < len(predicted) and cell[1] < len(residual)
        ]
        if cells and width and height:
            yield part, Residuals(predicted, residual, width, height, cells)


def _slices(found: object, warnings: Sequence[str]) -> Iterator[SliceScore]:
    """Yield slices, each on the part that was kept out the furthest."""
    for one in map(mapping, sequence(found)):
        parts = _parts(one.get("results"))
        part = next(reversed(parts), None)
        if part is None:
            continue
        by, value = str(one.get("by", "")), str(one.get("value", ""))
        rows = number(parts[part].get("rows"))
        yield SliceScore(
            by,
            value,
            parts[part],
            part,
            None if rows is None else int(rows),
            _intervals(one.get("intervals")).get(part, {}),
            # A run tells of a slice that is much worse in a warning.
            any(f"with {by} = {value}:" in text for text in warnings),
        )


def _folds(found: object) -> CrossValidation | None:
    told = mapping(found)
    folds = [values(one) for one in sequence(told.get("folds"))]
    folds = [one for one in folds if one]
    by, repeats = told.get("by"), number(told.get("repeats")) or 1
    about = f"folds {by}" if isinstance(by, str) else ""
    about += f", {repeats} times over" if about and repeats > 1 else ""
    return CrossValidation(folds, about) if folds else None
