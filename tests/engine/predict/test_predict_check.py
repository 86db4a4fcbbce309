"""The comparison with LightGBM, the fallback, and what a caller may rely on."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

import engine.predict
from engine.errors import ModelError
from engine.predict import Predictor, Verdict, booster, predictor

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget models and verdicts, as a new process would."""
    engine.predict._predictor.cache_clear()
    monkeypatch.setattr(engine.predict, "_verdicts", {})


@pytest.fixture
def model(write_model: Callable[..., str]) -> str:
    return write_model(3, [10, 50, 90], 0.3)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the processes that are asked."""
    seen: list[int] = []
    ask = booster.reference_scores
    monkeypatch.setattr(
        booster, "reference_scores", lambda text, x: (seen.append(len(x)), ask(text, x))[1]
    )
    return seen


def test_first_batch_is_compared_once(model: str, cells: np.ndarray, calls: list[int]) -> None:
    ours = predictor(model)
    assert ours.verdict is None
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(ours.raw, [cells] * 8))
    assert calls == [256]
    assert len({result.tobytes() for result in results}) == 1
    assert ours.engine == "walk" and ours.verdict and ours.verdict.reason is None
    predictor(model, threads=2).raw(cells)  # another predictor of this model
    assert calls == [256]


def test_verdict_travels(
    model: str, cells: np.ndarray, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = predictor(model)
    ours.raw(cells)
    verdict = pickle.loads(pickle.dumps(ours.verdict))
    engine.predict._predictor.cache_clear()
    monkeypatch.setattr(engine.predict, "_verdicts", {})
    predictor(model, verdict=verdict).raw(cells)
    assert len(calls) == 1
    predictor(model.replace("shrinkage=1", "shrinkage=2"), verdict=verdict).raw(cells)
    assert len(calls) == 2  # another model: the verdict does not hold for it


def test_difference_falls_back_with_a_warning(
    model: str, cells: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = booster.reference_scores

    def wrong(text: str, x: np.ndarray) -> np.ndarray:
        answer = ask(text, x).copy()
        answer[5] = np.nextafter(answer[5], np.inf)
        return answer

    monkeypatch.setattr(booster, "reference_scores", wrong)
    ours = predictor(model)
    with pytest.warns(RuntimeWarning, match="differ from LightGBM's in 1 of 256 rows"):
        raw = ours.raw(cells)
    assert ours.engine == "lightgbm" and ours.reason and "differ" in ours.reason
    expected = lightgbm.Booster(model_str=model)
    assert raw.tobytes() == expected.predict(cells, raw_score=True).tobytes()
    assert ours.predict(cells).tobytes() == expected.predict(cells).tobytes()
    assert predictor(model, threads=3).verdict == ours.verdict


def test_no_answer_falls_back(
    model: str, cells: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booster, "_TIMEOUT", 0.01)
    ours = predictor(model)
    with pytest.warns(RuntimeWarning, match="comparison with LightGBM failed"):
        ours.raw(cells)
    assert ours.engine == "lightgbm"


def test_without_numba_lightgbm_predicts(
    model: str, cells: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "engine.predict.tables", None)
    ours = predictor(model)
    assert ours.engine == "lightgbm" and ours.reason and "numba" in ours.reason
    expected = lightgbm.Booster(model_str=model).predict(cells, raw_score=True)
    assert ours.raw(cells).tobytes() == expected.tobytes()


def trained(objective: Any, y: np.ndarray, **options: Any) -> str:
    x = np.random.default_rng(0).standard_normal((len(y), 5)).astype(np.float32)
    parameters = {"objective": objective, "verbosity": -1, "num_leaves": 5, **options}
    return str(lightgbm.train(parameters, lightgbm.Dataset(x, y), 6).model_to_string())


def test_linear_trees_go_to_lightgbm(cells: np.ndarray) -> None:
    text = trained("regression", np.random.default_rng(1).random(500), linear_tree=True)
    ours, x = predictor(text), np.nan_to_num(cells, posinf=3, neginf=-3)
    assert ours.engine == "lightgbm" and ours.reason == "the model has linear trees"
    assert ours.predict(x).tobytes() == lightgbm.Booster(model_str=text).predict(x).tobytes()


def test_unknown_objective_goes_to_lightgbm(model: str) -> None:
    ours = predictor(model.replace("objective=regression", "objective=novel"))
    assert ours.engine == "lightgbm" and ours.reason == "unknown objective 'novel'"


def test_own_objective_predicts_raw_scores(cells: np.ndarray) -> None:
    def squares(scores: np.ndarray, data: lightgbm.Dataset) -> tuple[np.ndarray, np.ndarray]:
        return scores - data.get_label(), np.ones_like(scores)

    ours = predictor(trained(squares, np.random.default_rng(1).random(500)))
    assert ours.predict(cells).tobytes() == ours.raw(cells).tobytes()
    assert ours.engine == "walk"


@pytest.mark.parametrize("outputs", [1, 3])
def test_no_rows(
    write_model: Callable[..., str], outputs: int, recwarn: pytest.WarningsRecorder
) -> None:
    ours = predictor(write_model(1, [4] * 3, 0.0, outputs))
    nothing = np.empty((0, 5), np.float32)
    shape = (0,) if outputs == 1 else (0, 3)
    assert ours.raw(nothing).shape == ours.predict(nothing).shape == shape
    assert not recwarn.list


def test_no_rows_for_the_fallback(model: str) -> None:
    ours = predictor(model.replace("objective=regression", "objective=novel"))
    assert ours.predict(np.empty((0, 5), np.float32)).shape == (0,)


@pytest.mark.parametrize(
    "x",
    [np.zeros((3, 4), np.float32), np.zeros((3, 6), np.float32), np.zeros((3, 5)), np.zeros(5)],
)
def test_rows_that_do_not_fit_are_refused(model: str, x: np.ndarray) -> None:
    with pytest.raises(ModelError, match="rows do not fit"):
        predictor(model).raw(x)


def test_threads_and_memory_order_change_nothing(model: str, cells: np.ndarray) -> None:
    expected = predictor(model).raw(cells)
    assert predictor(model, threads=3).raw(cells).tobytes() == expected.tobytes()
    frozen = np.asfortranarray(cells)
    frozen.flags.writeable = False
    assert predictor(model).raw(frozen).tobytes() == expected.tobytes()


def test_pickle_gives_the_same_predictor(model: str) -> None:
    ours = predictor(model)
    assert pickle.loads(pickle.dumps(ours)) is ours


def test_extreme_scores_do_not_warn(cells: np.ndarray) -> None:
    text = trained("binary", np.arange(500) % 2)
    ours = predictor(text.replace("sigmoid:1", "sigmoid:1e9"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isin(ours.predict(cells[:50]).round(12), [0, 0.5, 1]).any()


def test_prediction_is_light(model: str) -> None:
    """Neither numba nor LightGBM nor Dask: the kernel comes from the disk as machine code."""
    predictor(model).raw(np.zeros((1, 5), np.float32))  # compiled by now
    code = (
        "import sys, numpy\n"
        "from engine.predict import predictor\n"
        "ours = predictor(sys.stdin.read())\n"
        "ours.raw(numpy.zeros((9, 5), numpy.float32))\n"
        "assert ours.engine == 'walk', ours.reason\n"
        "heavy = {'numba', 'lightgbm', 'dask', 'pandas', 'sklearn', 'scipy', 'polars', 'pyarrow'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], input=model.encode(), check=True, cwd=ROOT)


def test_predictor_says_what_it_is(model: str) -> None:
    ours = predictor(model)
    assert isinstance(ours, Predictor) and (ours.features, ours.outputs) == (5, 1)
    assert Verdict("a", None) == Verdict("a", None)
