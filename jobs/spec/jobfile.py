"""Read a job file: TOML in, a ``JobSpec`` or all of its problems out."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from cluster.spec import ClusterSpec
from engine.errors import SpecError
from jobs.spec.job import JobSpec
from jobs.spec.problems import Key, Problem, problems_of

_TABLE = re.compile(r"\s*\[([^\[\]]+)\]\s*(#.*)?$")
_ASSIGNED = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


class JobFileError(SpecError):
    """The job file cannot be used.

    Args:
        what: What is wrong: a head line, and a line for each problem.
        where: The file.
        hint: What to do.
        problems: The problems, one by one; empty when the file cannot be read at all.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        problems: Sequence[Problem] = (),
    ) -> None:
        """Keep the problems beside the text."""
        super().__init__(what, where=where, hint=hint)
        self.problems = tuple(problems)


def load_job(
    path: str | Path,
    environ: Mapping[str, str] = os.environ,
    *,
    sections: Mapping[str, object] | None = None,
) -> JobSpec:
    """Read, check and resolve a job file.

    Args:
        path: The TOML file. Relative paths in it start at its folder.
        environ: What ``${NAME}`` stands for.
        sections: Sections that go before those of the file.

    Raises:
        JobFileError: The file is missing, is not TOML, or has problems, which are all named.
    """
    return _load(JobSpec, Path(path), environ, sections or {})


def job_of(
    given: Mapping[str, object], folder: Path, environ: Mapping[str, str] = os.environ
) -> JobSpec:
    """Check and resolve a job that is not in a file.

    Args:
        given: The sections, as they would stand in the file.
        folder: Where relative paths in it start.
        environ: What ``${NAME}`` stands for.

    Raises:
        JobFileError: It has problems, which are all named.
    """
    try:
        return JobSpec.model_validate(given, context={"folder": folder, "environ": environ})
    except ValidationError as error:
        raise _refused("the job", problems_of(error, JobSpec, given)) from None


def load_cluster(path: str | Path, environ: Mapping[str, str] = os.environ) -> ClusterSpec:
    """Read the section ``[cluster]`` of a job file, or of a file with no other section.

    Args:
        path: The TOML file. Relative paths in it start at its folder.
        environ: What ``${NAME}`` stands for.

    Raises:
        JobFileError: The file is missing, is not TOML, or the section is not there or has problems.
    """
    return _load(_ClusterFile, Path(path), environ, {}).cluster


class _ClusterFile(BaseModel):
    """A job file of which one section counts."""

    cluster: ClusterSpec


M = TypeVar("M", bound=BaseModel)


def _load(
    model: type[M], file: Path, environ: Mapping[str, str], sections: Mapping[str, object]
) -> M:
    text = _text(file)
    try:
        given = {**tomllib.loads(text), **sections}
    except tomllib.TOMLDecodeError as error:
        hint = "mend the syntax there: https://toml.io/en/v1.0.0"
        raise JobFileError(f"not TOML: {error}", where=str(file), hint=hint) from None
    context = {"folder": file.absolute().parent, "environ": environ}
    try:
        return model.model_validate(given, context=context)
    except ValidationError as error:
        raise _refusal(file, text, problems_of(error, model, given)) from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        what = f"the job file cannot be read: {error.strerror}"
        hint = "`millrace init DATA` writes one" if not file.exists() else None
        raise JobFileError(what, where=str(file), hint=hint) from None
    except UnicodeDecodeError as error:
        what = f"the job file is not UTF-8 text (byte {error.start})"
        raise JobFileError(what, where=str(file), hint="save it as UTF-8") from None


def _refusal(file: Path, text: str, problems: Sequence[Problem]) -> JobFileError:
    keys = list(_keys(text))
    placed = [replace(p, line=_line(p.key, keys)) for p in problems]
    return _refused("the job file", placed, str(file))


def _refused(subject: str, problems: Sequence[Problem], where: str | None = None) -> JobFileError:
    count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
    lines = "".join(f"\n  - {problem}" for problem in problems)
    return JobFileError(
        f"{subject} has {count}:{lines}",
        where=where,
        hint="change these keys; docs/job-file.md describes them all",
        problems=problems,
    )


def _keys(text: str) -> Iterator[tuple[int, Key]]:
    """Yield the line and the full key of each table head and assignment, read line by line."""
    table: Key = ()
    for number, line in enumerate(text.splitlines(), 1):
        if head := _TABLE.match(line):
            table = _parts(head[1])
            yield number, table
        elif assigned := _ASSIGNED.match(line):
            yield number, table + _parts(assigned[1])


def _parts(dotted_key: str) -> Key:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted_key))


def _line(key: Key, keys: Sequence[tuple[int, Key]]) -> int | None:
    """Return the line of a key, or of the nearest thing around it; None for the whole file."""
    around = [(len(known), -number) for number, known in keys if key[: len(known)] == known]
    return -max(around)[1] if around else None
