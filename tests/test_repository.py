"""What the files around the code promise: locks, dependencies, the job file in the README."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from jobs.spec.job import JobSpec

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DECLARED = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = [Requirement(r) for extra in PROJECT["optional-dependencies"].values() for r in extra]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PACKAGES = ("engine", "jobs", "cluster")


def locked(lock: Path) -> dict[str, str]:
    """Return the version of each package of a lock file."""
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;\\]+)", lock.read_text(), re.MULTILINE))


def imported() -> Iterator[str]:
    """Yield the top-level name of every absolute import in the three packages."""
    for file in (file for name in PACKAGES for file in (ROOT / name).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                yield node.module.partition(".")[0]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_pins_by_digest_and_names_no_place(lock: Path) -> None:
    text = lock.read_text()
    entries = re.split(r"\n(?=\S)", re.sub(r"(?m)^#.*\n", "", text).strip())
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry
    assert not re.search(r"://|--index|--find-links|--trusted|\bfile:", text)


def test_demo_and_tests_run_on_the_same_versions() -> None:
    runtime, dev = (locked(ROOT / "requirements" / name) for name in ("runtime.txt", "dev.txt"))
    assert runtime.items() <= dev.items()


def test_lock_holds_every_dependency_within_its_bounds() -> None:
    runtime = locked(ROOT / "requirements" / "runtime.txt")
    outside = [str(r) for r in DECLARED if not r.specifier.contains(runtime[r.name])]
    assert outside == []


def test_every_dependency_has_a_floor_and_an_upper_bound() -> None:
    for requirement in DECLARED:
        assert {part.operator for part in requirement.specifier} == {">=", "<"}, requirement


def test_every_dependency_has_its_reason() -> None:
    reasons = set(
        re.findall(r"(?m)^\| ([a-z0-9-]+) \|", (ROOT / "docs/dependencies.md").read_text())
    )
    assert {requirement.name for requirement in DECLARED} <= reasons


def test_every_import_is_a_declared_dependency() -> None:
    own = {*PACKAGES, *sys.stdlib_module_names}
    known = {canonicalize_name(requirement.name) for requirement in (*DECLARED, *EXTRAS)}
    origin = packages_distributions()
    undeclared = {
        name
        for name in set(imported()) - own
        if not known & {canonicalize_name(found) for found in origin.get(name, [name])}
    }
    assert undeclared == set()


def test_every_dependency_is_used() -> None:
    origin = packages_distributions()
    used = {canonicalize_name(found) for name in imported() for found in origin.get(name, [])}
    assert {canonicalize_name(requirement.name) for requirement in DECLARED} - used == set()


def test_job_file_of_the_readme_is_a_job_file() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert [JobSpec.model_validate(tomllib.loads(block)).name for block in blocks] == [
        "flight-delays"
    ]
