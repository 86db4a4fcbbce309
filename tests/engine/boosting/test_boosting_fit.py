"""Training on a real cluster of worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from boosting_rows import Drawn, OneClass, asked
from distributed import Client

from cluster.resources import Resources
from cluster.session import connect
from cluster.spec import LocalCluster
from engine.boosting import Fitted, Learning, RoundEvent, ShardPart, fit
from engine.boosting.checkpoint import Checkpoint
from engine.boosting.checkpoint import read as read_checkpoint
from engine.boosting.gang.attempt import Gang
from engine.boosting.gang.saved import Saved
from engine.boosting.gang.seat import Outcome, _Teller
from engine.boosting.native import lightgbm
from engine.boosting.work import Boosted
from engine.errors import (
    Cancelled,
    ContractRefused,
    InputChanged,
    InputError,
    SpecError,
    TrainingFailed,
)
from engine.metrics import BinaryScores
from engine.place.kept import Kept

PARAMS = {"num_leaves": 15, "min_child_samples": 5, "eta": 0.1}
PARTS = 6

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect(LocalCluster(workers=3, memory="1 GiB")) as session:
        yield session.client


def train(client: Client, source: Drawn, workers: int, **changes: Any) -> Fitted:
    call: dict[str, Any] = {
        "task": source.task,
        "params": PARAMS,
        "rounds": 30,
        "seed": 7,
    }
    parts: list[ShardPart] = changes.pop("parts", source.parts(PARTS))
    given = {name: changes.pop(name) for name in ("progress", "cancel") if name in changes}
    given.setdefault("progress", lambda event: None)
    resources = Resources(workers, 1, 2**30)
    sample = source.sample(PARTS)
    return fit(client, resources, source, parts, sample, *asked(**call | changes), **given)


def held_out(source: Drawn) -> tuple[np.ndarray, np.ndarray]:
    blocks = [source.all_rows(index) for index in range(100, 105)]
    return np.concatenate([b.x for b in blocks]), np.concatenate([b.y for b in blocks])


def booster(fitted: Fitted) -> Any:
    return lightgbm().Booster(model_str=fitted.model)


def auc(source: Drawn, model: Any) -> float:
    x, y = held_out(source)
    return BinaryScores.of(y, model.predict(x)).results()["auc"]


def in_memory(source: Drawn, rounds: int) -> Any:
    parts = [source.all_rows(index) for index in range(PARTS)]
    cut = source.rows - source.valid
    x, y = (np.concatenate([getattr(p, name)[:cut] for p in parts]) for name in "xy")
    params = {**PARAMS, "objective": source.task, "seed": 7, "verbosity": -1}
    data = lightgbm().Dataset(x, y, params=params, categorical_feature=[4])
    return lightgbm().train(params, data, rounds)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.long), 3])
def test_as_good_as_lightgbm_in_memory(client: Client, workers: int) -> None:
    source = Drawn()
    fitted = train(client, source, workers)
    assert abs(auc(source, booster(fitted)) - auc(source, in_memory(source, 30))) < 0.003
    assert (fitted.rounds, fitted.best_round, len(fitted.history)) == (30, 30, 30)
    assert len(fitted.peak_memory) == workers
    assert all(2**26 < peak < 2**29 for peak in fitted.peak_memory)
    assert len(fitted.importance) == 5
    assert fitted.importance[0] == max(fitted.importance) > 10 * fitted.importance[3]
    assert fitted.model.count("Tree=") == 30
    assert "decision_type" in fitted.model
    assert any(int(kind) & 1 for kind in _decisions(fitted.model)), "no categorical split"


def _decisions(model: str) -> list[str]:
    lines = [line for line in model.splitlines() if line.startswith("decision_type=")]
    return [kind for line in lines for kind in line.split("=")[1].split()]


def test_one_rank_gives_the_trees_of_lightgbm_with_the_same_bins(client: Client) -> None:
    source = Drawn(valid=0, features=("a", "b", "c", "d", "e"))
    parts = [source.all_rows(index) for index in range(PARTS)]
    x, y = (np.concatenate([getattr(part, name) for part in parts]) for name in "xy")
    resources = Resources(1, 1, 2**30)
    fitted = fit(
        client, resources, source, source.parts(PARTS), x,
        *asked(params=PARAMS, rounds=10, seed=7), progress=lambda _: None,
    )  # fmt: skip
    params = {
        **PARAMS, "objective": "binary", "seed": 7, "verbosity": -1, "deterministic": True,
        "force_col_wise": True, "bin_construct_sample_cnt": len(x), "num_threads": 1,
        "feature_pre_filter": False,
    }  # fmt: skip
    data = lightgbm().Dataset(x, y, params=params, categorical_feature=[4])
    names = [f"f{index}" for index in range(5)]
    model = lightgbm().train(params, data.set_feature_name(names), 10).model_to_string()
    trees = [text.split("end of trees")[0] for text in (fitted.model, model)]
    assert trees[0] == trees[1]


def test_training_again_gives_the_same_bytes(client: Client) -> None:
    first, second = (train(client, Drawn(), 2, rounds=8) for _ in range(2))
    assert first.model == second.model
    assert first.history == second.history
    assert "127.0.0.1" not in first.model


def test_ranks_with_different_models_are_an_error(client: Client) -> None:
    # Each rank sends the digest of its model: the tests above would fail if they differed.
    def ended(rank: int, digest: str) -> Outcome:
        return Outcome(rank, Boosted("tree", digest, 1, 1))

    orders: Any = SimpleNamespace(goal=SimpleNamespace(learning=Learning("binary")))
    gang = Gang(client, ["a", "b"], orders, Saved(None, ""), lambda _: None, lambda: False)
    assert gang._agreed({0: ended(0, "x"), 1: ended(1, "x")}).model == "tree"
    with pytest.raises(TrainingFailed, match="different models"):
        gang._agreed({0: ended(0, "x"), 1: ended(1, "y")})


def test_early_stopping_is_decided_once_and_cuts_the_model(client: Client) -> None:
    source = Drawn(rows=800, valid=300)
    changes = {"rounds": 200, "early_stopping": 5, "params": {**PARAMS, "eta": 0.3}}
    fitted = train(client, source, 3, **changes)
    losses = [entry["valid_log_loss"] for entry in fitted.history]
    assert fitted.best_round == 1 + int(np.argmin(losses))
    assert fitted.rounds == len(losses) == fitted.best_round + 5 < 200
    assert fitted.model.count("Tree=") == fitted.best_round
    # The metric is that of the cut model over the validation rows of all ranks, merged.
    blocks = [source.read(part.partition, "valid") for part in source.parts(PARTS)]
    x, y = (np.concatenate([getattr(block, name) for block in blocks]) for name in "xy")
    results = BinaryScores.of(y, booster(fitted).predict(x)).results()
    assert min(losses) == pytest.approx(results["log_loss"], abs=1e-9)
    best = fitted.history[fitted.best_round - 1]
    assert best["valid_auc"] == pytest.approx(results["auc"], abs=1e-3)


def test_regression_stops_by_its_own_metric(client: Client) -> None:
    source = Drawn(task="regression", rows=800, valid=300)
    fitted = train(client, source, 2, metric="mae", rounds=200, early_stopping=5)
    errors = [entry["valid_mae"] for entry in fitted.history]
    assert fitted.best_round == 1 + int(np.argmin(errors))
    assert set(fitted.history[0]) == {"valid_rmse", "valid_mae"}


def test_partitions_without_rows_and_fewer_of_them_than_workers(client: Client) -> None:
    source = Drawn()
    parts = source.parts(PARTS)
    empty = [ShardPart(part.partition, 0, 0) for part in parts]
    two = [empty[0], parts[1], empty[2], ShardPart(parts[3].partition, 0, 500), parts[4], empty[5]]
    fitted = train(client, source, 3, parts=two, rounds=5, early_stopping=5)
    assert len(fitted.peak_memory) == 2
    no_valid = [ShardPart(part.partition, part.train, 0) for part in parts[:2]]
    fitted = train(client, Drawn(), 2, parts=no_valid, rounds=5)
    assert fitted.history == []
    assert fitted.rounds == 5


def test_progress_and_checkpoint(client: Client, tmp_path: Path) -> None:
    events: list[RoundEvent] = []
    file = tmp_path / "checkpoint"
    saved: list[Checkpoint] = []

    def hear(event: RoundEvent) -> None:
        events.append(event)
        if event.kind == "checkpoint":
            saved.append(read_checkpoint(file))

    # So many rounds that a checkpoint is here before the model: nobody waits for it then.
    given = {"rounds": 300, "checkpoint": Kept.of(file), "checkpoint_every": 8}
    fitted = train(client, Drawn(), 2, progress=hear, **given)
    rounds = [event for event in events if event.kind == "round"]
    assert {event.rank for event in rounds} == {0}
    assert rounds[-1].round == 300
    assert rounds[-1].metrics == fitted.history[-1]
    for rank, rows in ((0, 6_000), (1, 6_000)):
        loading = [event.rows for event in events if (event.kind, event.rank) == ("loading", rank)]
        assert loading == sorted(loading)
        assert loading[-1] == rows
    assert all(event.peak_memory and event.seconds for event in rounds)
    kept = saved[0].round
    assert kept in range(8, 300, 8) and saved[0].rounds == 300
    assert not file.exists(), "there is a model now"
    model = lightgbm().Booster(model_str=saved[0].model)
    x, _ = held_out(Drawn())
    assert np.array_equal(model.predict(x), booster(fitted).predict(x, num_iteration=kept))


@pytest.mark.parametrize(
    ("fault", "workers", "kind", "said"),
    [
        ("nan", 2, ContractRefused, "3 labels are missing"),
        pytest.param("nan", 1, ContractRefused, "3 labels are missing", marks=pytest.mark.long),
        pytest.param("error", 2, InputError, "the file is damaged", marks=pytest.mark.long),
        ("error", 1, InputError, "the file is damaged"),
        ("bug", 2, TrainingFailed, "KeyError"),
        ("shrunk", 2, InputChanged, "were counted before"),
    ],
)
def test_bad_rows_end_in_their_own_error(
    client: Client, fault: str, workers: int, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        train(client, Drawn(fault=fault, at=4), workers)


def test_a_single_class_is_refused_with_counts(client: Client) -> None:
    with pytest.raises(ContractRefused, match="all 9,000 labels are 1: a single class"):
        train(client, OneClass(), 2)


def test_wrong_requests_never_start_a_process(client: Client) -> None:
    with pytest.raises(SpecError, match="did you mean 'num_leaves'"):
        train(client, Drawn(), 2, params={"num_leavs": 3})
    with pytest.raises(SpecError, match="validation rows"):
        train(client, Drawn(valid=0), 2, early_stopping=3)
    with pytest.raises(ContractRefused, match="no training rows"):
        train(client, Drawn(), 2, parts=[])


def test_what_lightgbm_refuses_is_said(client: Client) -> None:
    # How many features there are only LightGBM looks at.
    with pytest.raises(TrainingFailed, match="max_bin_by_feature"):
        train(client, Drawn(), 2, params={"max_bin_by_feature": [15, 15]})


def test_cancelling_ends_all(client: Client) -> None:
    started: list[RoundEvent] = []
    with pytest.raises(Cancelled):
        train(
            client, Drawn(seconds=0.2), 2, rounds=5000,
            progress=started.append, cancel=lambda: bool(started),
        )  # fmt: skip


def test_a_progress_callback_that_fails_ends_all(client: Client) -> None:
    def broken(event: RoundEvent) -> None:
        raise ZeroDivisionError(event.kind)

    with pytest.raises(ZeroDivisionError):
        train(client, Drawn(), 2, rounds=5000, progress=broken)


def test_events_are_thinned_but_the_last_of_each_kind_is_told() -> None:
    told: list[tuple[str, int]] = []
    teller = _Teller(lambda event: told.append((event["kind"], event["n"])))
    for kind, count in (("loading", 50), ("round", 70)):
        for number in range(1, count + 1):
            teller.hear({"kind": kind, "n": number})
            teller.hear({"kind": "beat", "n": number})
    teller.flush()
    assert told[0] == ("loading", 1)
    assert told[-1] == ("round", 70)
    assert ("loading", 50) in told
    assert len(told) < 12
