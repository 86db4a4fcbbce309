"""Keys of queueing systems: what is missing or cannot be is told in words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from cluster import ClusterSpec
from cluster.spec.durations import seconds
from cluster.spec.jobqueue import OUTSIDE, SlurmCluster

ADAPTER: TypeAdapter[Any] = TypeAdapter(ClusterSpec)


def made(kind: str, **given: object) -> Any:
    return ADAPTER.validate_python({"kind": kind, "workers": 2, "memory": "2 GiB"} | given)


def test_resources() -> None:
    spec = made("slurm", threads=2, most=5)
    assert isinstance(spec, SlurmCluster)
    found = spec.resources(remote=True)
    assert (found.workers, found.most, found.threads, found.held) == (2, 5, 2, 4)
    assert found.memory == 2 * 2**30
    assert spec.asked == 2 * 2**30 + OUTSIDE


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("htcondor", "walltime", "4 hours"),
        ("htcondor", "queue", "long"),
        ("slurm", "disk", "1 GiB"),
        ("pbs", "parallel", "smp"),
    ],
)
def test_what_a_system_lacks_is_an_unknown_key(kind: str, key: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        made(kind, **{key: value})
    [error] = refused.value.errors()
    assert (error["type"], error["loc"][-1]) == ("extra_forbidden", key)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"interface": "ib0", "address": "10.1.0.5"}, "not both"),
        ({"most": 1}, "fewer than `workers`"),
        ({"queue": "a b"}, "pattern"),
        ({"directives": ["--nice\nrm -r /"]}, "one line"),
        ({"prologue": "module load python"}, "tuple"),
        ({"shared": "relative"}, "should start with '/' or '~'"),
        ({"wait": "soon"}, "such as '10 minutes'"),
        ({"walltime": "30:00"}, "such as '10 minutes'"),
        ({"walltime": 3600}, "string"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        made("slurm", **given)


def test_grid_engine_needs_a_parallel_environment_for_threads() -> None:
    with pytest.raises(ValidationError, match="needs `parallel`"):
        made("sge", threads=2)
    assert made("sge", threads=2, parallel="smp").parallel == "smp"


def test_htcondor_takes_commands() -> None:
    with pytest.raises(ValidationError, match="name = value"):
        made("htcondor", directives=["+Nice"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90 seconds", 90),
        ("1 minute", 60),
        ("1.5 hours", 5400),
        ("2 days", 172800),
        ("04:00:00", 14400),
        ("100:00:30", 360030),
    ],
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "10", "10 minuets", "0 seconds", "00:00:00", "4h", "1:2:3"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="should be a time such as"):
        seconds(text)


def test_a_spec_that_was_written_down_can_be_read_again() -> None:
    spec = made("slurm", walltime="4 hours", directives=["--nice"], shared="/shared")
    assert ADAPTER.validate_python(spec.model_dump(mode="json")) == spec
