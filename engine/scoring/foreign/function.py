"""A Python function as a model, by its import path."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from engine.errors import SpecError
from engine.scoring.foreign.files import content, digest
from engine.scoring.foreign.loader import Loaded


@dataclass(frozen=True)
class Function:
    """A function that takes a Polars data frame and returns columns.

    Attributes:
        path: ``package.module:name``.
        setup: A function of the same module that is called once in each process, without
            arguments; the function gets what it returns as its second argument.
        files: Files that they load; their SHA-256 are part of the model's identity.
    """

    path: str
    setup: str | None = None
    files: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Name the function."""
        return f"the function {self.path}"

    @property
    def section(self) -> str:
        """Its part of the job file."""
        return "score.function"

    def options(self) -> dict[str, Any]:
        """Return the import path and the name of the setup."""
        return {"path": self.path, "setup": self.setup}

    def load(self, inputs: tuple[str, ...], columns: tuple[str, ...], threads: int) -> Loaded:
        """Import the module, set up, and note the code that was loaded for it."""
        module, _, name = self.path.partition(":")
        digests = {f"file {path}": digest(content(path)) for path in self.files}
        call = _found(module, name)
        if self.setup is not None:
            call = partial(_with, call, _found(module, self.setup)())
        return Loaded(call, {**digests, **_code(module.partition(".")[0])})


def _with(call: Callable[..., Any], loaded: Any, frame: Any) -> Any:
    return call(frame, loaded)


def _found(module: str, name: str) -> Callable[..., Any]:
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise SpecError(
            f"cannot be imported: {error}",
            hint="install its package where millrace runs, on the workers too",
        ) from error
    if not callable(found):
        raise SpecError(f"has {name}, which is not a function")
    called: Callable[..., Any] = found
    return called


def _code(top: str) -> dict[str, str]:
    """Return one digest of all modules of a package that are loaded, and its version.

    What a module reads later, or imports from other packages, is not seen: those have versions.
    """
    files = {
        name: Path(file).read_bytes()
        for name, module in list(sys.modules.items())
        if (name == top or name.startswith(f"{top}."))
        and (file := getattr(module, "__file__", None))
        and Path(file).is_file()
    }
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\n".encode())
    found = packages_distributions().get(top, [])
    versions = {f"version of {name}": version(name) for name in sorted(set(found))}
    return {"code": whole.hexdigest(), **versions}
