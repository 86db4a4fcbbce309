"""Contributions and leaves: rows per CPU second against LightGBM's own, one thread, side by side.

    python benchmarks/explain.py [--rows 20000] [--theirs 400] [--repeat 3]

Models and rows are those of ``benchmarks/predict.py``. Compare the ratios: the absolute figures
depend on the machine and its load. Of several classes we explain the predicted one, LightGBM all of
them; it has no way to explain one. ``difference`` is the largest between ours and LightGBM's, and
``sum`` the largest between a row's contributions with their base and its raw score.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from predict import CASES, Case, draw, model_text, rate

sys.path.insert(0, str(Path(__file__).parents[1]))

from engine.predict import predictor
from engine.predict.contributions import Contributions
from engine.predict.leaves import Leaves


def compare(case: Case, rows: int, theirs: int, repeat: int) -> None:
    """Print one line for a case."""
    import lightgbm

    text = model_text(case)
    x, _ = draw(rows, case.mixed, 2)
    few = x[:theirs]
    ours, leaves, booster = Contributions(text), Leaves(text), lightgbm.Booster(model_str=text)
    raw = predictor(text).raw(x).reshape(rows, -1)
    said = raw.argmax(axis=1)
    output = said if ours.outputs > 1 else None
    found = ours.of(x, output)
    expected = np.asarray(booster.predict(few, pred_contrib=True, num_threads=1))
    expected = expected.reshape(theirs, ours.outputs, -1)[np.arange(theirs), said[:theirs]]
    difference = np.abs(found[:theirs] - expected).max()
    total = np.abs(found.sum(axis=1) - raw[np.arange(rows), said]).max()
    fast = rate(lambda: ours.of(x, output), rows, repeat)
    slow = rate(lambda: booster.predict(few, pred_contrib=True, num_threads=1), theirs, repeat)
    quick = rate(lambda: leaves.of(x), rows, repeat)
    late = rate(lambda: booster.predict(few, pred_leaf=True, num_threads=1), theirs, repeat)
    print(
        f"{case.name:28} {fast:9.0f} {slow:9.0f} {fast / slow:7.1f}x"
        f" {difference:10.1e} {total:8.1e}"
        f"  leaves {quick / 1e3:7.0f}k {late / 1e3:7.0f}k {quick / late:6.1f}x"
    )


def main() -> None:
    """Print a line per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--theirs", type=int, default=400)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{'':28} {'rows/s':>9} {'LightGBM':>9} {'ratio':>8} {'difference':>10} {'sum':>8}")
    for case in CASES:
        compare(case, arguments.rows, arguments.theirs, arguments.repeat)


if __name__ == "__main__":
    main()
