"""How common libraries read an output folder; also a program that reads one over and over.

As a program: ``readers.py LIBRARY FOLDER STOP`` reads until the file STOP is there, once more then,
and prints what it saw, as JSON: how often, and each different outcome (version, rows, sum of ids)
or error.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Columns = Mapping[Any, Any]
"""Values by column."""


def of_polars(folder: str) -> Columns:
    """Read with `polars.read_parquet`."""
    import polars as pl

    return pl.read_parquet(folder).to_dict(as_series=False)


def of_pandas(folder: str) -> Columns:
    """Read with `pandas.read_parquet`."""
    import pandas as pd

    found: Columns = pd.read_parquet(folder).to_dict("list")
    return found


def of_pyarrow(folder: str) -> Columns:
    """Read with `pyarrow.dataset`."""
    import pyarrow.dataset as ds

    found: Columns = ds.dataset(folder, partitioning="hive").to_table().to_pydict()
    return found


def of_dask(folder: str) -> Columns:
    """Read with `dask.dataframe.read_parquet`."""
    import dask.dataframe as dd

    found: Columns = dd.read_parquet(folder).compute(scheduler="sync").to_dict("list")
    return found


def of_duckdb(folder: str) -> Columns:
    """Read with DuckDB's ``read_parquet``."""
    import duckdb

    pattern = f"{folder}/**/*.parquet"
    with duckdb.connect(":memory:") as connection:
        query = "select * from read_parquet($files, hive_partitioning = true)"
        rows = connection.sql(query, params={"files": pattern})
        found: Columns = rows.to_arrow_table().to_pydict()
    return found


LIBRARIES: Mapping[str, Callable[[str], Columns]] = {
    "polars": of_polars,
    "pandas": of_pandas,
    "pyarrow": of_pyarrow,
    "dask": of_dask,
    "duckdb": of_duckdb,
}


GONE = "gone"
"""A file that was listed is not there any more, or there is no output yet."""


def outcome(read: Callable[[str], Columns], folder: str) -> str:
    """Read once; return what was seen, in a word that can be counted."""
    try:
        found = read(folder)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # Polars' panics are no `Exception`
        if isinstance(error, OSError) or type(error).__name__ == "IOException":
            return GONE
        return f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
    if "version" not in found:  # some see a folder without files where another one is put in place
        return GONE
    return f"{sorted(set(found['version']))} {len(found['id'])} {sum(found['id'])}"


def main(library: str, folder: str, stop: str) -> None:
    """Read until the file is there, and once more."""
    read, seen = LIBRARIES[library], Counter[str]()
    outcome(read, folder)  # the library is imported
    print("ready", flush=True)
    while not Path(stop).exists():
        seen[outcome(read, folder)] += 1
        time.sleep(0.005)
    seen[outcome(read, folder)] += 1  # however slow it is, it has seen the last version
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
