"""Loaded by every process that a test of drivers starts: parts and training wait for the test.

A test then acts at a known point of a run, however busy the machine is.

``MILLRACE_PACE`` is a folder. Parts below the number in ``free`` are staged, the others wait; and
training goes on slowly until there is ``train``. ``staged`` gets a line for every part that was
computed: what was done twice has two. ``MILLRACE_PACE_PATIENCE`` is for how many seconds an outage
is waited for.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

PACE = Path(os.environ.get("MILLRACE_PACE", "/nowhere"))
PART_BYTES, CHECKPOINT_ROUNDS, CHECKPOINT_SECONDS = 15_000, 5, 0.5


def dataset(module: ModuleType) -> None:
    module.Dataset.target_bytes = lambda *_: PART_BYTES


def staging(module: ModuleType) -> None:
    stage = module.Run.stage

    def paced(run: Any, part: int, *given: Any, **named: Any) -> Any:
        with (PACE / "staged").open("a") as file:
            file.write(f"{part}\n")
        while part >= int((PACE / "free").read_text() or 0):
            time.sleep(0.05)
        return stage(run, part, *given, **named)

    module.Run.stage = paced


def conduct(module: ModuleType) -> None:
    before = module.conduct
    module.conduct = lambda *given: replace(before(*given), checkpoint_every=CHECKPOINT_ROUNDS)


def checkpoint(module: ModuleType) -> None:
    write = module.write

    def paced(*given: Any) -> None:
        write(*given)
        if not (PACE / "train").exists():
            time.sleep(CHECKPOINT_SECONDS)

    module.write = paced


def outages(module: ModuleType) -> None:
    module.PATIENCE_SECONDS = float(os.environ.get("MILLRACE_PACE_PATIENCE", "600"))


CHANGES: dict[str, Callable[[ModuleType], None]] = {
    "engine.data.dataset": dataset,
    "engine.outages": outages,
    "engine.commit.staging": staging,
    "jobs.sections.boosting": conduct,
    "engine.boosting.checkpoint": checkpoint,
}


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        change = CHANGES.pop(name, None)
        spec = importlib.util.find_spec(name) if change else None
        if change is None or spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def changed(module: ModuleType) -> None:
            execute(module)
            change(module)

        spec.loader.exec_module = changed  # type: ignore[method-assign]
        return spec


if PACE.is_dir():
    sys.meta_path.insert(0, Finder())
