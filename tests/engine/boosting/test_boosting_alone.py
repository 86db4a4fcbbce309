"""Training without a cluster: one rank in a child of this process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from boosting_rows import Drawn, OneClass, asked

from engine.boosting import Fitted, RoundEvent
from engine.boosting.gang.alone import fit_alone
from engine.boosting.native import lightgbm
from engine.errors import ContractRefused, InputError, RankLost, SpecError, TrainingFailed

pytestmark = pytest.mark.usefixtures("nothing_left")

PARTS = 3


def train(source: Drawn, **changes: Any) -> tuple[Fitted, list[RoundEvent]]:
    heard: list[RoundEvent] = []
    call = {"task": source.task, "rounds": 8, "params": {"num_leaves": 7}, **changes}
    sample = call.pop("sample", source.sample(PARTS))
    learning, conduct = asked(**call)
    parts = source.parts(PARTS)
    fitted = fit_alone(source, parts, sample, learning, conduct, threads=1, progress=heard.append)
    return fitted, heard


def test_a_model_is_trained_and_its_rounds_are_told() -> None:
    source = Drawn()
    fitted, heard = train(source)
    assert fitted.best_round == fitted.rounds == len(fitted.history) == 8
    assert [event.round for event in heard if event.kind == "round"] == list(range(1, 9))
    loaded = [event.rows for event in heard if event.kind == "loading"]
    assert loaded[-1] == PARTS * source.rows
    rows = source.all_rows(50)
    p = lightgbm().Booster(model_str=fitted.model).predict(rows.x)
    assert p[rows.y == 1].mean() > p[rows.y == 0].mean() + 0.1
    assert fitted.peak_memory[0] > 0


@pytest.mark.parametrize(
    ("fault", "error", "what"),
    [
        ("error", InputError, "the file is damaged"),
        ("bug", TrainingFailed, "colour"),
        ("kill", RankLost, "SIGKILL"),
    ],
)
def test_what_ends_the_rank_is_told(fault: str, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what):
        train(Drawn(fault=fault, at=1))


def test_a_rank_over_its_memory_is_ended() -> None:
    with pytest.raises(RankLost, match="their bound is"):
        train(Drawn(fault="memory", at=1), memory=300 * 2**20)


@pytest.mark.parametrize(
    "changes",
    [{"rounds": 0}, {"params": {"num_leafs": 7}}, {"sample": np.empty((0, 5), np.float32)}],
)
def test_what_cannot_be_is_refused_before_a_rank_starts(changes: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        train(Drawn(), **changes)


def test_labels_of_one_class_are_refused() -> None:
    with pytest.raises(ContractRefused):
        train(OneClass())
    with pytest.raises(ContractRefused, match="no training rows"):
        train(replace(Drawn(), valid=2_000), sample=np.ones((3, 5), np.float32))


def test_dask_is_not_loaded() -> None:
    code = "import engine.boosting.gang.alone, sys; print('distributed' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
