"""Limits of control groups count, and the spec is sized to the machine."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from pydantic import TypeAdapter, ValidationError

from cluster import ClusterError, LocalCluster, Resources, machine_cores, machine_memory
from cluster.spec import Bytes

UNLIMITED_V1 = "9223372036854771712\n"  # what Linux writes when there is no limit


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_memory_without_cgroups_is_physical(tmp_path: Path) -> None:
    assert machine_memory(tmp_path) == psutil.virtual_memory().total


@pytest.mark.parametrize(
    "files",
    [
        {"sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n"},
        {"sys/fs/cgroup/memory.max": "1073741824\n"},
        {
            "proc/self/cgroup": "4:memory:/a/b\n0::/\n",
            "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "1073741824\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": UNLIMITED_V1,
        },
        {
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/b/memory.max": "max\n",
            "sys/fs/cgroup/a/memory.max": "1073741824\n",
        },
    ],
    ids=["v1", "v2", "v1 own group", "v2 parent group"],
)
def test_memory_is_the_cgroup_limit(tmp_path: Path, files: dict[str, str]) -> None:
    assert machine_memory(tree(tmp_path, files)) == 2**30


def test_memory_ignores_absent_limits(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/memory/memory.limit_in_bytes": UNLIMITED_V1,
        "sys/fs/cgroup/memory.max": "max\n",
    }
    assert machine_memory(tree(tmp_path, files)) == psutil.virtual_memory().total


@pytest.mark.parametrize(
    "files",
    [
        {
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        {"sys/fs/cgroup/cpu.max": "150000 100000\n"},
        {"sys/fs/cgroup/cpu.max": "20000 100000\n"},
    ],
    ids=["v1", "v2", "less than one"],
)
def test_cores_are_the_cpu_quota(tmp_path: Path, files: dict[str, str]) -> None:
    assert machine_cores(tree(tmp_path, files)) == 1


def test_cores_without_quota_are_the_affinity(tmp_path: Path) -> None:
    root = tree(tmp_path, {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n"})
    tree(tmp_path, {"sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"})
    assert machine_cores(root) == len(psutil.Process().cpu_affinity())


@pytest.mark.parametrize(
    ("given", "expected"),
    [("2 GiB", 2**31), ("512 MB", 512_000_000), (1024, 1024), ("1.5GiB", 3 * 2**29)],
)
def test_bytes(given: object, expected: int) -> None:
    assert TypeAdapter(Bytes).validate_python(given) == expected


@pytest.mark.parametrize(
    "given", ["much", "2 potatoes", "2 GiB potatoes", "-1 GiB", 0, -1, 2.5, True]
)
def test_bytes_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Bytes).validate_python(given)


def test_local_resources_as_asked() -> None:
    spec = LocalCluster(workers=3, threads=2, memory="100 MiB")
    assert spec.resources() == Resources(workers=3, threads=2, memory=100 * 2**20)
    assert spec.resources().cores == spec.resources().slots == 6
    there = spec.resources(remote=True)
    assert (there.cores, there.held, there.slots) == (6, 4, 12)  # one waits for each that computes


def test_local_resources_sized_to_the_machine() -> None:
    total, found = machine_memory(), LocalCluster().resources()
    assert found.workers == machine_cores()
    assert found.workers * found.memory == pytest.approx(0.8 * total, rel=1e-6)


def test_memory_bounds_the_number_of_workers() -> None:
    assert LocalCluster(memory=int(machine_memory() * 0.7)).resources().workers == 1


def test_more_memory_than_the_machine_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"2 workers of .* GiB") as caught:
        LocalCluster(workers=2, memory=machine_memory()).resources()
    assert "lower" in caught.value.hint


def test_spec_is_frozen_and_closed() -> None:
    spec = LocalCluster()
    with pytest.raises(ValidationError):
        spec.threads = 2  # type: ignore[misc]
    with pytest.raises(ValidationError):
        LocalCluster(threds=2)  # type: ignore[call-arg]
