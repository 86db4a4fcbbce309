"""What has become of a model since it was trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.evaluation.since import Then
from engine.metrics import Measure, Scores


def scores(noise: float, metric: str, rows: int = 2_000) -> Scores:
    random = np.random.default_rng(6)
    y = random.normal(size=rows)
    if metric == "rmse":
        return Measure("regression").of(y, y + noise * random.normal(size=rows))
    p = 1 / (1 + np.exp(-(y + noise * random.normal(size=rows))))
    return Measure("binary").of(y > 0, p)


def told(of: Scores) -> dict[str, Any]:
    intervals = {name: list(ends) for name, ends in of.intervals().items()}
    return {"results": {"train": {}, "valid": of.results()}, "intervals": {"valid": intervals}}


@pytest.mark.parametrize(("metric", "better"), [("auc", True), ("rmse", False)])
def test_it_is_worse_where_the_intervals_do_not_touch(metric: str, better: bool) -> None:
    then = Then.of(told(scores(1.0, metric)))
    assert then is not None and then.part == "valid"
    worse = then.worse(scores(1.5, metric), metric, better)
    assert worse is not None and "on validation rows then" in worse and metric in worse
    for noise in (0.5, 1.0, 1.01):  # better, the same, and worse by less than chance
        assert then.worse(scores(noise, metric), metric, better) is None
    assert then.worse(scores(1.5, metric), "nothing", better) is None
    assert then.note("nothing") is None
    assert str(then.note(metric)).startswith(f"in training the model had {metric} ")


def test_of_a_training_that_held_nothing_out_nothing_is_told() -> None:
    assert Then.of({}) is None and Then.of({"results": {"train": {"auc": 0.9}}}) is None
