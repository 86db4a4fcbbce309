"""Secrets by reference: ``${secret:NAME}`` is filled in where it is used, masked in all messages.

A job file, a plan, a pickled task and a log hold the reference only. The value is looked up on the
machine that opens the store, and is never put into an object that travels.
"""

from __future__ import annotations

import json
from urllib.parse import quote

from cluster import secrets
from engine.errors import SpecError

MASK = "***"

_SHORTEST = 4
"""Characters: masking anything shorter would make messages unreadable."""

_used: set[str] = set()
"""Every spelling of every secret that was filled in by this process."""


def fill(text: str) -> str:
    """Return the text with each ``${secret:NAME}`` replaced by its value.

    The environment is asked for ``MILLRACE_SECRET_<NAME>``, then for ``NAME``; then the file
    ``NAME`` in the folder that ``MILLRACE_SECRETS`` names is read (without its last line end).

    Raises:
        SpecError: A reference has no value here, or its name cannot be one.
    """
    return secrets.REFERENCE.sub(lambda match: _value(match[1]), text)


def is_reference(text: str) -> bool:
    """Return whether the text is one reference and nothing else."""
    return secrets.REFERENCE.fullmatch(text) is not None


def without_references(text: str) -> str:
    """Return the text with every reference cut out: what is written in clear."""
    return secrets.REFERENCE.sub("", text)


def redact(text: str) -> str:
    """Return the text with every secret that this process has filled in so far masked."""
    for spelling in sorted(tuple(_used), key=len, reverse=True):
        text = text.replace(spelling, MASK)
    return text


def _value(name: str) -> str:
    if not secrets.NAME.fullmatch(name):
        raise SpecError(
            "a secret's name is made of letters, digits, _ . and -",
            where=f"${{secret:{name}}}",
            hint="write it as ${secret:NAME}",
        )
    path = secrets.file(name)
    try:
        value = secrets.value(name)
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            "this file of a secret cannot be read as text",
            where=str(path),
            hint="check who may read it; it must be UTF-8",
        ) from error
    if not value:
        first, second = secrets.variables(name)
        raise SpecError(
            "this secret has no value on this machine",
            where=f"${{secret:{name}}}",
            hint=f"set {first} or {second} in the environment, or write the file {path}",
        )
    _remember(value)
    return value


def _remember(value: str) -> None:
    """Note a secret as it is, in a URL, in JSON, and line by line (keys are written in lines)."""
    for plain in (value, *value.splitlines()):
        spellings = {plain, quote(plain, safe=""), quote(plain), json.dumps(plain)[1:-1]}
        _used.update(spelling for spelling in spellings if len(spelling) >= _SHORTEST)
