"""What is made of answers: which differences stop a job, which are only told."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import ClusterError
from cluster.preflight import clocks, code, libraries, memory, pools, ports, scratch
from cluster.preflight.examination import refuse
from cluster.preflight.needs import on_disk
from cluster.preflight.verdict import Finding, Status, Verdict

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GIB = 2**30


def named(requirement: str) -> str:
    return requirement.partition(">")[0].partition("=")[0]


def test_what_is_compared_is_what_the_project_depends_on() -> None:
    assert list(libraries.RUNTIME) == sorted(map(named, PROJECT["dependencies"]))
    extras = PROJECT["optional-dependencies"]
    assert {name: tuple(map(named, extras[name])) for name in extras} == libraries.EXTRAS
    assert {*libraries.BITS, "dask", "distributed"} <= {*libraries.RUNTIME}


def test_the_worst_counts_and_comes_first() -> None:
    findings = [Finding("a", "late", refused=False), Finding("b", "gone"), Finding("b", "odd")]
    found = Verdict.of("x", findings, fine="fine", hint="mend it")
    assert (found.status, found.what) == (Status.REFUSED, "b: gone; odd (and 1 more)")
    assert found.workers == {"b": "gone; odd", "a": "late"}
    assert found.to_dict()["status"] == "refused"
    assert Verdict.of("x", findings[:1], fine="fine").status is Status.NOTE
    fine = Verdict.of("x", [], fine="fine", hint="mend it")
    assert (fine.status, fine.what, fine.hint, fine.workers) == (Status.OK, "fine", "", {})


def test_all_reasons_are_told_at_once() -> None:
    refused = [
        Verdict.of("x", [Finding("a", "gone")], fine="", hint="mend x"),
        Verdict.of("y", [], fine="fine"),
        Verdict.of("z", [Finding("b", "odd")], fine="", hint="mend z"),
    ]
    with pytest.raises(ClusterError) as error:
        refuse(refused)
    told = "the cluster is not fit for this job:\n  - x: a: gone\n  - z: b: odd"
    assert error.value.what == told
    assert error.value.hint.startswith("mend x; mend z (`millrace doctor")
    refuse([refused[1], Verdict.of("n", [Finding("a", "late", refused=False)], fine="")])


def facts(python: str = "3.11.7", machine: str = "x86_64", **versions: str | None) -> Any:
    known = {"dask": "1", "polars": "2.1.0", "rich": "15"}
    told = {**known, **versions}
    return {"python": python, "machine": machine, "executable": "/v/bin/python", "versions": told}


@pytest.mark.parametrize(
    ("there", "python", "library"),
    [
        (facts(), "ok", "ok"),
        (facts(python="3.11.2"), "ok", "ok"),
        (facts(python="3.12.7"), "refused", "ok"),
        (facts(machine="aarch64"), "note", "ok"),
        (facts(dask="2"), "ok", "refused"),
        (facts(polars="2.1.1"), "ok", "refused"),
        (facts(rich="14"), "ok", "note"),
        (facts(rich=None), "ok", "refused"),
    ],
)
def test_versions(there: Any, python: str, library: str) -> None:
    here = facts()
    assert libraries.python_verdict({"w": there}, here, []).status == python
    assert libraries.library_verdict({"w": there}, here).status == library


def test_the_line_to_run() -> None:
    there = facts(polars="2.0.0", rich="14", dask=None)
    line = libraries.pip_line(there, facts())
    assert line == "/v/bin/python -m pip install 'dask==1' 'polars==2.1.0'"


def test_code() -> None:
    own = code.digest(code.own_folder())
    same = {"folder": "/x", "digest": own, "packages": {"engine": "/x/engine"}}
    none = {"folder": "", "digest": "", "packages": {}}
    part = {"folder": "", "digest": "", "packages": {"engine": "/y/engine"}}
    brought = {**same, "digest": "0" * 64, "folder": "/t/millrace-code-x1"}
    assert code.verdict({"w": same}).what == f"the same code everywhere ({own[:12]})"
    assert code.verdict({"w": none, "v": same}).what.startswith("not installed on 1 of 2")
    odd = code.verdict({"w": part})
    assert odd.status is Status.REFUSED and "`engine` in /y/engine" in odd.what
    stale = code.verdict({"w": brought})
    assert stale.status is Status.REFUSED and stale.hint.startswith("restart the scheduler")


def test_clocks() -> None:
    found = clocks.verdict({"a": 1.9, "b": -2.5, "c": 3600.0}, [])
    assert found.status is Status.NOTE
    assert found.workers == {"b": "2.5 s behind", "c": "3,600.0 s ahead"}
    assert clocks.verdict({"a": -0.2}, []).what == "within 0.2 s"


@pytest.mark.parametrize(
    ("free", "error", "needed", "status"),
    [
        (10 * GIB, "", 0, "ok"),
        (GIB // 2, "", 0, "note"),
        (10 << 20, "", 0, "refused"),
        (10 * GIB, "", 11 * GIB, "refused"),
        (10 * GIB, "Disk quota exceeded", 0, "refused"),
    ],
)
def test_scratch(free: int, error: str, needed: int, status: str) -> None:
    there = {"folder": "/t", "free": free, "error": error}
    assert scratch.verdict({"w": there}, needed, []).status == status


@pytest.mark.parametrize(
    ("limit", "machine", "status"),
    [
        (2 * GIB, 8 * GIB, "ok"),
        (GIB, 8 * GIB, "refused"),
        (2 * GIB, GIB, "refused"),
        (16 * GIB, 8 * GIB, "note"),
        (0, 8 * GIB, "note"),
    ],
)
def test_memory(limit: int, machine: int, status: str) -> None:
    there = {"host": "h", "limit": limit, "machine": machine}
    assert memory.verdict({"w": there}, 2 * GIB, []).status == status


def test_a_crowded_host_is_a_note() -> None:
    there = {"host": "h", "limit": 2 * GIB, "machine": 5 * GIB}
    assert memory.verdict({"a": there, "b": there}, 2 * GIB, []).status is Status.OK
    crowded = memory.verdict({"a": there, "b": there, "c": there}, 2 * GIB, [])
    assert crowded.status is Status.NOTE
    assert "3 workers on h may use 6.00 GiB together, it has 5.00 GiB" in crowded.what


def test_thread_pools() -> None:
    told = {"POLARS_MAX_THREADS": None, "OMP_NUM_THREADS": "1"}
    wide = pools.verdict({"w": {"threads": 1, "cores": 8, "told": told}}, [])
    assert wide.status is Status.NOTE
    assert wide.workers == {"w": "POLARS_MAX_THREADS not set: 8 threads for a worker of 1"}
    assert "POLARS_MAX_THREADS=1" in wide.hint
    narrow = pools.verdict({"w": {"threads": 8, "cores": 8, "told": told}}, [])
    assert narrow.status is Status.OK


def test_pairs() -> None:
    found = ports.verdict({"a": {"b": "x:1 does not answer"}, "b": {}}, [])
    assert (found.status, found.what) == (
        Status.REFUSED,
        "a: cannot connect to b (x:1 does not answer)",
    )
    assert ports.verdict({"a": {}}, []).what == "there is one worker"


def test_urls_are_no_folders() -> None:
    assert on_disk(("/a", "s3://b/c", "/a", "postgresql://x")) == ["/a"]
