"""The wheel is one that installers take, holds what is here, and is the same bytes each time."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from cluster.preflight import code
from cluster.preflight.wheel import wheel, written


def test_the_same_files_are_the_same_bytes(tmp_path: Path) -> None:
    for name, file in code.sources(code.own_folder()).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, tmp_path / name)
        os.utime(tmp_path / name, (time.time() - 1e6,) * 2)
    (tmp_path / "engine/__pycache__").mkdir()
    (tmp_path / "engine/__pycache__/x.pyc").write_bytes(b"")
    here, there = wheel(), wheel(tmp_path)
    assert here == there
    (tmp_path / "engine/exact.py").write_text("")
    changed = wheel(tmp_path)
    assert changed.digest != here.digest and changed.name != here.name


def test_all_files_are_in_it() -> None:
    archive = zipfile.ZipFile(io.BytesIO(wheel().data))
    names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == set(code.sources(code.own_folder()))
    assert {"engine/exact.py", "jobs/report/templates/base.html.j2"} <= names
    assert all(entry.date_time[0] == 1980 for entry in archive.infolist())


def test_what_was_unpacked_has_the_same_digest(tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(wheel().data)).extractall(tmp_path)
    assert code.digest(tmp_path) == code.digest(code.own_folder())


@pytest.mark.slow
def test_an_installer_takes_it(tmp_path: Path, bare_python: Path) -> None:
    file = written(tmp_path / "made")
    target = tmp_path / "there"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*pip, "--target", str(target), str(file)], check=True, capture_output=True)
    assert code.digest(target) == code.digest(code.own_folder())
    asked = [str(bare_python), "-m", "jobs.cli", "--version"]
    told = subprocess.run(
        asked, env={**os.environ, "PYTHONPATH": str(target)}, capture_output=True, text=True,
        check=True, cwd=tmp_path,
    ).stdout  # fmt: skip
    assert told.strip() == "millrace " + file.name.split("-")[1]
