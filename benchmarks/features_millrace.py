"""millrace as a contestant of `features`: its job file, and what its run tells of the time."""

from __future__ import annotations

import json
from pathlib import Path

import features_table as ft
import millrace_job

OUTPUT = "prepared"  # beside the job file

_STEPS = (
    ("impute", ft.MEDIAN, "median", {"indicator": True}),
    ("impute", ft.MEAN, "mean", {}),
    ("scale", ft.STANDARD, "standard", {}),
    ("scale", ft.ROBUST, "robust", {}),
    ("scale", ft.MINMAX, "minmax", {}),
    ("discretise", ft.BINNED, "quantile", {"bins": ft.BINS}),
    ("encode", ft.ONEHOT, "onehot", {}),
    ("encode", ft.CATEGORY, "category", {}),
    ("encode", ft.TARGET, "target", {"smooth": ft.SMOOTH, "folds": ft.FOLDS}),
    ("encode", ft.FREQUENCY, "frequency", {}),
    ("datetime", (ft.TIME,), "parts", {"parts": list(ft.PARTS)}),
)


def write_job(folder: Path, table: Path, workers: int, memory: int) -> Path:
    """Write the job file that makes the features of a table; return its path.

    Args:
        folder: Where the job file goes, and `OUTPUT`.
        table: Folder of Parquet files.
        workers: Worker processes.
        memory: Bytes of memory of each.
    """
    job = folder / "prepare.toml"
    job.write_text(
        f"name = 'features'\n\n[cluster]\nworkers = {workers}\nmemory = {memory}\n\n"
        f"[data.table]\npath = '{table}/*.parquet'\nkey = ['{ft.ROW}']\n\n"
        f"[features]\nderive.ratio = '{ft.RATIO}'\nsteps = [\n"
        + "".join(f"  {_inline(*step)},\n" for step in _STEPS)
        + f"]\n\n[prepare]\ndata = 'table'\ntarget = '{ft.LABEL}'\nlabel = '{ft.LABEL}'\n"
        f"output = '{OUTPUT}'\n"
    )
    return job


def _inline(verb: str, columns: tuple[str, ...], method: str, options: dict[str, object]) -> str:
    pairs = {verb: list(columns), "with": method, **options}
    return "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in pairs.items()) + " }"


def marks(folder: Path, rows: int) -> dict[str, float]:
    """Return the seconds of fitting and of writing, and the passes of the fit over the rows."""
    seconds = millrace_job.seconds(folder)
    if not {"fit", "write"} <= seconds.keys():
        return {}
    starts = (one for one in millrace_job.run_events(folder) if one.name == "step_started")
    read = next(one.fields["rows"] for one in starts if one.step == "fit")
    return {"fit": seconds["fit"], "transform": seconds["write"], "passes": read / rows}
