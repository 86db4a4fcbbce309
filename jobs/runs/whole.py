"""Files that are replaced whole: a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under another name, then give it its own.

    Args:
        path: The file; its folder must exist.
        data: All of it.

    Raises:
        OSError: It cannot be written; the old one stays.
    """
    scratch = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        scratch.write_bytes(data)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
