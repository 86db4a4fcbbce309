"""A small job that can be run against any place: its rows, its parts, and what readers see."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.commit import IfExists, Manifest, Output, Run, run_key, verify
from engine.commit.layout import Layout, located
from engine.commit.manifest import SUCCESS, Kind
from engine.commit.versions import shown
from engine.storage import PLAIN, Access
from tests.engine.commit.tables import stage

PLANNED = (5, 0, 4)


@dataclass(frozen=True)
class Somewhere:
    """Where an output is to go, and what readers find there.

    Attributes:
        location: Path or URL.
        access: How it is reached.
    """

    location: str | Path
    access: Access = PLAIN

    @property
    def layout(self) -> Layout:
        return located(self.location, self.access)

    def names(self, kind: Kind = "data") -> list[str]:
        return sorted(shown(self.layout.place, self.layout.target(kind)))

    def contents(self) -> list[bytes]:
        """Return the bytes of all files that readers see, in the order of their names."""
        place, layout = self.layout.place, self.layout
        names = [f"{layout.target(k)}/{n}" for k in ("data", "rejected") for n in self.names(k)]
        return [place.read(name) or b"" for name in names]

    def rows(self, kind: Kind = "data") -> list[tuple[str, int]]:
        """Return job and id of every row that readers see."""
        found: list[tuple[str, int]] = []
        for name in self.names(kind):
            if name.endswith(".parquet"):
                with self.layout.place.open(f"{self.layout.target(kind)}/{name}") as stream:
                    table = pq.read_table(stream, columns=["job", "id"])
                found += zip(table["job"].to_pylist(), table["id"].to_pylist(), strict=True)
        return found

    def check(self, job: str) -> None:
        """Every row of this job is there once, and nothing else."""
        for kind in ("data", "rejected"):
            wanted = Counter((job, row) for row in range(sum(PLANNED)) if fate(row) == kind)
            assert Counter(self.rows(kind)) == wanted, kind
            assert SUCCESS in self.names(kind)
        versions = self.layout.versions()
        assert len(versions) == len(set(versions))
        assert verify(self.location, self.access).problems == ()


def fate(row: int) -> str:
    return "rejected" if row % 4 == 3 else "data"


@dataclass(frozen=True)
class Job:
    """A job of three parts, one of them without rows.

    Attributes:
        where: Its output.
        name: Stands in every row.
        if_exists: What happens when rows are there.
    """

    where: Somewhere
    name: str = "a"
    if_exists: IfExists = "error"

    @property
    def spec(self) -> dict[str, str]:
        return {"job": self.name}

    @property
    def output(self) -> Output:
        key = run_key(self.spec, PLANNED)
        return Output(self.where.location, key, self.if_exists, self.where.access)

    def begin(self) -> Run:
        return self.output.begin(self.spec, PLANNED)

    def stage(self, run: Run, part: int, value: float = 0.5) -> None:
        ids = range(sum(PLANNED[:part]), sum(PLANNED[: part + 1]))
        kinds = {k: [i for i in ids if fate(i) == k] for k in ("data", "rejected")}
        bad = len(kinds["rejected"])
        tables = [self._table(kinds[k], value) for k in ("data", "rejected")]
        stage(run, part, *tables, rows_in=len(ids), reasons={"four": bad} if bad else {})

    def _table(self, ids: list[int], value: float) -> pa.Table:
        values = {"job": [self.name] * len(ids), "id": ids, "score": [value + i for i in ids]}
        types = [("job", pa.string()), ("id", pa.int64()), ("score", pa.float32())]
        return pa.table(values, schema=pa.schema(types))

    def run(self) -> Manifest:
        output = self.output
        output.preflight()
        if (before := output.committed()) is not None:
            return before
        run = self.begin()
        done = run.done()
        for part in range(len(PLANNED)):
            if part not in done:
                self.stage(run, part)
        return output.commit(run)
