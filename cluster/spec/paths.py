"""Paths in a job file: they start at its folder, and may name environment variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

_REFERENCE = re.compile(r"\$\{(\w+)\}")


def filled(value: str, environ: Mapping[str, str]) -> str:
    """Return a text with ``${NAME}`` replaced; raises `ValueError` when one is not set.

    Args:
        value: The text.
        environ: What the names stand for.
    """
    missing = [name for name in _REFERENCE.findall(value) if name not in environ]
    if missing:
        names = ", ".join(missing)
        raise ValueError(f"the environment variable {names} is not set")
    return _REFERENCE.sub(lambda match: environ[match[1]], value)


def _located(value: Path, info: ValidationInfo) -> Path:
    # The context may hold `folder` (a path) and `environ` (a mapping), as for all of a job file.
    context = info.context or {}
    path = Path(filled(str(value), context.get("environ", os.environ)))
    folder: Path | None = context.get("folder")
    return Path(os.path.normpath(folder / path)) if folder else path


LocalPath = Annotated[Path, AfterValidator(_located)]
"""A path of this machine; ``${NAME}`` stands for an environment variable."""
