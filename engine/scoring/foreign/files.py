"""Files that a model is loaded from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from engine.errors import SpecError


def content(path: str) -> bytes:
    """Return the bytes of a file.

    Raises:
        SpecError: It cannot be read on this machine.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        hint = "workers on other machines need the file under the same path"
        raise SpecError(
            f"needs a file that cannot be read: {path}: {error.strerror}", hint=hint
        ) from error


def digest(data: bytes) -> str:
    """Return the SHA-256 of a file's content, in hex."""
    return hashlib.sha256(data).hexdigest()
