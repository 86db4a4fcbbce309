"""The check of shared paths: every worker must see the same files as this machine, and write there.

Data are looked at as they are: some files are compared by size and first bytes, nothing is written
beside them. Where the job writes, a file with a random name is made here, which every worker must
see; each makes one of its own, which must be seen here. A name that nobody has asked for before is
in no cache of an NFS client. All of them are removed again.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from glob import has_magic, iglob
from itertools import islice
from pathlib import Path

from cluster.preflight.asking import Asking
from cluster.preflight.verdict import Finding, Verdict

SAMPLES = 10
"""Files of each location that are compared."""

FIRST = 1024
"""Bytes of them that are compared."""

PROBE = ".millrace-probe-"

Look = tuple[int, str]
"""Size of a file and the digest of its first bytes."""


def looked(server: object, files: list[str]) -> dict[str, Look | str]:
    """Look at files.

    Args:
        server: The Dask worker; not used.
        files: Their paths.

    Returns:
        For each what it looks like, or why it cannot be read.
    """
    found: dict[str, Look | str] = {}
    for path in files:
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                found[path] = (size, hashlib.sha256(file.read(FIRST)).hexdigest())
        except OSError as error:
            found[path] = error.strerror or str(error)
    return found


def exchanged(server: object, number: int, probes: dict[str, str]) -> dict[str, str]:
    """Read a probe in each folder, and write one beside it.

    Args:
        server: The Dask worker; not used.
        number: Tells the probes of workers apart.
        probes: What is in each probe, by its path.

    Returns:
        Why it did not work, by folder; empty when it did.
    """
    failed = {}
    for path, token in probes.items():
        try:
            with open(path) as file:
                if file.read() != token:
                    failed[os.path.dirname(path)] = "shows another content there"
                    continue
        except OSError as error:
            failed[os.path.dirname(path)] = f"does not see a file that was made there ({error})"
            continue
        try:
            with open(f"{path}-{number}", "x") as file:
                file.write(token)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            failed[os.path.dirname(path)] = f"cannot write there: {error.strerror or error}"
    return failed


def cleared(server: object, number: int, probes: list[str]) -> None:
    """Remove what this worker wrote.

    Args:
        server: The Dask worker; not used.
        number: The worker's.
        probes: Paths of the probes.
    """
    for path in probes:
        with suppress(OSError):
            os.unlink(f"{path}-{number}")


async def checked(asking: Asking, readable: list[str], writable: list[str]) -> Verdict:
    """Try all folders on all workers.

    Args:
        asking: The workers.
        readable: Files, folders or patterns that are read.
        writable: Folders that are written to.
    """
    findings = [*await _read(asking, readable), *await _written(asking, writable)]
    count = len(readable) + len(writable)
    fine = f"{count} seen by all workers" if count else "none that a job names"
    hint = (
        "mount the same folders under the same paths on every machine, writable for the user of "
        "the workers, or name an object store"
    )
    return Verdict.of("shared paths", findings, fine=fine, hint=hint)


async def _read(asking: Asking, readable: Iterable[str]) -> list[Finding]:
    files = [file for path in readable for file in await asyncio.to_thread(_sample, path)]
    if not files:
        return []
    own = await asyncio.to_thread(looked, None, files)
    answers = await asking.all(looked, [file for file in files if not isinstance(own[file], str)])
    findings = list(answers.silent)
    for worker, there in answers.found.items():
        odd = [file for file, look in there.items() if look != own[file]]
        if odd:
            look, more = there[odd[0]], len(odd) - 1
            why = look if isinstance(look, str) else "another file than here"
            text = f"{odd[0]}: {why}" + (f", and {more} more files" if more else "")
            findings.append(Finding(worker, text))
    return findings


def _sample(path: str) -> list[str]:
    """Return some files of a location."""
    pattern = path if has_magic(path) else os.path.join(path, "**")
    if os.path.isfile(path):
        return [path]
    return list(islice(filter(os.path.isfile, iglob(pattern, recursive=True)), SAMPLES))


async def _written(asking: Asking, writable: Iterable[str]) -> list[Finding]:
    findings, probes = [], {}
    for folder in dict.fromkeys(map(_nearest, writable)):
        probe, token = folder / f"{PROBE}{secrets.token_hex(8)}", secrets.token_hex(8)
        try:
            probe.write_text(token)
            probes[str(probe)] = token
        except OSError as error:
            text = f"cannot write to {folder}: {error.strerror or error}"
            findings.append(Finding("this machine", text))
    if not probes:
        return findings
    try:
        return [*findings, *await _exchanged(asking, probes)]
    finally:
        await asyncio.to_thread(_tidied, list(probes))


async def _exchanged(asking: Asking, probes: dict[str, str]) -> list[Finding]:
    numbers = {worker: number for number, worker in enumerate(asking.workers)}
    calls = {worker: (number, probes) for worker, number in numbers.items()}
    answers = await asking.each(exchanged, calls)
    findings = list(answers.silent)
    for worker, failed in answers.found.items():
        findings += [Finding(worker, f"{folder}: {why}") for folder, why in failed.items()]
        for probe, token in probes.items():
            folder, own = os.path.dirname(probe), Path(f"{probe}-{numbers[worker]}")
            if folder not in failed and not await asyncio.to_thread(_holds, own, token):
                findings.append(Finding(worker, f"{folder}: what it wrote is not seen here"))
    # Another user's files may not be ours to remove, and some are not to be seen from here.
    await asking.each(cleared, {worker: (numbers[worker], list(probes)) for worker in numbers})
    return findings


def _holds(file: Path, token: str) -> bool:
    try:
        return file.read_text() == token
    except OSError:
        return False


def _tidied(probes: list[str]) -> None:
    for probe in map(Path, probes):
        for file in probe.parent.glob(f"{probe.name}*"):
            with suppress(OSError):
                file.unlink()


def _nearest(folder: str) -> Path:
    """Return the folder, or the nearest above it that there is."""
    path = Path(folder).absolute()
    return next(above for above in (path, *path.parents) if above.is_dir())
