"""How rows become the bytes of files: the same bytes for the same rows, wherever they are made.

A part is cut twice: by the values of the partition columns into folders (`hive`), and each of these
into pieces of a wanted size (`encoding`); every piece is one file, Parquet or CSV.
"""

from __future__ import annotations

from engine.encoding.encoding import Encoding
from engine.encoding.parquet import encoded, parquet_bytes

__all__ = ["Encoding", "encoded", "parquet_bytes"]
