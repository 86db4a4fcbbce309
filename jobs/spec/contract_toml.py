"""A contract as TOML: the text that ``millrace profile --write-contract`` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time

from jobs.spec.problems import is_bare


def contract_toml(name: str, rules: Mapping[str, Mapping[str, object]]) -> str:
    """Return the table ``[data.<name>.contract]`` with one line for each column.

    Args:
        name: Name of the data.
        rules: Rule of each column, in the order of the data; a part that is ``None`` is left out.

    Returns:
        TOML text that ends with a line end. Dates and times in it are ISO 8601 text.

    Raises:
        TypeError: A part is neither a scalar nor a list of scalars.
    """
    lines = (f"{_key(column)} = {_table(rule)}" for column, rule in rules.items())
    return "\n".join([f"[data.{_key(name)}.contract]", *lines, ""])


def _table(rule: Mapping[str, object]) -> str:
    parts = [f"{_key(key)} = {_value(value)}" for key, value in rule.items() if value is not None]
    return f"{{ {', '.join(parts)} }}" if parts else "{}"


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, date | datetime | time):
        return _text(value.isoformat())
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    raise TypeError(f"{value!r} has no place in a contract")


def _text(text: str) -> str:
    """Write a basic string; JSON's only difference is DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if is_bare(name) else _text(name)
