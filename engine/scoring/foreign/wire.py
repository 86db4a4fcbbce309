"""How a worker and the child that holds a model talk: messages with a head, over two pipes."""

from __future__ import annotations

import struct
from enum import Enum
from typing import BinaryIO

HEAD = struct.Struct("<4scQ")
"""Mark, kind and length of the body in bytes, little-endian."""

_MARK = b"mill"


class Kind(Enum):
    """What a message is; the value is its byte in the head."""

    MODEL = b"M"
    """To the child: the model that it is to load, pickled."""

    ROWS = b"R"
    """To the child: a batch, as an Arrow IPC stream."""

    READY = b"K"
    """From the child: the model is loaded; JSON, what it was loaded from."""

    COLUMNS = b"C"
    """From the child: a value a row for each column, as an Arrow IPC stream."""

    REFUSED = b"X"
    """From the child: the model cannot be used at all; JSON, ``what`` and ``hint``."""

    FAILED = b"F"
    """From the child: the model failed; JSON, ``what`` and ``hint``."""


class Garbled(Exception):
    """What came is no message of ours."""


def head(kind: Kind, length: int) -> bytes:
    """Return the head of a message with a body of so many bytes."""
    return HEAD.pack(_MARK, kind.value, length)


def read_head(data: bytes | bytearray) -> tuple[Kind, int]:
    """Return kind and length of the message that begins with these bytes.

    Raises:
        Garbled: It is none.
    """
    mark, kind, length = HEAD.unpack_from(data)
    if mark != _MARK:
        raise Garbled
    try:
        return Kind(kind), length
    except ValueError:
        raise Garbled from None


def send(stream: BinaryIO, kind: Kind, body: bytes) -> None:
    """Write a whole message."""
    stream.write(head(kind, len(body)))
    stream.write(body)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[Kind, bytes] | None:
    """Read a whole message, or return None when the other side is gone."""
    begun = stream.read(HEAD.size)
    if len(begun) < HEAD.size:
        return None
    kind, length = read_head(begun)
    body = stream.read(length)
    return (kind, body) if len(body) == length else None
