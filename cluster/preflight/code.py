"""The check of millrace itself: every worker must run the same code, not only the same version."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any

from cluster.preflight.asking import Asking
from cluster.preflight.verdict import Finding, Verdict

PACKAGES = ("cluster", "engine", "jobs")

SHIPPED = "millrace-code-"
"""What the names of folders begin with into which a session unpacks its own code."""

DIGITS = 12
"""Hexadecimal digits of a digest that are shown: 48 bits."""


def sources(folder: Path) -> dict[str, Path]:
    """Return the files of the packages in a folder by their names, sorted; byte code left out."""
    found = {}
    for package in PACKAGES:
        for file in (folder / package).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc":
                found[file.relative_to(folder).as_posix()] = file
    return dict(sorted(found.items()))


def digest(folder: Path) -> str:
    """Return the SHA-256 of all sources in a folder, names and bytes."""
    whole = hashlib.sha256()
    for name, file in sources(folder).items():
        whole.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def installed(server: object) -> dict[str, Any]:
    """Return which code this process would import.

    Args:
        server: The Dask worker; not used.

    Returns:
        ``folder`` and ``digest``, both empty when one of the packages is missing; ``packages``,
        those that there are, with their folders.
    """
    importlib.invalidate_caches()
    packages = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:  # a folder without __init__ is no package
            packages[name] = str(Path(spec.origin).parent)
    folders = {os.path.dirname(folder) for folder in packages.values()}
    if len(packages) < len(PACKAGES) or len(folders) > 1:
        return {"folder": "", "digest": "", "packages": packages}
    folder = folders.pop()
    return {"folder": folder, "digest": digest(Path(folder)), "packages": packages}


def own_folder() -> Path:
    """Return the folder that this process's packages are in."""
    return Path(__file__).resolve().parents[2]


def lacking(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return who has no millrace at all, of those that said what they have."""
    return [worker for worker, there in found.items() if not there["packages"]]


async def asked(asking: Asking) -> dict[str, dict[str, Any]]:
    """Return which code the workers and the scheduler have; who does not answer is left out."""
    return (await asking.everyone(installed)).found


async def checked(asking: Asking) -> Verdict:
    """Compare the code of all workers and of the scheduler with that of this process.

    Args:
        asking: The workers.
    """
    return verdict(await asked(asking))


def verdict(found: dict[str, dict[str, Any]]) -> Verdict:
    """Compare their code with that of this process; to have none is no fault.

    Another millrace is refused, and not covered by ours: the worker may have imported some of it
    already (a preload does), and a process with modules of two versions is worse than a stop.

    Args:
        found: What `installed` said, by worker.
    """
    own, missing = digest(own_folder()), lacking(found)
    findings = [
        Finding(worker, _difference(there, own))
        for worker, there in found.items()
        if worker not in missing and there["digest"] != own
    ]
    shipped = any(_shipped(there["folder"]) for there in found.values() if there["digest"] != own)
    fine = f"the same code everywhere ({own[:DIGITS]})"
    if missing:
        fine = f"not installed on {len(missing)} of {len(found)}: the session brings its own"
    hint = (
        "restart the scheduler and the workers: they hold the code that another session brought"
        if shipped
        else "there: `pip uninstall millrace`, then a session brings its own; or install the wheel "
        "that `millrace doctor --wheel FOLDER` writes; then restart the workers"
    )
    return Verdict.of("millrace", findings, fine=fine, hint=hint)


def _shipped(folder: str) -> bool:
    return os.path.basename(folder).startswith(SHIPPED)


def _difference(there: dict[str, Any], own: str) -> str:
    if there["digest"]:
        return f"other code ({there['digest'][:DIGITS]} in {there['folder']}) instead of {own[:12]}"
    packages = ", ".join(f"`{name}` in {folder}" for name, folder in there["packages"].items())
    return f"something else has the name of a package of millrace: {packages}"
