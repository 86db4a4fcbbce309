"""A model that does what its rows say; run in a child, imported by its path."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl


def load() -> dict[str, int]:
    print("loading")
    return {"calls": 0}


def predict(frame: pl.DataFrame, loaded: dict[str, int]) -> object:
    loaded["calls"] += 1
    what, _, more = frame["what"][0].partition(" ")
    deed = globals().get(f"_{what}")
    if deed is not None:
        found = deed(more)
        if found is not None:
            return found
    return {
        "score": frame["x"] * 2,
        "rows": [frame.height] * frame.height,
        "calls": [loaded["calls"]] * frame.height,
        "pid": [os.getpid()] * frame.height,
    }


def _segfault(_: str) -> None:
    print("about to read at nothing", file=sys.stderr)
    ctypes.string_at(0)


def _exit(status: str) -> None:
    os._exit(int(status))


def _leave(_: str) -> None:
    sys.exit("no more")


def _raise(_: str) -> None:
    raise ValueError("boom\nand a second line")


def _hang(file: str) -> None:
    """Hold Python's lock in native code for a minute, with a process started before."""
    other = subprocess.Popen(["sleep", "600"])
    Path(file).write_text(f"{os.getpid()} {other.pid}")
    ctypes.PyDLL(None).sleep(600)


def _rest(file: str) -> None:
    Path(file).write_text(str(os.getpid()))
    time.sleep(600)


def _meet(folder: str) -> None:
    """Wait for a second process that does the same."""
    (Path(folder) / str(os.getpid())).touch()
    while len(list(Path(folder).iterdir())) < 2:
        time.sleep(0.05)


def _grow(_: str) -> None:
    held = []
    while True:
        held.append(np.ones(2**19))
        time.sleep(0.005)


def _jump(_: str) -> None:
    np.empty(2**27)  # a gibibyte, untouched


def _flood(_: str) -> None:
    for _i in range(2000):
        print("x" * 10_000)
    os.write(1, b"to the descriptor itself\n" * 100_000)
    assert sys.stdin.read() == ""


def _garble(_: str) -> None:
    """Write into every pipe there is, as a stray descriptor would."""
    for number in range(3, 30):
        try:
            os.write(number, b"garbage" * 100)
        except OSError:
            continue


def _short(_: str) -> object:
    return {"score": [1.0], "rows": [1], "calls": [1], "pid": [1]}
