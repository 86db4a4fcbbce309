"""The millrace of this process as a wheel: made of its files, without a build tool or a network.

Format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/. The same
files give the same bytes: names are sorted, times are fixed. Its dependencies are pinned to what is
installed here, because that is what a worker must have.
"""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cluster.preflight.code import DIGITS, digest, own_folder, sources
from cluster.preflight.libraries import RUNTIME

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a ZIP file can state


@dataclass(frozen=True)
class Wheel:
    """A wheel.

    Args:
        name: Its file name.
        data: Its bytes.
        digest: Of the sources in it, as `code.digest` has it.
    """

    name: str
    data: bytes
    digest: str


def wheel(folder: Path | None = None) -> Wheel:
    """Make a wheel of the packages in a folder.

    Args:
        folder: Where they are; left out: those of this process.
    """
    folder = folder or own_folder()
    code = digest(folder)
    version = f"{_version()}+{code[:DIGITS]}"
    info = f"millrace-{version}.dist-info"
    files = {name: file.read_bytes() for name, file in sources(folder).items()}
    files |= {
        f"{info}/METADATA": _metadata(version),
        f"{info}/WHEEL": _WHEEL,
        f"{info}/entry_points.txt": b"[console_scripts]\nmillrace = jobs.cli:main\n",
    }
    record = "".join(f"{name},{_hash(data)},{len(data)}\n" for name, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    return Wheel(f"millrace-{version}-py3-none-any.whl", _zipped(files), code)


def written(folder: Path) -> Path:
    """Write the wheel of this process.

    Args:
        folder: Where to; made if need be.
    """
    made = wheel()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / made.name
    file.write_bytes(made.data)
    return file


_WHEEL = b"Wheel-Version: 1.0\nGenerator: millrace\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def _version() -> str:
    try:
        return metadata.version("millrace").partition("+")[0]
    except metadata.PackageNotFoundError:
        return "0"  # run from its source


def _metadata(version: str) -> bytes:
    needed = [f"Requires-Dist: {name}=={metadata.version(name)}" for name in RUNTIME]
    python = f"Requires-Python: =={sys.version_info.major}.{sys.version_info.minor}.*"
    head = ["Metadata-Version: 2.1", "Name: millrace", f"Version: {version}", python]
    return "\n".join([*head, *needed, ""]).encode()


def _hash(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def _zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is made: says how to read the next line
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return packed.getvalue()
