"""The same model text on any number of workers, through a real cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from boosting_rows import Drawn, asked
from distributed import Client

from cluster.resources import Resources
from cluster.session import connect
from cluster.spec import LocalCluster
from engine.boosting import Fitted, fit
from engine.boosting.native import lightgbm
from engine.errors import SpecError

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(LocalCluster(workers=3, memory="1 GiB")) as session:
        yield session.client


def train(client: Client, source: Drawn, workers: int, **changes: Any) -> Fitted:
    params = {"num_leaves": 15, "min_child_samples": 5, **changes.pop("params", {})}
    call = {"task": source.task, "params": params, "rounds": 6, "seed": 7, "reproducible": True}
    told = asked(**call | changes)
    resources, parts = Resources(workers, 1, 2**30), source.parts(5)
    return fit(client, resources, source, parts, source.sample(5), *told, progress=lambda _: None)


def test_the_same_text_on_one_two_and_three_workers(client: Client) -> None:
    source = Drawn()
    fitted = [train(client, source, workers) for workers in (1, 2, 3)]
    assert len({one.model for one in fitted}) == 1
    assert len(fitted[2].peak_memory) == 3
    losses = [[one["valid_log_loss"] for one in each.history] for each in fitted]
    assert np.allclose(losses, losses[0], rtol=1e-12, atol=0)
    # What is measured while training is what the model text says.
    blocks = [source.read(part.partition, "valid") for part in source.parts(5)]
    x, y = (np.concatenate([getattr(block, name) for block in blocks]) for name in "xy")
    p = lightgbm().Booster(model_str=fitted[0].model).predict(x)
    loss = -np.mean(np.where(y > 0, np.log(p), np.log1p(-p)))
    assert losses[0][-1] == pytest.approx(loss, abs=1e-9)


@pytest.mark.long
def test_without_it_the_texts_differ(client: Client) -> None:
    # Should they ever be equal, `reproducible` costs more than it gives: look again.
    one, two = (train(client, Drawn(), workers, reproducible=False) for workers in (1, 2))
    assert one.model != two.model


@pytest.mark.long
def test_subsets_and_early_stopping(client: Client) -> None:
    source = Drawn(task="regression", rows=800, valid=300)
    changes: dict[str, Any] = {"subsets": 2, "subset_rounds": 2, "rounds": 60, "early_stopping": 3}
    changes["params"] = {"eta": 0.5}
    one, two = (train(client, source, workers, **changes) for workers in (1, 2))
    assert one.model == two.model
    assert one.rounds < 60


def test_what_cannot_be_is_refused_at_once(client: Client) -> None:
    bags = {"bagging_fraction": 0.5, "bagging_freq": 1}
    with pytest.raises(SpecError, match="bagging") as caught:
        train(client, Drawn(), 1, params=bags)
    assert caught.value.where == "train.reproducible"
