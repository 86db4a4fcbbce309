"""Predict only: rows per CPU second of ``engine.predict`` against ``Booster.predict``, one thread.

    python benchmarks/predict.py [--rows 200000] [--repeat 3]

Compare the ratios: the absolute figures depend on the machine and its load. LightGBM is up to
three times faster where most rows take the same branches (few strong features, real tables) than
on these rows; our kernels for up to 64 leaves take the same time on any rows. Models are trained on
seeded synthetic rows and kept in the system's folder for temporary files.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from engine.predict import predictor  # noqa: E402

Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """One model: its size, and whether its rows have categories and missing values."""

    name: str
    trees: int
    leaves: int
    mixed: bool = False
    classes: int = 1


CASES = (
    Case("100 x 31", 100, 31),
    Case("500 x 63", 500, 63),
    Case("200 x 63, categories, NaN", 200, 63, mixed=True),
    Case("5 classes x 100 x 31", 100, 31, classes=5),
    Case("50 x 500", 50, 500),
    Case("50 x 500, categories, NaN", 50, 500, mixed=True),
)


def draw(rows: int, mixed: bool, seed: int) -> tuple[Rows, npt.NDArray[np.float64]]:
    """Return rows of 28 features and a noisy signal."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 28)).astype(np.float32)
    signal = x[:, 3:13] @ np.linspace(-1, 1, 10) + np.sin(3 * x[:, 4]) * x[:, 5]
    signal = signal + rng.standard_normal(rows)
    if mixed:
        for column, codes in ((0, 24), (1, 300), (2, 7)):
            x[:, column] = rng.integers(0, codes, rows)
            signal += np.random.default_rng(column).standard_normal(codes)[x[:, column].astype(int)]
        x[rng.random(x.shape) < 0.05] = np.nan
    return x, signal


def model_text(case: Case) -> str:
    """Train the case's model, or take it from an earlier run."""
    file = Path(tempfile.gettempdir()) / f"millrace-predict-{crc32(repr(case).encode()):08x}.txt"
    if file.exists():
        return file.read_text()
    import lightgbm

    x, signal = draw(100_000, case.mixed, 1)
    edges = np.quantile(signal, np.linspace(0, 1, max(case.classes, 2) + 1)[1:-1])
    parameters: dict[str, object] = {
        "objective": "multiclass" if case.classes > 1 else "binary",
        "num_class": case.classes,
        "num_leaves": case.leaves,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(
        x, np.digitize(signal, edges), categorical_feature=[0, 1, 2] if case.mixed else []
    )
    text = str(lightgbm.train(parameters, data, case.trees).model_to_string())
    file.write_text(text)
    return text


def rate(work: Callable[[], object], rows: int, repeat: int) -> float:
    """Return the best of ``repeat`` runs in rows per CPU second."""
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return rows / best


def compare(case: Case, rows: int, repeat: int) -> None:
    """Print one line for a case."""
    import lightgbm

    text = model_text(case)
    x, _ = draw(rows, case.mixed, 2)
    few = x[: rows // 10]
    ours, booster = predictor(text), lightgbm.Booster(model_str=text)
    equal = ours.raw(few).tobytes() == np.asarray(booster.predict(few, raw_score=True)).tobytes()
    fast = rate(lambda: ours.predict(x), rows, repeat)
    slow = rate(lambda: booster.predict(few, num_threads=1), len(few), repeat)
    print(
        f"{case.name:28} {ours.engine:8} {fast / 1e3:9.0f} {slow / 1e3:9.1f} "
        f"{fast / slow:7.1f}x   {'equal' if equal else 'DIFFERENT'}"
    )


def start_up() -> None:
    """Print what a new process pays before its first row, and for the comparison."""
    code = (
        "import sys, time, resource, numpy\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "def rss():\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "memory, start = rss(), time.process_time()\n"
        "import numba\n"
        "middle = time.process_time()\n"
        "import engine.predict.tables\n"
        "print(f'import numba {middle - start:.2f} CPU s, kernels '\n"
        "    f'{time.process_time() - middle:.2f} CPU s, together {rss() - memory:.0f} MB')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    x, _ = draw(256, False, 3)
    predictor(model_text(CASES[0])).raw(x)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"comparison with LightGBM, once per process and model: {used:.2f} CPU s")


def main() -> None:
    """Print the start-up costs and a line per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    start_up()
    print(f"{'':28} {'engine':8} {'k rows/s':>9} {'LightGBM':>9} {'ratio':>8}   raw scores")
    for case in CASES:
        compare(case, arguments.rows, arguments.repeat)


if __name__ == "__main__":
    main()
