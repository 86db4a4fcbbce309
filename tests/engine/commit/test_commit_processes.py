"""The commit with real processes and real file systems: kill -9, races, a full disk, read-only.

Run as a script, this file is the job that the tests kill:
``python test_commit_processes.py <location> <seconds that every operation takes>``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.commit import Manifest, Output, Run, garbage, run_key, verify
from engine.errors import MillraceError, OutputRefused
from engine.place import durable
from tests.engine.commit.tables import layout_path, stage

SPEC = {"model": "m"}
PLANNED = (2_000,) * 8


def work(run: Run, part: int) -> None:
    first = sum(PLANNED[:part])
    ids = list(range(first, first + PLANNED[part]))
    good = [i for i in ids if i % 10]
    bad = [i for i in ids if not i % 10]
    table = pa.table({"id": good, "score": pa.array([i / 3 for i in good], pa.float32())})
    rejected = pa.table({"id": bad, "reason": ["ten"] * len(bad)})
    stage(run, part, table, rejected, rows_in=len(ids), reasons={"ten": len(bad)})


def job(location: Path) -> Manifest:
    output = Output(location, run_key(SPEC, PLANNED))
    output.preflight()
    committed = output.committed()
    if committed is not None:
        return committed
    run = output.begin(SPEC, PLANNED)
    done = run.done()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda part: work(run, part), set(range(len(PLANNED))) - set(done)))
    return output.commit(run)


def start(location: Path, pause: float) -> subprocess.Popen[str]:
    root = Path(__file__).parents[3]
    command = [sys.executable, str(Path(__file__)), str(location), str(pause)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)}
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def count(location: Path) -> None:
    """Every planned row is in the output or in the quarantine, once."""
    found: list[int] = []
    for folder in (location, location.with_name(f"{location.name}.quarantine")):
        for file in folder.glob("*.parquet"):
            found += pq.read_table(file)["id"].to_pylist()
    assert sorted(found) == list(range(sum(PLANNED)))
    assert verify(location).problems == ()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    location = tmp_path_factory.mktemp("undisturbed") / "out"
    job(location)
    count(location)
    return contents(location)


def test_kill_9_at_random_moments_and_a_rerun_give_the_same_bytes(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    dice, out, kills = random.Random(3), tmp_path / "out", 0
    while kills < 6:
        process = start(out, pause=0.003)
        assert process.stdout is not None
        process.stdout.readline()  # imports are over
        time.sleep(dice.uniform(0.0, 0.6))
        process.kill()
        if process.wait() == 0:
            break
        kills += 1
        assert not out.exists() or contents(out) == undisturbed
    assert kills >= 2
    job(out)
    count(out)
    assert contents(out) == undisturbed
    garbage(out, days=0, delete=True)
    count(out)


def test_three_processes_at_once_all_succeed_with_the_same_bytes(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    out = tmp_path / "out"
    processes = [start(out, pause=0.001) for _ in range(3)]
    printed = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len({words[-1] for words in printed}) == 1, "each reports the same manifest"
    count(out)
    assert contents(out) == undisturbed


def test_a_stopped_process_that_wakes_up_after_the_commit_changes_nothing(
    tmp_path: Path, undisturbed: dict[str, bytes]
) -> None:
    out = tmp_path / "out"
    zombie = start(out, pause=0.003)
    assert zombie.stdout is not None
    zombie.stdout.readline()
    time.sleep(0.2)
    os.kill(zombie.pid, 19)  # SIGSTOP
    job(out)
    before = {path: path.stat().st_ino for path in out.iterdir()}
    os.kill(zombie.pid, 18)  # SIGCONT
    assert zombie.wait(60) == 0
    assert {path: path.stat().st_ino for path in out.iterdir()} == before
    assert contents(out) == undisturbed


@contextlib.contextmanager
def mounted(options: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        command = ["mount", "-t", "tmpfs", "-o", options, "millrace-test", name]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            pytest.skip(f"no mount here: {error}")
        if done.returncode:
            pytest.skip(f"mount is refused here: {done.stderr.strip()}")
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", name], check=True)


def remount(path: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(path)], check=True)


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_space() -> None:
    with mounted("size=128k") as disk:
        out = disk / "out"
        with pytest.raises(MillraceError, match="full") as caught:
            job(out)
        assert "free some space" in str(caught.value.hint)
        assert not out.exists()
        key = run_key(SPEC, PLANNED)
        layout = Output(out, key).layout
        assert list(layout_path(layout, layout.temp).iterdir()) == [], "the cut file is gone"
        before = Run(layout, f"{key}.0").done()
        assert before, "the parts that fitted are kept"
        remount(disk, "size=8m")
        manifest = job(out)
        assert {part: manifest.parts[part] for part in before} == before
        count(out)


def test_a_disk_that_fills_up_at_any_operation_never_shows_half_an_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, bytes]
) -> None:
    """ENOSPC from the n-th operation on, for every tenth n; then space is freed."""
    for limit in range(1, 150, 10):
        out, seen = tmp_path / f"{limit}" / "out", iter(range(10**6))
        with monkeypatch.context() as patch:

            def full(name: str, seen: Iterator[int] = seen, limit: int = limit) -> None:
                if next(seen) >= limit and not name.startswith(("unlink", "rmdir")):
                    raise OSError(28, "No space left on device")

            patch.setattr(durable, "step", full)
            with contextlib.suppress(MillraceError):
                job(out)
        assert not out.exists() or contents(out) == undisturbed
        job(out)
        assert contents(out) == undisturbed


def test_a_read_only_output_is_refused_at_once() -> None:
    with mounted("size=1m") as disk:
        (disk / "out.millrace").mkdir()
        remount(disk, "ro")
        for name in ("out", "new"):
            begin = time.perf_counter()
            with pytest.raises(OutputRefused, match="cannot be written"):
                Output(disk / name, "0" * 64).preflight()
            assert time.perf_counter() - begin < 1


def test_an_empty_mount_point_is_refused() -> None:
    with mounted("size=1m") as disk, pytest.raises(OutputRefused, match="root of a file system"):
        Output(disk, "0" * 64).preflight()


def test_a_forbidden_folder_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0 and not hasattr(os, "seteuid"):
        pytest.skip("cannot become another user")
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o555)
        before = os.geteuid()
        try:
            if before == 0:
                os.seteuid(65534)
            with pytest.raises(OutputRefused, match="cannot be written"):
                Output(Path(name) / "out", "0" * 64).preflight()
        finally:
            os.seteuid(before)
            os.chmod(name, 0o755)


def main() -> None:
    pause = float(sys.argv[2])
    durable.step = lambda name: time.sleep(pause)
    print("ready", flush=True)
    print(hashlib.sha256(job(Path(sys.argv[1])).encode()).hexdigest(), flush=True)


if __name__ == "__main__":
    main()
