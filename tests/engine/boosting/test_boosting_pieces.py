from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.boosting.checkpoint import Checkpoint, read, write
from engine.boosting.council.silence import LONGEST_STEP, Silence
from engine.boosting.council.stopping import Stopping
from engine.errors import ModelError


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.integers(1, 10), st.booleans())
def test_stopping_is_as_in_lightgbm(values: list[float], patience: int, more: bool) -> None:
    # lightgbm.callback.early_stopping: stop when `iteration - best_iteration >= stopping_rounds`.
    stopping = Stopping(more, patience)
    for place, value in enumerate(values):
        seen = values[: place + 1]
        best = seen.index(max(seen) if more else min(seen))
        assert stopping.stop(place + 1, value) == (place - best >= patience)
        assert stopping.best_round == best + 1
        if place - best >= patience:
            return


def test_without_patience_nothing_stops() -> None:
    stopping = Stopping(False, None)
    assert not any(stopping.stop(i + 1, float(i)) for i in range(100))
    assert stopping.best_round == 1


def test_a_checkpoint_comes_back_and_damage_is_seen(tmp_path: Path) -> None:
    file, second = tmp_path / "c", Checkpoint(2, 9, "trees\n")
    first = Checkpoint(1, 9, "tree ä\n", {"history": [{"valid_auc": 0.1}], "best": 1 / 3}, "key")
    write(file, first)
    assert read(file) == first
    write(file, second)
    assert read(file) == second
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    whole = file.read_bytes()
    for bad in (
        *(whole[:end] for end in range(len(whole))),
        whole.replace(b"trees", b"treez"),
        whole.replace(b'"rounds": 9', b'"rounds": 8'),
        b"{}\n",
        b"[1]\nx",
    ):
        file.write_bytes(bad)
        with pytest.raises(ModelError):
            read(file)


def test_time_asleep_is_not_silence() -> None:
    now = 0.0
    silence = Silence(lambda: now)
    now = 3600.0  # we were stopped
    assert silence.seconds() == LONGEST_STEP
    now += 1
    assert silence.seconds() == LONGEST_STEP + 1
    silence.broken()
    assert silence.seconds() == 0
