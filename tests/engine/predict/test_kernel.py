"""The compiled kernel: where it is kept, and what happens to it there."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.predict import kernel
from engine.predict.kernel import Grid


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Two folders to keep code in, and the real code in place of a compiler."""
    code = kernel._object()
    found = [tmp_path / "first", tmp_path / "second"]
    monkeypatch.setattr(kernel, "_folders", lambda: iter(found))
    monkeypatch.setattr(kernel, "_compiled", lambda: code)
    yield found


def kept(folder: Path) -> list[Path]:
    return list(folder.glob("*"))


def test_code_is_kept_once_and_found_again(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = kernel._object()
    assert [len(kept(folder)) for folder in folders] == [1, 0]
    monkeypatch.setattr(kernel, "_compiled", pytest.fail)
    assert kernel._object() == made


def test_a_folder_that_cannot_be_written_is_passed_over(folders: list[Path]) -> None:
    folders[0].write_text("a file")
    kernel._object()
    assert len(kept(folders[1])) == 1


def test_without_any_folder_code_is_compiled_each_time(folders: list[Path]) -> None:
    for folder in folders:
        folder.write_text("a file")
    assert kernel._object() == kernel._object()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_damaged_code_is_never_loaded(folders: list[Path], damage: str) -> None:
    made = kernel._object()
    (file,) = kept(folders[0])
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    file.write_bytes({"cut": whole[:-1], "flip": bytes(flipped), "empty": b""}[damage])
    assert kernel._object() == made
    assert file.read_bytes() == whole  # and put right


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_code_of_somebody_else_is_not_trusted(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, evil = kernel._object(), b'{"name": "evil"}\n'
    (file,) = kept(folders[0])
    file.write_bytes(hashlib.sha256(evil).digest() + evil)
    os.chown(file, 1234, -1)
    assert kernel._object() == made


def test_a_compiler_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = subprocess.CompletedProcess([], 1, b"", b"Traceback\nImportError: no numba\n")
    monkeypatch.setattr(kernel.subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(RuntimeError, match="not compiled: ImportError: no numba"):
        kernel._compiled()


def test_every_memory_order_is_read_in_place() -> None:
    x = np.arange(60, dtype=np.float32).reshape(12, 5)
    for order in (x, np.asfortranarray(x), np.asfortranarray(x)[3:7], x[::2], x[:0]):
        grid = Grid.of(order)
        step = grid.stride * 4
        seen = [[_at(int(first) + row * step) for first in grid.first] for row in range(grid.rows)]
        assert seen == order.tolist()


def _at(address: int) -> float:
    return ctypes.c_float.from_address(address).value


def test_what_cannot_be_read_in_place_is_refused() -> None:
    x = np.zeros((4, 3), np.float32)
    for wrong in (x[::-1], x.astype(np.float64)):
        with pytest.raises(ValueError, match="cannot be read in place"):
            Grid.of(wrong)
