"""What is done to the data: read, contract, features, train, score.

>>> from engine import Dataset  # doctest: +SKIP
>>> Dataset.open("data/flights/month=*/*.parquet").to_dask()  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.contract import Contract, Rule
    from engine.data.dataset import Dataset
    from engine.features.fitted import FittedPipeline
    from engine.features.pipeline import Pipeline

__all__ = ["Contract", "Dataset", "FittedPipeline", "Pipeline", "Rule"]

_LATER = {
    "Contract": "engine.contract",
    "Dataset": "engine.data.dataset",
    "FittedPipeline": "engine.features.fitted",
    "Pipeline": "engine.features.pipeline",
    "Rule": "engine.contract",
}


def __getattr__(name: str) -> object:
    """Import on first use: a training process needs only its own rooms."""
    if name not in _LATER:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
