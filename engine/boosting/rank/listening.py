"""LightGBM listens at the rank's own address, and not at all addresses of its machine.

It has no setting for that: it binds 0.0.0.0, and takes any peer that sends a rank. So its calls of
``bind`` are led through a function of ours, which puts the address in. The loader keeps, for each
function that a shared library calls in another, a slot with its address (System V ABI, "procedure
linkage table"); the slot is found by the function's name in the tables that the loader itself uses.

On 64-bit Linux. Elsewhere, and if a build of LightGBM has no such slot, nothing is changed.
"""

from __future__ import annotations

import ctypes
import mmap
import socket
import struct
import sys
from collections.abc import Callable, Iterator

# Tags of the dynamic section, and sizes of its records (ELF-64 object file format).
_STRINGS, _SYMBOLS, _RELOCATIONS, _RELOCATIONS_SIZE, _CALLS_SIZE, _CALLS = 5, 6, 7, 8, 2, 23
_SYMBOL_BYTES = 24

_READ_WRITE = 3  # PROT_READ | PROT_WRITE

_BIND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, use_errno=True)

_kept: list[object] = []
"""What LightGBM calls must live as long as the process."""


class _Loaded(ctypes.Structure):
    """How the loader knows a library (``struct link_map``, link.h): what a handle points to."""

    _fields_ = (
        ("base", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("dynamic", ctypes.c_size_t),
    )


def listen_at(library: ctypes.CDLL, host: str) -> bool:
    """Let a library listen at one address where it would at all of them.

    Args:
        library: LightGBM's.
        host: An IPv4 address of this machine.

    Returns:
        Whether that could be arranged.
    """
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    libc.bind.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint)
    address = socket.inet_aton(host)

    def bind(number: int, place: int, size: int) -> int:
        # struct sockaddr_in (netinet/in.h): family, port, address.
        given = ctypes.string_at(place, size)
        family = struct.unpack_from("=H", given)[0]
        if family == socket.AF_INET and given[4:8] == bytes(4):
            given = given[:4] + address + given[8:]
        return int(libc.bind(number, given, size))

    slots = list(_slots(_Loaded.from_address(library._handle), b"bind"))
    if not slots:
        return False
    ours = _BIND(bind)
    _kept.append(ours)
    function = ctypes.cast(ours, ctypes.c_void_p).value
    for slot in slots:
        page = slot & -mmap.PAGESIZE
        if libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(mmap.PAGESIZE), _READ_WRITE):
            return False
        ctypes.c_void_p.from_address(slot).value = function
    return True


def _slots(loaded: _Loaded, name: bytes) -> Iterator[int]:
    """Yield where a library keeps the address of a function that it calls in another."""
    found = dict(_tags(loaded.dynamic))

    def table(tag: int) -> int:
        # glibc has put addresses there, musl leaves them relative to the base.
        value = found[tag]
        return value if value >= loaded.base else loaded.base + value

    for tag, size in ((_CALLS, _CALLS_SIZE), (_RELOCATIONS, _RELOCATIONS_SIZE)):
        if tag not in found or size not in found:
            continue
        records = ctypes.string_at(table(tag), found[size])
        for offset, info, _ in struct.iter_unpack("=QQq", records):
            symbol = info >> 32
            if symbol and _name(table, symbol) == name:
                yield loaded.base + offset


def _tags(dynamic: int) -> Iterator[tuple[int, int]]:
    while (pair := struct.unpack("=qQ", ctypes.string_at(dynamic, 16)))[0]:
        yield pair
        dynamic += 16


def _name(table: Callable[[int], int], symbol: int) -> bytes:
    start = struct.unpack("=I", ctypes.string_at(table(_SYMBOLS) + symbol * _SYMBOL_BYTES, 4))[0]
    return ctypes.string_at(table(_STRINGS) + start)
