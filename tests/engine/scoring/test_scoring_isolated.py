"""A model in a process of its own: what it returns, and all the ways in which it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import polars as pl
import psutil
import pytest

from engine.errors import ModelError, ModelFailed, SpecError
from engine.scoring.foreign import Function, Isolated, Limits
from engine.scoring.foreign import pool as pool_module
from engine.scoring.foreign.child import Child, ChildFailed
from engine.scoring.foreign.pool import POOL

COLUMNS = {"score": pl.Float32(), "rows": pl.Int32(), "calls": pl.Int32(), "pid": pl.Int64()}
MEMORY = 400 * 2**20


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.fixture(scope="module", autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    POOL.close()
    named = [" ".join(one.cmdline()) for one in psutil.Process().children(recursive=True)]
    assert not [line for line in named if "engine.scoring.foreign.process" in line]


def model() -> Isolated:
    limits = Limits(batch=3, memory=MEMORY)
    return Isolated(Function("odd_scorer:predict", "load"), ("what", "x"), COLUMNS, limits)


def rows(*whats: str) -> pl.DataFrame:
    return pl.DataFrame({"x": [float(place) for place in range(len(whats))], "what": whats})


def table(of: Isolated, frame: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(of.predict(frame))


def gone(pid: int, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.1)
                continue
        return True
    return False


def test_batches_are_cut_from_the_first_row_and_one_process_serves_all_partitions() -> None:
    first = table(model(), rows(*["fine"] * 7))
    assert dict(first.schema) == COLUMNS
    assert first["score"].to_list() == [0, 2, 4, 6, 8, 10, 12]
    assert first["rows"].to_list() == [3, 3, 3, 3, 3, 3, 1]
    second = table(model(), rows("fine"))
    assert second["calls"][0] == first["calls"][0] + 3  # it was set up once
    assert second["pid"][0] == first["pid"][0] != os.getpid()


def test_no_rows_need_no_process() -> None:
    nowhere = replace(model(), loader=Function("not.there:predict"))
    assert dict(table(nowhere, rows().cast({"what": pl.String})).schema) == COLUMNS


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("segfault", ["crashed", "SIGSEGV", "about to read at nothing"]),
        ("exit 3", ["ended its process with exit status 3"]),
        pytest.param("exit 0", ["ended its process with exit status 0"], marks=pytest.mark.long),
        pytest.param("leave", ["SystemExit: no more"], marks=pytest.mark.long),
        ("raise", ["failed: ValueError: boom (odd_scorer.py, line "]),
        ("grow", ["its bound is 400 MiB", "`memory`"]),
        ("jump", ["ran out of memory", "`memory`"]),
        ("garble", ["broke the protocol"]),
        pytest.param("short", ["returned 1 rows for 3"], marks=pytest.mark.long),
    ],
)
def test_a_failure_ends_the_process_and_names_the_rows(deed: str, told: list[str]) -> None:
    before = table(model(), rows("fine"))["pid"][0]
    with pytest.raises(ModelFailed) as caught:
        model().predict(rows("fine", "fine", "fine", deed, "fine", "fine", "fine"))
    assert str(caught.value).startswith("the function odd_scorer:predict ")
    assert caught.value.where == "good rows 4 to 6 of the partition"
    assert not [text for text in told if text not in str(caught.value)], str(caught.value)
    assert "second line" not in str(caught.value)
    assert gone(before)
    after = table(model(), rows("fine"))
    assert after["score"].to_list() == [0] and after["pid"][0] != before


def test_what_a_model_prints_breaks_nothing() -> None:
    assert table(model(), rows("flood", "fine"))["score"].to_list() == [0, 2]


def test_a_hang_in_native_code_ends_with_all_that_the_model_started(tmp_path: Path) -> None:
    child, file = Child(model()._order), tmp_path / "pids"
    child._limits = replace(child._limits, timeout=5)  # it is loaded, however busy the machine is
    with pytest.raises(ChildFailed, match="took longer than 5 s"):
        child.predict(rows(f"hang {file}"))
    child.close()
    assert all(gone(int(pid)) for pid in file.read_text().split())


def test_as_many_processes_as_threads_ask_at_once(tmp_path: Path) -> None:
    POOL.close()
    with ThreadPoolExecutor(2) as threads:
        found = threads.map(lambda _: table(model(), rows(f"meet {tmp_path}"))["pid"][0], range(2))
        assert {str(pid) for pid in found} == {path.name for path in tmp_path.iterdir()}


def test_a_process_that_waits_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "IDLE", 0.2)
    own = pool_module.Pool()
    monkeypatch.setattr("engine.scoring.foreign.isolated.POOL", own)
    assert gone(table(model(), rows("fine"))["pid"][0])


def test_a_process_that_was_killed_while_it_waited_is_not_the_fault_of_a_partition() -> None:
    pid = table(model(), rows("fine"))["pid"][0]
    os.kill(pid, signal.SIGKILL)
    # All of its threads, not the first alone; it is left for the worker to reap.
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert table(model(), rows("fine"))["pid"][0] != pid


def test_a_child_ends_with_its_worker(tmp_path: Path) -> None:
    """Killed, so that nothing of it can clean up."""
    file = tmp_path / "pid"
    code = (
        "import polars as pl\n"
        "from engine.scoring.foreign import Function, Isolated\n"
        "model = Isolated(Function('odd_scorer:predict', 'load'), ('what', 'x'), "
        "{'score': pl.Float32()})\n"
        f"model.predict(pl.DataFrame({{'x': [1.0], 'what': ['rest {file}']}}))\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[3])])
    env = {**os.environ, "PYTHONPATH": path}
    worker = subprocess.Popen([sys.executable, "-c", code], env=env)
    while not (file.exists() and file.read_text()):
        assert worker.poll() is None
        time.sleep(0.1)
    worker.kill()
    worker.wait()
    assert gone(int(file.read_text()))


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/__init__.py").write_text("from own import constants\n")
    (tmp_path / "own/constants.py").write_text("FACTOR = 2\n")
    (tmp_path / "own/weights.txt").write_text("1")
    (tmp_path / "own/scoring.py").write_text(
        "from own.constants import FACTOR\ndef predict(frame):\n    return frame['x'] * FACTOR\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "own"


def test_the_digest_is_of_the_code_and_of_what_is_asked(own_module: Path) -> None:
    file = own_module / "weights.txt"
    function = Function("own.scoring:predict", files=(str(file),))
    base = Isolated(function, ("x",), {"score": pl.Float32()})
    first = base.opened()
    assert first.digest == base.opened().digest
    assert first.digest == replace(first, limits=Limits(memory=2**30, timeout=5)).digest
    for other in (
        replace(first, limits=Limits(batch=7)),
        replace(first, missing="keep"),
        replace(first, columns={"score": pl.Float64()}),
    ):
        assert other.digest != first.digest
    file.write_text("2")
    assert base.opened().digest != first.digest
    file.write_text("1")
    (own_module / "constants.py").write_text("FACTOR = 3\n")
    assert base.opened().digest != first.digest


def test_code_that_is_another_on_the_worker_is_refused(own_module: Path) -> None:
    opened = Isolated(Function("own.scoring:predict"), ("x",), {"score": pl.Float32()}).opened()
    (own_module / "constants.py").write_text("FACTOR = 3\n")
    with pytest.raises(ModelError, match="is another one here: code "):
        opened.predict(pl.DataFrame({"x": [1.0]}))


@pytest.mark.parametrize(
    ("path", "setup", "told"),
    [
        ("not_there:predict", None, "cannot be imported: No module named 'not_there'"),
        ("odd_scorer:forecast", None, "has no attribute 'forecast'"),
        ("odd_scorer:COLUMNS", None, "has no attribute 'COLUMNS'"),
        ("odd_scorer:predict", "_raise", "could not be loaded: TypeError"),
    ],
)
def test_a_function_that_cannot_be_loaded_is_told_when_it_is_opened(
    path: str, setup: str | None, told: str
) -> None:
    with pytest.raises(SpecError) as caught:
        replace(model(), loader=Function(path, setup)).opened()
    assert told in str(caught.value) and caught.value.where == "score.function"
    assert caught.value.exit_code == 2


def test_a_child_imports_little() -> None:
    code = "import sys, engine.scoring.foreign.process\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    heavy = {"dask", "distributed", "lightgbm", "numba", "onnxruntime", "pandas", "sklearn"}
    assert not heavy & set(done.stdout.split())
