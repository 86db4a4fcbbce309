"""Where the secret that ``${secret:NAME}`` stands for is found on this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path

REFERENCE = re.compile(r"\$\{secret:([^}]*)\}")
"""A reference in a text; its group is the name."""

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""What a secret may be called."""

FOLDER_VARIABLE = "MILLRACE_SECRETS"
"""Environment variable that names the folder of secret files; the default is `FOLDER`."""

FOLDER = "/run/secrets"
"""Where Docker and Kubernetes put secret files by custom."""


def variables(name: str) -> tuple[str, str]:
    """Return the environment variables that may hold a secret, the first one first."""
    return f"MILLRACE_SECRET_{name}", name


def file(name: str) -> Path:
    """Return the file that may hold a secret."""
    return Path(os.environ.get(FOLDER_VARIABLE) or FOLDER) / name


def value(name: str) -> str | None:
    """Return the value of a secret, or None where this machine has none.

    The environment is asked first, then the file is read (without its last line end).

    Args:
        name: As in the reference.

    Raises:
        OSError: The file is there and cannot be read.
        UnicodeDecodeError: It is not UTF-8.
    """
    for variable in variables(name):
        if os.environ.get(variable):
            return os.environ[variable]
    try:
        return file(name).read_text("utf-8").rstrip("\r\n") or None
    except FileNotFoundError:
        return None
