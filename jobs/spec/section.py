"""What all sections of a job file have in common: the base model and the types of their fields."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationInfo

from cluster.spec.paths import filled

_CREDENTIALS = re.compile(r"^\w+://[^/]*:[^/]*@")

Flag = Annotated[bool, Strict()]
Integer = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Share = Annotated[float, Strict(), Field(gt=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A part of the job file: frozen, and closed to unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, hide_input_in_errors=True
    )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values under the names of the job file; the model reads them back."""
        return self.model_dump(mode="json", by_alias=True)


def _locate(value: str, info: ValidationInfo) -> str:
    """Fill in ``${NAME}`` and put relative paths under the folder of the job file.

    ``info.context`` may hold ``folder`` (a path) and ``environ`` (a mapping).
    """
    if "${secret:" in value and not value.startswith("https://"):
        raise ValueError("a secret has no place in a path: give it under storage")
    if _CREDENTIALS.search(value):
        raise ValueError("holds a user name or password: give it under storage as ${secret:NAME}")
    context = info.context or {}
    text = filled(value, context.get("environ", os.environ))
    folder: Path | None = context.get("folder")
    if folder is None or "://" in text:
        return text
    return os.path.normpath(folder / text)


Location = Annotated[Text, AfterValidator(_locate)]
"""A path or URL; ``${NAME}`` stands for an environment variable."""


_SPAN = re.compile(r"(\d+(?:\.\d+)?) ?(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def seconds(value: str) -> float:
    """Return a time span such as ``90s``, ``30m`` or ``1.5h``; raises `ValueError` on others."""
    match = _SPAN.fullmatch(value)
    if match is None or not float(match[1]):
        raise ValueError('should be a time span such as "90s", "30m" or "2h"')
    return float(match[1]) * _SECONDS[match[2]]


def _is_span(value: str) -> str:
    seconds(value)
    return value


Span = Annotated[str, AfterValidator(_is_span)]
"""A time span: a number with ``s``, ``m``, ``h`` or ``d``; `seconds` reads it."""


def _unique(value: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted(name for name, count in Counter(value).items() if count > 1)
    if twice:
        raise ValueError(f"named twice: {', '.join(twice)}")
    return value


Columns = Annotated[tuple[Text, ...], AfterValidator(_unique)]
"""Names of columns, each once."""

SomeColumns = Annotated[Columns, Field(min_length=1)]
"""Names of columns, at least one."""


def has_version(value: str) -> str:
    """Return a reference such as ``models/x@latest``; raises `ValueError` without a version."""
    path, at, version = value.rpartition("@")
    if not at or not path or not (version == "latest" or version.isdecimal()):
        raise ValueError("names no version: write models/x@latest or models/x@3")
    return value
