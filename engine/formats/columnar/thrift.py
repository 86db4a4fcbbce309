"""Thrift's compact protocol, as far as Parquet's footers and page headers need it.

A struct is read as the byte range of each of its fields, so that what is not understood can be
copied as it is. No value is trusted: what ends too early or nests too deep is a `Malformed`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12

_TRUE, _FALSE, _BYTE, _DOUBLE, _SET, _MAP = 1, 2, 3, 7, 10, 11
_DEPTH = 16


class Malformed(ValueError):
    """The bytes are no such struct, or it goes on behind them."""


class Field(NamedTuple):
    """Where the value of a field is: its type, its first byte and the byte after its last."""

    kind: int
    start: int
    stop: int


def fields(data: bytes, at: int, depth: int = 0) -> tuple[dict[int, Field], int]:
    """Return the fields of a struct by their number, and the position after it.

    Args:
        data: Bytes that hold the struct.
        at: Its first byte.
        depth: Structs around it.

    Raises:
        Malformed: It is none, or is cut.
    """
    found: dict[int, Field] = {}
    number = 0
    try:
        while head := data[at]:
            at += 1
            kind = head & 15
            if head >> 4:
                number += head >> 4
            else:
                number, at = integer(data, at)
            stop = _after(data, at, kind, depth)
            found[number] = Field(kind, at, stop)
            at = stop
    except IndexError as error:
        raise Malformed("a struct is cut") from error
    return found, at + 1


def integer(data: bytes, at: int) -> tuple[int, int]:
    """Return a signed integer and the position after it; `IndexError` where the bytes end."""
    value, at = _unsigned(data, at)
    return (value >> 1) ^ -(value & 1), at


def value(data: bytes, field: Field | None) -> int | None:
    """Return the integer of a field; None for a field that is not there, or is of another type."""
    if field is None or field.kind not in (I32, I64):
        return None
    return integer(data, field.start)[0]


def items(data: bytes, field: Field) -> Iterator[Field]:
    """Yield the elements of a list.

    Raises:
        Malformed: It is none, or is cut.
    """
    if field.kind != LIST:
        raise Malformed("a list is expected")
    try:
        count, kind, at = _listed(data, field.start)
        for _ in range(count):
            stop = _after(data, at, kind, 0)
            yield Field(kind, at, stop)
            at = stop
    except IndexError as error:
        raise Malformed("a list is cut") from error


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 128:
        return byte, at + 1
    result, shift = byte & 127, 7
    while byte > 127:
        at += 1
        byte = data[at]
        result |= (byte & 127) << shift
        shift += 7
        if shift > 70:
            raise Malformed("an integer is too long")
    return result, at + 1


def _listed(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the number of elements of a list, their type, and where they start."""
    head = data[at]
    if head >> 4 < 15:
        return head >> 4, head & 15, at + 1
    count, at = _unsigned(data, at + 1)
    if count > len(data):
        raise Malformed("a list is longer than its bytes")
    return count, head & 15, at


def _after(data: bytes, at: int, kind: int, depth: int) -> int:
    """Return the position after a value."""
    if kind in (I32, I64, 4):
        while data[at] > 127:
            at += 1
        return at + 1
    if kind in (_TRUE, _FALSE):
        return at
    if kind == BINARY:
        length, at = _unsigned(data, at)
        stop = at + length
    elif kind == STRUCT:
        stop = _struct(data, at, depth)
    elif kind in (LIST, _SET):
        count, kind, stop = _listed(data, at)
        for _ in range(count):
            stop = _element(data, stop, kind, depth)
    elif kind == _MAP:
        stop = _mapped(data, at, depth)
    elif kind in (_BYTE, _DOUBLE):
        stop = at + (1 if kind == _BYTE else 8)
    else:
        raise Malformed(f"type {kind} is not known")
    if stop > len(data):
        raise Malformed("a value is cut")
    return stop


def _struct(data: bytes, at: int, depth: int) -> int:
    if depth > _DEPTH:
        raise Malformed("it nests too deep")
    return fields(data, at, depth + 1)[1]


def _element(data: bytes, at: int, kind: int, depth: int) -> int:
    """Return the position after an element; truth values take a byte there."""
    if depth > _DEPTH:
        raise Malformed("it nests too deep")
    return at + 1 if kind in (_TRUE, _FALSE) else _after(data, at, kind, depth + 1)


def _mapped(data: bytes, at: int, depth: int) -> int:
    count, at = _unsigned(data, at)
    if not count:
        return at
    if count > len(data):
        raise Malformed("a map is longer than its bytes")
    kinds, at = data[at], at + 1
    for _ in range(count):
        at = _element(data, at, kinds >> 4, depth)
        at = _element(data, at, kinds & 15, depth)
    return at


def number(value: int) -> bytes:
    """Return an integer as bytes."""
    return _varint((value << 1) ^ (value >> 63))


def binary(value: bytes) -> bytes:
    """Return a string of bytes with its length before it."""
    return _varint(len(value)) + value


def listed(kind: int, elements: Sequence[bytes]) -> bytes:
    """Return a list of elements of one type, each as its bytes."""
    count = len(elements)
    head = bytes([count << 4 | kind]) if count < 15 else bytes([0xF0 | kind]) + _varint(count)
    return head + b"".join(elements)


def struct(content: Mapping[int, tuple[int, bytes]]) -> bytes:
    """Return a struct of fields by number, each its type and the bytes of its value."""
    parts, last = [], 0
    for place, (kind, value) in sorted(content.items()):
        step = place - last
        parts.append(bytes([step << 4 | kind]) if step < 16 else bytes([kind]) + number(place))
        parts.append(value)
        last = place
    return b"".join(parts) + b"\0"


def raw(data: bytes, found: Mapping[int, Field]) -> dict[int, tuple[int, bytes]]:
    """Return fields as they stand in their bytes, to be put into another struct."""
    return {place: (field.kind, data[field.start : field.stop]) for place, field in found.items()}


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)
