"""What the child that holds a model may use."""

from __future__ import annotations

from dataclasses import dataclass

BATCH = 10_000
"""Rows that a model is handed at once where the job file does not say."""

MEMORY = 512 * 2**20
"""Bytes of a child where the job file does not say. About 120 MiB are Python, Polars and pyarrow;
onnxruntime adds 40, scikit-learn with pandas 220 (resident, measured on batches of 10,000 rows of
ten float32 columns).
"""

TIMEOUT = 600.0
"""Seconds for loading the model, and for each batch, where the job file does not say."""


@dataclass(frozen=True)
class Limits:
    """What a child may use.

    Attributes:
        batch: Rows that the model is handed at once; cut from the start of each partition.
        threads: Threads of the libraries that it loads.
        memory: Resident bytes of the process, all included.
        timeout: Seconds for loading, and for each batch.
    """

    batch: int = BATCH
    threads: int = 1
    memory: int = MEMORY
    timeout: float = TIMEOUT
