"""What a job needs of its cluster, in plain words: folders, libraries, whether it trains."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Needs:
    """What a job needs of every worker. Paths are those of this machine; URLs are passed over.

    Args:
        readable: Files, folders or glob patterns that are read.
        writable: Folders that are written to; one that is not there yet stands for the nearest
            folder above it that is.
        training: Whether the workers train together, and so connect to each other.
        libraries: Distributions beyond millrace's own dependencies, such as ``deltalake``.
        scratch: Bytes that a worker will hold on its own disk.
    """

    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    training: bool = False
    libraries: tuple[str, ...] = ()
    scratch: int = 0


def on_disk(paths: tuple[str, ...]) -> list[str]:
    """Return those that are no URLs, each once."""
    return list(dict.fromkeys(path for path in paths if "://" not in path))
