"""Run one contestant of `score` in this process.

``python score_peers.py NAME settings.json`` writes ids and scores of every row as Parquet into the
settings' ``output`` and leaves ``marks.json`` (seconds from the first task to the last). NAME
``fit`` trains the peers' model on a small table.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

# This folder has a profile.py, and so has the standard library: let that one be found first.
sys.path.append(sys.path.pop(0))

PEERS: Mapping[str, str] = {
    "dask.dataframe": "score_dask",
    "lightgbm.dask": "score_dask",
    "ray": "score_ray",
    "spark": "score_spark",
    "polars": "score_single",
    "pandas": "score_single",
    "millrace-plain": "score_plain",
    "limit": "score_plain",
    "plain": "score_plain",
}
"""Module of each contestant; its ``CONTESTANTS`` hold a function by name."""


def main() -> None:
    """Run one contestant."""
    name, settings = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    if name == "fit":
        import_module("score_booster").fit(settings)
        return
    seconds = import_module(PEERS[name]).CONTESTANTS[name](settings)
    (Path(settings["folder"]) / "marks.json").write_text(json.dumps({"score": seconds}))


if __name__ == "__main__":
    main()
