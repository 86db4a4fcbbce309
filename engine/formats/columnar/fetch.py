"""Parts of a remote file, laid out as the file has them, for readers that want a path.

Only the byte ranges of the column chunks in question are fetched; they are written at their own
offsets into an unlinked temporary file full of holes, with the footer at its end. Its pages belong
to the page cache, not to the process.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from tempfile import TemporaryFile

from engine.formats.columnar.footer import MAGIC, Footer
from engine.storage import InputFile

_GAP = 512 * 2**10
"""Ranges nearer than this are fetched as one: a request costs about as much as these bytes."""

REQUEST = 16 * 2**20
"""Most bytes of one request, and so of what is held in memory."""


@dataclass(frozen=True)
class Parts:
    """Fetched parts of a file; they go with the last reference to them.

    Attributes:
        key: What was fetched.
        stream: The temporary file.
    """

    key: tuple[object, ...]
    stream: FileIO

    @property
    def path(self) -> str:
        """Return a path that this process can open."""
        return f"/proc/self/fd/{self.stream.fileno()}"


_last: list[Parts] = []
_lock = threading.Lock()


def fetched(file: InputFile, foot: Footer, groups: range, columns: Sequence[str]) -> Parts:
    """Fetch column chunks, unless the last call of this process had the same.

    Args:
        file: The file; each read of it is of exactly the content that was listed.
        foot: Its footer.
        groups: Row groups wanted.
        columns: Columns wanted.

    Raises:
        InputChanged: The file is another one by now.
    """
    key = (file, groups, tuple(columns))
    with _lock:
        if _last and _last[0].key == key:
            return _last[0]
    parts = Parts(key, _fetch(file, foot, groups, columns))
    with _lock:
        _last[:] = [parts]
    return parts


def _fetch(file: InputFile, foot: Footer, groups: range, columns: Sequence[str]) -> FileIO:
    stream = TemporaryFile(buffering=0)  # noqa: SIM115 (lives as long as its `Parts`)
    stream.write(MAGIC)
    chunks = (foot.chunk(number, name) for number in groups for name in columns)
    for start, stop in joined((chunk.start, chunk.stop) for chunk in chunks):
        for low in range(start, stop, REQUEST):
            _place(stream, low, file.read(low, min(stop, low + REQUEST)))
    _place(stream, file.size - len(foot.tail), foot.tail)
    return stream


def _place(stream: FileIO, start: int, data: bytes) -> None:
    stream.seek(start)
    stream.write(data)


def joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield byte ranges in order, near ones as one."""
    open_start, open_stop = -1, -1
    for start, stop in sorted(spans):
        if open_start >= 0 and start <= open_stop + _GAP:
            open_stop = max(open_stop, stop)
            continue
        if open_start >= 0:
            yield open_start, open_stop
        open_start, open_stop = start, stop
    if open_start >= 0:
        yield open_start, open_stop
