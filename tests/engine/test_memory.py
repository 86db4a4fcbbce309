"""Memory that does not come from rows: imports, metadata of files, columns, features."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine import memory
from engine.formats.columnar.footer import footer
from engine.formats.columnar.parquet import Parquet
from engine.memory import Boosting, Shape, models, passes, ranks
from engine.memory.columns import SURVEYED
from engine.plan import MIB, Partition, Term
from engine.storage import InputFile

COLUMNS, GROUPS = 2_000, 4


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 8,000 column chunks."""
    path = tmp_path_factory.mktemp("wide") / "wide.parquet"
    draw = np.random.default_rng(1)
    columns = {f"c{i}": draw.random(GROUPS, dtype=np.float32) for i in range(COLUMNS)}
    pq.write_table(pa.table(columns), path, row_group_size=1)
    return path


def alone(code: str, *arguments: object) -> list[int]:
    """Run code in a process of its own and return the whole numbers that it prints."""
    command = [sys.executable, "-c", HEAD + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


HEAD = """
import os, sys
from engine.process import peak, reset_peak
from engine.storage import PLAIN, list_files
from engine.formats.columnar.footer import footer
from engine.formats.columnar.parquet import Parquet
def one(path):
    return list_files(path, (".parquet",), PLAIN)[0]
def start():
    reset_peak()
    return peak()
"""


def test_a_rank_imports_only_what_it_needs(wide: Path) -> None:
    code = """
import engine.boosting.rank.process
from engine.boosting.native import lightgbm
lightgbm()
import engine.training.preparing
file = one(sys.argv[1])
from engine.plan import Slice
Parquet().read(file, Slice(0, 0, 1, 0), ["c0"])
print(*(int(name in sys.modules) for name in ("pandas", "pydantic", "dask", "distributed")))
"""
    assert alone(code, wide) == [0, 0, 0, 0]


def test_opening_holds_no_more_than_is_told_and_keeps_next_to_nothing(
    wide: Path, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"c0": [1.0]}), tmp_path / "small.parquet")
    code = """
footer(one(sys.argv[2]))
wide, before = one(sys.argv[1]), start()
told = Parquet().inspect(wide).held
opened = peak() - before
for _ in range(12):
    footer.cache_clear()
    footer(wide)
print(told, opened, peak() - before)
"""
    told, opened, after = alone(code, wide, tmp_path / "small.parquet")
    assert COLUMNS * GROUPS * 500 < opened <= told
    assert after < opened + 12 * MIB, "each opening leaves something behind"


def test_figures_are_those_of_the_footer(wide: Path) -> None:
    stat = wide.stat()
    foot = footer(InputFile(str(wide), stat.st_size, stat.st_mtime_ns))
    chunk = pq.read_metadata(wide).row_group(2).column(7)
    ours = foot.chunk(2, "c7")
    first = min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
    assert (ours.start, ours.stored, ours.decoded) == (
        first,
        chunk.total_compressed_size,
        chunk.total_uncompressed_size,
    )
    assert ours.stop == first + chunk.total_compressed_size
    assert foot.figures.nbytes < 32 * COLUMNS * GROUPS
    assert [foot.rows_of(group) for group in range(GROUPS)] == [1] * GROUPS
    assert Parquet().inspect(InputFile(str(wide), stat.st_size, stat.st_mtime_ns)).held > 0


SHAPE = Shape([Partition(0, (), 10, 1_000, 1_000, 1_000)], 4, 2, 4, 0)
BOOSTING = Boosting(rows=10, leaves=7, bins=31, row_wise=False)


def total(terms: tuple[Term, ...]) -> int:
    return sum(term.bytes for term in terms)


def test_columns_features_and_metadata_count_in_every_step() -> None:
    wide, deep = replace(SHAPE, columns=10_004), replace(SHAPE, metadata=MIB)
    for terms in (
        lambda shape: memory.survey(shape, 0),
        memory.evaluation,
        lambda shape: memory.scoring(shape, 0, 0),
        lambda shape: memory.profiling(shape, 0),
    ):
        assert total(terms(wide)) - total(terms(SHAPE)) == 2 * 10_000 * passes.COLUMN
        assert total(terms(deep)) - total(terms(SHAPE)) == 2 * MIB
    train = total(memory.training(SHAPE, BOOSTING, computed=False))
    many = total(memory.training(replace(SHAPE, features=10_004), BOOSTING, computed=False))
    assert many - train > 10_000 * ranks.FEATURE
    passed = total(memory.scoring(SHAPE, 0, 10_000)) - total(memory.scoring(SHAPE, 0, 0))
    assert passed == 2 * 10_000 * passes.WRITTEN_COLUMN


def test_libraries_count_once_in_every_step_where_a_worker_may_have_them() -> None:
    loaded = replace(SHAPE, loaded=True)
    for terms in (
        lambda shape: memory.survey(shape, 0),
        lambda shape: memory.profiling(shape, 0),
        lambda shape: memory.writing(shape, 0, 0),
        memory.sorting,
        lambda shape: memory.training(shape, BOOSTING, computed=False),
    ):
        assert total(terms(loaded)) - total(terms(SHAPE)) == passes.LOADED
    # A predictor is one of them.
    for terms in (memory.evaluation, lambda shape: memory.scoring(shape, 0, 0)):
        assert total(terms(loaded)) - total(terms(SHAPE)) == passes.LOADED - models.PREDICTOR


def test_a_survey_counts_the_rows_that_it_draws() -> None:
    all_of_them, half = (total(memory.survey(SHAPE, 0, share)) for share in (1.0, 0.5))
    none = total(memory.survey(SHAPE, 0))
    assert all_of_them - none == 2 * (half - none) == 2 * SHAPE.partitions[0].bytes * SURVEYED
