"""The checks of this machine, without a cluster: what a job finds that runs here."""

from __future__ import annotations

import os
import tempfile
from importlib import metadata
from types import SimpleNamespace

import dask
import psutil

from cluster.preflight import code, libraries, scratch
from cluster.preflight.verdict import Finding, Verdict
from cluster.resources import machine_cores, machine_memory
from cluster.settings import THREAD_VARIABLES

HERE = "this machine"

SMALL = 1 << 30
"""Bytes of memory under which it is told: one worker of a small job takes about 400 MiB."""

TOLD = ("dask", "lightgbm", "numpy", "polars", "pyarrow")
"""Libraries whose versions are shown."""


def this_machine() -> list[Verdict]:
    """Look at this machine as a local cluster would use it."""
    facts = libraries.facts(None, libraries.RUNTIME)
    found = code.installed(None)
    folder = code.own_folder()
    shown = f"Python {facts['python']} ({facts['executable']})"
    return [
        Verdict.of("python", [], fine=shown),
        _libraries(facts["versions"]),
        Verdict.of("millrace", [], fine=f"{found['digest'][: code.DIGITS]} in {folder}"),
        _cores(),
        _memory(),
        _scratch(),
        _extras(),
    ]


def _libraries(versions: dict[str, str | None]) -> Verdict:
    missing = [name for name, version in versions.items() if version is None]
    findings = [Finding(HERE, f"{name} is not installed") for name in missing]
    fine = ", ".join(f"{name} {versions[name]}" for name in TOLD)
    hint = f"pip install {' '.join(missing)}"
    return Verdict.of("libraries", findings, fine=fine, hint=hint)


def _cores() -> Verdict:
    """Compare the cores that this process may use with those that libraries count."""
    cores, there = machine_cores(), os.cpu_count() or 1
    unset = [name for name in THREAD_VARIABLES if not os.environ.get(name)]
    findings = []
    if there > cores and unset:
        text = f"{cores} of the {there} cores may be used, but libraries start {there} threads"
        findings.append(Finding(HERE, text, refused=False))
    setting = " ".join(f"{name}={cores}" for name in unset)
    hint = f"workers are told; for this process: export {setting}"
    return Verdict.of("cores", findings, fine=f"{cores} of {there} may be used", hint=hint)


def _memory() -> Verdict:
    usable, physical = machine_memory(), int(psutil.virtual_memory().total)
    fine = f"{_gib(usable)} may be used"
    if usable < physical:
        fine += f" (this container's limit; the machine has {_gib(physical)})"
    little = [Finding(HERE, f"{_gib(usable)} may be used", refused=False)]
    hint = "a small job takes 400 MiB a worker: set `workers = 1`, or give the container more"
    return Verdict.of("memory", little if usable < SMALL else [], fine=fine, hint=hint)


def _scratch() -> Verdict:
    folder = dask.config.get("temporary-directory") or tempfile.gettempdir()
    found = {HERE: scratch.measured(SimpleNamespace(local_directory=folder))}
    verdict = scratch.verdict(found, 0, [])
    if verdict.workers:
        return Verdict(
            verdict.name,
            verdict.status,
            verdict.what,
            "make room there, or set TMPDIR to a folder on a larger disk",
            verdict.workers,
        )
    return Verdict.of("scratch", [], fine=f"{verdict.what} in {folder}")


def _extras() -> Verdict:
    present = [name for name, parts in libraries.EXTRAS.items() if all(map(_is_installed, parts))]
    absent = [name for name in libraries.EXTRAS if name not in present]
    fine = f"present: {', '.join(present) or 'none'}"
    if absent:
        fine += f"; absent: {', '.join(absent)} (pip install 'millrace[{absent[0]}]')"
    return Verdict.of("extras", [], fine=fine)


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
