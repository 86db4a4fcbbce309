"""Rows for the tests of boosting: drawn anew for each partition, so nothing is on disk.

A module beside the tests, because ranks must be able to import what their source is made of.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.boosting import Conduct, Learning, Rows, ShardPart
from engine.errors import InputError
from engine.plan import Partition


def asked(**fields: Any) -> tuple[Learning, Conduct]:
    """Return what `fit` is told, from the fields of both."""
    conduct = {name: fields.pop(name) for name in list(fields) if name in Conduct.__annotations__}
    return Learning(**{"task": "binary", **fields}), Conduct(**conduct)


@dataclass(frozen=True)
class Drawn:
    """Rows with a known signal.

    Attributes:
        rows: Rows of each partition.
        valid: Validation rows among them, the last ones.
        task: Kind of labels.
        seconds: How long each read takes.
        fault: What goes wrong, at ``at``.
        at: Partition where it goes wrong.
        folder: Where a rank writes its process id when it reads ``at``.
    """

    rows: int = 2_000
    valid: int = 500
    task: str = "binary"
    seconds: float = 0.0
    fault: str = ""
    at: int = -1
    folder: Path | None = None
    features: tuple[str, ...] = ("a", "b:{c}", "d", "e", "colour")
    categorical: tuple[int, ...] = (4,)
    vectors: frozenset[str] = frozenset()

    def partitions(self, count: int) -> list[Partition]:
        return [Partition(i, (), self.rows, 0, 0, 0) for i in range(count)]

    def parts(self, count: int) -> list[ShardPart]:
        train = self.rows - self.valid
        return [ShardPart(partition, train, self.valid) for partition in self.partitions(count)]

    def all_rows(self, index: int) -> Rows:
        rng = np.random.default_rng(index)
        x = rng.standard_normal((self.rows, 5)).astype(np.float32)
        x[:, 4] = rng.integers(0, 6, self.rows)
        signal_ = x[:, 0] + x[:, 1] * x[:, 2] + (x[:, 4] == 3)
        noisy = signal_ + rng.standard_normal(self.rows)
        x[rng.random(self.rows) < 0.1, 3] = np.nan
        y = noisy > 0.3 if self.task == "binary" else noisy
        return Rows(x, y.astype(np.float32))

    def read(self, partition: Partition, part: str) -> Rows:
        rows = self.all_rows(partition.index)
        time.sleep(self.seconds)
        if partition.index == self.at:
            rows = self._go_wrong(rows)
        cut = self.rows - self.valid
        chosen = slice(0, cut) if part == "train" else slice(cut, None)
        return Rows(rows.x[chosen], rows.y[chosen])

    def _go_wrong(self, rows: Rows) -> Rows:
        if self.folder is not None:
            (self.folder / "pid").write_text(f"{os.getpid()} {os.getppid()}")
        match self.fault:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "abort":
                os.abort()
            case "memory":
                ballast = np.ones(400 * 2**20, np.uint8)
                time.sleep(5 + 0 * int(ballast[-1]))
            case "kill worker":
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(5)
            case "stop worker":
                os.kill(os.getppid(), signal.SIGSTOP)
            case "error":
                raise InputError("the file is damaged", where="x.parquet")
            case "bug":
                raise KeyError("colour")
            case "shrunk":
                return Rows(rows.x[1:], rows.y[1:])
            case "nan":
                rows.y[:3] = np.nan
        return rows

    def sample(self, count: int, rows: int = 2_000) -> np.ndarray:
        every = np.concatenate([self.all_rows(i).x[: self.rows - self.valid] for i in range(count)])
        return every[:: max(1, len(every) // rows)].copy()


class OneClass(Drawn):
    """Rows that are all positive."""

    def all_rows(self, index: int) -> Rows:
        rows = super().all_rows(index)
        return Rows(rows.x, np.ones_like(rows.y))
