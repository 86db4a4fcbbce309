"""What is known of a model itself, read out of its bundle: `Modelling`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.bundle import Bundle
from engine.classes import text_of
from engine.features.codes import LEVEL
from engine.features.encode.category import Codes
from engine.features.fitted import FittedPipeline
from engine.metrics import HIGHER_IS_BETTER, base_name
from jobs.report.importance import ranked
from jobs.report.modelling import (
    Contribution,
    Dependence,
    Feature,
    Modelling,
    Trial,
    Tuning,
    Weight,
)
from jobs.report.reading import line, mapping, number, sequence, values

FEATURES_TOLD = 2_000
"""Features whose making is told; a page lists fewer, and telling is dear for a wide pipeline."""


def modelling(bundle: Bundle) -> Modelling:
    """Return what is said of the model of a bundle.

    Args:
        bundle: The model. Keys that its metrics lack leave a section out.
    """
    metrics = bundle.metrics
    told = mapping(metrics.get("explained"))
    contributions = _contributions(metrics.get("shap"))
    importance = _importance(metrics.get("importance"))
    dependence = _dependence(metrics.get("dependence"), _levels(bundle.pipeline))
    first = _places(contributions, importance)
    return Modelling(
        features=features(bundle.pipeline, values(metrics.get("missing"))),
        history=[values(one) for one in sequence(metrics.get("history"))],
        best_round=metrics.get("best_round"),
        importance=importance,
        permuted=str(told.get("metric", "")),
        classes=[text_of(one) for one in bundle.classes or ()],
        contributions=contributions,
        explained=_explained(told),
        dependence=sorted(dependence, key=lambda one: first.get(one.feature, len(first))),
        tuning=_tuning(metrics.get("tuning")),
    )


def features(pipeline: FittedPipeline, missing: Mapping[str, float]) -> list[Feature]:
    """Return the features of a pipeline: how each is made, and from what.

    Args:
        pipeline: The fitted pipeline.
        missing: Share of rows in which a feature is missing, by its name.
    """
    lineage, categorical = pipeline.lineage(), pipeline.categorical
    made = _made(pipeline)
    return [
        Feature(
            name,
            lineage[name],
            made.get(name, ()),
            f"category, {categorical[at]:,} levels" if at in categorical else "number",
            missing.get(name),
        )
        for at, name in enumerate(pipeline.features[:FEATURES_TOLD])
    ]


def _made(pipeline: FittedPipeline) -> dict[str, list[str]]:
    """Return for each column how it came about: expressions, then steps in their order."""
    made = {name: [f"= {text}"] for name, text in pipeline.derive.items()}
    for step in pipeline.steps:
        before = dict(made)
        # A step of many columns is told of as a whole, and would be told once for each of them.
        told = step.told() if len(step.sources()) == 1 else ""
        for name, used in step.sources().items():
            own = [line for one in used for line in before.get(one, ())]
            how = told or (f"of {', '.join(used[:4])}" if list(used) != [name] else "")
            made[name] = list(dict.fromkeys([*own, f"{step.kind}: {how}" if how else step.kind]))
    return made


def _importance(found: object) -> dict[str, dict[str, Weight]]:
    """Return weights by kind; older bundles have gains alone, by feature."""
    told = mapping(found)
    if not any(isinstance(one, Mapping) for one in told.values()):
        told = {"gain": told}
    kinds = {kind: _weights(one) for kind, one in told.items()}
    return {kind: weights for kind, weights in kinds.items() if weights}


def _weights(found: object) -> dict[str, Weight]:
    weights = {}
    for name, told in mapping(found).items():
        several = mapping(told)
        value = number(several.get("mean")) if several else number(told)
        if value is not None:
            weights[name] = Weight(value, number(several.get("sd")))
    return weights


def _contributions(found: object) -> list[Contribution]:
    told = [
        Contribution(
            name,
            number(mapping(one).get("mean_abs")) or 0.0,
            [_point(*both) for both in sequence(mapping(one).get("sample")) if len(both) == 2],
        )
        for name, one in mapping(found).items()
        if mapping(one)
    ]
    return sorted(told, key=lambda one: -one.mean_abs)


def _point(value: object, adds: float) -> tuple[float | None, float]:
    return number(value), adds


def _places(
    contributions: Sequence[Contribution], importance: Mapping[str, Mapping[str, Weight]]
) -> dict[str, int]:
    """Return the place of each feature, the most important first: JSON was written by name."""
    found = ranked(importance)
    names = [one.feature for one in contributions] or list(found.rows if found else ())
    return {name: place for place, name in enumerate(names)}


def _explained(told: Mapping[str, Any]) -> str:
    """Return which rows contributions are of, in a few words."""
    rows, of = number(told.get("shap_rows")), number(told.get("of"))
    if rows is None or of is None:
        return ""
    part = told.get("part", "")
    return f"all {of:,} {part} rows" if rows >= of else f"{rows:,} of {of:,} {part} rows"


def _levels(pipeline: FittedPipeline) -> dict[str, Sequence[str]]:
    """Return the names of the levels behind the codes of each category."""
    levels: dict[str, Sequence[str]] = {}
    for step in pipeline.steps:
        if isinstance(step, Codes):
            levels |= {name: known[LEVEL].to_list() for name, known in step.levels.items()}
    return levels


def _dependence(found: object, levels: Mapping[str, Sequence[str]]) -> Iterator[Dependence]:
    for name, one in mapping(found).items():
        told = mapping(one)
        grid = line(told.get("grid"))
        rows = sequence(told.get("mean"))
        mean = (
            [list(output) for output in zip(*rows, strict=True)] if _nested(rows) else [line(rows)]
        )
        if grid and len(grid) == len(mean[0]):
            lines = [line(row) for row in sequence(told.get("ice"))]
            known = levels.get(name)
            named = [_level(code, known) for code in grid] if known else grid
            yield Dependence(name, named, mean, [row for row in lines if len(row) == len(grid)])


def _nested(rows: Sequence[Any]) -> bool:
    return bool(rows) and all(sequence(row) for row in rows)


def _level(code: float, known: Sequence[str]) -> str:
    place = int(code)
    return str(known[place]) if code == place and 0 <= place < len(known) else f"{code:g}"


def _tuning(found: object) -> Tuning | None:
    told = mapping(found)
    trials = [_trial(place, mapping(one)) for place, one in enumerate(sequence(told.get("trials")))]
    if not trials:
        return None
    metric = str(told.get("metric", "value"))
    higher = told.get("higher_is_better", HIGHER_IS_BETTER.get(base_name(metric), False))
    best, folds = number(told.get("best")), number(told.get("folds"))
    about = f"chosen by {told['method']}" if "method" in told else ""
    about += f", each on {folds} folds" if about and folds else ""
    return Tuning(metric, bool(higher), trials, None if best is None else int(best), about)


def _trial(place: int, told: Mapping[str, Any]) -> Trial:
    rounds = number(told.get("best_round", told.get("rounds")))
    folds = line(told.get("folds"))
    mean = sum(folds) / len(folds) if folds else 0.0
    several = len(folds) > 1
    squares = sum((one - mean) ** 2 for one in folds)
    return Trial(
        int(number(told.get("number")) or place),
        number(told.get("value")),
        str(told.get("state", "done")),
        mapping(told.get("params")),
        int(rounds) if rounds else None,  # 0: it does not learn in rounds
        number(told.get("seconds")),
        math.sqrt(squares / (len(folds) - 1)) if several else None,
    )
