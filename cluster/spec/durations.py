"""Lengths of time in a job file."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}

_IN_WORDS = re.compile(r"(\d+(?:\.\d+)?) ?(second|minute|hour|day)s?")
_CLOCK = re.compile(r"(\d{1,4}):([0-5]\d):([0-5]\d)")


def seconds(text: str) -> float:
    """Return the seconds that a text such as ``"10 minutes"`` or ``"04:00:00"`` stands for.

    Raises:
        ValueError: It is neither, or not more than zero.
    """
    if found := _IN_WORDS.fullmatch(text):
        total = float(found[1]) * UNITS[found[2]]
    elif found := _CLOCK.fullmatch(text):
        total = float(int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]))
    else:
        total = 0.0
    if total <= 0:
        # "30:00" means minutes to one queue and hours to another, so it is none of ours.
        raise ValueError("should be a time such as '10 minutes', '4 hours' or '04:00:00'")
    return total


def _is_duration(text: str) -> str:
    seconds(text)
    return text


Duration = Annotated[str, AfterValidator(_is_duration), Field(strict=True)]
"""A length of time: text such as ``"10 minutes"``, ``"4 hours"`` or ``"04:00:00"``."""
