"""Inputs that are damaged, odd or at odds with each other, in whole jobs.

Each test is named after its row of the fault catalogue (RELIABILITY, section 5). A job ends with a
typed error that names the place and commits nothing, or every row is in one of its places.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cluster.settings
from cluster.session import connect
from engine.errors import (
    ContractRefused,
    InputChanged,
    InputError,
    PlanRefused,
    SpecError,
    TaskFailed,
)
from jobs.sections import sessions
from tests.jobs.input_jobs import (
    Heard,
    files,
    ledger,
    one_cluster,
    plan,
    profiled,
    refused,
    refused_by_plan,
    run,
    scored,
    set_aside,
    table,
    trained,
    write_job,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A trained model, while a cluster stands that all jobs of this module use."""
    with one_cluster():
        yield trained(tmp_path_factory.mktemp("model"))


Score = Callable[..., Path]


@pytest.fixture
def score(tmp_path: Path, model: Path) -> Score:
    """Writes a job that scores with the model."""
    return lambda **given: write_job(tmp_path, "score", model=model, **given)


@pytest.fixture
def profile(tmp_path: Path, model: Path) -> Score:
    """Writes a job that profiles."""
    return lambda **given: write_job(tmp_path, "profile", **given)


def test_row_3_a_file_of_zero_bytes_is_named(tmp_path: Path, score: Score) -> None:
    files(tmp_path, table(20))
    (tmp_path / "data/1.parquet").touch()
    error = refused_by_plan(score(), InputError, "empty (0 bytes)", "data/1.parquet")
    assert error.exit_code == 1


@pytest.mark.parametrize(
    ("path", "kind", "code"),
    [("data", InputError, 1), ("data/*.parquet", InputError, 1), ("nowhere", SpecError, 2)],
)
def test_row_4_a_location_without_data_is_named(
    tmp_path: Path, score: Score, path: str, kind: type[InputError], code: int
) -> None:
    files(tmp_path)
    error = refused_by_plan(score(path=path), kind, str(tmp_path / path))
    assert error.exit_code == code


def test_row_5_files_without_rows_do_no_harm(tmp_path: Path, score: Score) -> None:
    files(tmp_path, *(table(rows, 100 * at) for at, rows in enumerate((0, 30, 0, 0, 20, 0))))
    job = score()
    assert run(job).ledger["scored"] == 50
    assert {name: counts[0] for name, counts in ledger(job).items()} == {
        "1.parquet": 30,
        "4.parquet": 20,
    }


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_row_5_no_rows_at_all_give_a_table_with_its_columns(
    tmp_path: Path, score: Score, ending: str
) -> None:
    (tmp_path / "data").mkdir()
    getattr(table(0), f"write_{ending}")(tmp_path / f"data/0.{ending}")
    job = score(more='columns = ["x"]\n')
    assert run(job).ledger["rows_in"] == 0
    assert scored(job).height == 0
    assert scored(job).columns == ["id", "x", "prediction", "probability"]
    assert scored(job).schema["probability"] == pl.Float32


@pytest.mark.parametrize(("section", "told"), [("train", "train on"), ("profile", "profile")])
def test_row_5_nothing_can_be_learnt_from_no_rows(
    tmp_path: Path, model: Path, section: str, told: str
) -> None:
    files(tmp_path, table(0))
    refused(write_job(tmp_path, section), ContractRefused, f"no row is left to {told}")


def test_row_6_a_column_that_one_file_lacks_is_told_with_the_file(
    tmp_path: Path, score: Score
) -> None:
    files(tmp_path, table(20), table(20, 20).drop("x"))
    error = refused_by_plan(score(), InputError, "'x' is missing in 1 of 2 files")
    assert error.where == str(tmp_path / "data/1.parquet")
    job = score(data="contract.x = { required = false }")
    run(job)
    assert scored(job).height == 40
    assert refused_by_plan_again(score(path="data/1.parquet")) == "there is no column 'x'"


def refused_by_plan_again(job: Path) -> str:
    """Return what is said of a job whose folder holds the output of an earlier one."""
    with pytest.raises(SpecError) as caught:
        plan(job)
    return caught.value.what


def test_row_7_a_column_that_only_one_file_has_is_left_out_with_a_warning(
    tmp_path: Path, score: Score
) -> None:
    files(tmp_path, table(20), table(20, 20).with_columns(extra=1))
    job, heard = score(), Heard()
    result = run(job, heard)
    (told,) = heard.warnings
    assert re.match(r"column 'extra' .*left out", told)
    assert str(tmp_path / "data/0.parquet") in told
    assert told in (Path(result.folder) / "events.jsonl").read_text()
    assert scored(job).height == 40


def test_row_8_types_widen_where_nothing_is_lost(tmp_path: Path, score: Score) -> None:
    narrow = table(20, 20).with_columns(pl.col("n").cast(pl.Int8), pl.col("id").cast(pl.Int32))
    files(tmp_path, table(20), narrow)
    job = score()
    run(job)
    files(tmp_path / "same", table(20), table(20, 20))
    same = write_job(tmp_path / "same", "score", model=tmp_path / "models/m")
    run(same)
    assert scored(job).equals(scored(same))


def test_row_8_a_fraction_is_no_integer(tmp_path: Path, score: Score, model: Path) -> None:
    half = pl.when(pl.col("id") % 10 == 0).then(0.5).otherwise(0.0)
    files(tmp_path, table(20), table(20, 20).with_columns(n=pl.col("n") + half))
    error = refused_by_plan(write_job(tmp_path, "profile"), InputError, "'n' is int64", "float64")
    assert "int64: " in str(error.where) and "1.parquet" in str(error.where)
    job = score()  # the model says that n is int64
    run(job)
    assert ledger(job) == {"0.parquet": (20, 20, 0, 0), "1.parquet": (20, 18, 2, 0)}
    bad = set_aside(job)
    assert bad["row"].to_list() == [0, 10] and bad["id"].to_list() == [20, 30]
    assert bad["reason"].str.contains(r"n is not int64: \d+\.5").all()
    assert bad["value"].str.ends_with(".5").all()


def test_row_9_numbers_and_text_do_not_mix(tmp_path: Path, profile: Score) -> None:
    files(tmp_path, table(20), table(20, 20).with_columns(pl.col("n").cast(pl.String)))
    error = refused_by_plan(profile(), InputError, "'n' is int64 in 1 file and string in 1 file")
    assert f"string: {tmp_path}/data/1.parquet" in str(error.where)


def test_row_10_a_dictionary_is_its_values(tmp_path: Path, score: Score) -> None:
    files(tmp_path, table(40))
    run(plain := score())
    expected = scored(plain)
    coded = table(40)[20:].with_columns(pl.col("kind").cast(pl.Categorical))
    other = tmp_path / "coded"
    files(other, table(40)[:20], coded)
    assert pq.read_schema(other / "data/1.parquet").field("kind").type != pa.large_string()
    run(job := write_job(other, "score", model=tmp_path / "models/m"))
    assert scored(job).equals(expected)


def times(unit: Literal["ms", "us", "ns"], *values: dt.datetime) -> pl.Series:
    return pl.Series("at", values * 10, pl.Datetime(unit))


NEW, FAR = dt.datetime(2008, 1, 1), dt.datetime(3000, 1, 1)


def test_row_11_units_of_time_become_the_finest_and_what_overflows_is_told(
    tmp_path: Path, profile: Score
) -> None:
    files(
        tmp_path,
        table(10).with_columns(times("ms", NEW)),
        table(20, 10).with_columns(times("us", NEW, FAR)),
        table(10, 30).with_columns(times("ns", NEW)),
    )
    job = profile()
    run(job)
    found = profiled(job)
    assert found["ledger"]["good"] == 30 and found["ledger"]["quarantined"] == 10
    (at,) = [column for column in found["columns"] if column["name"] == "at"]
    assert at["min"] == at["max"] and at["min"].startswith("2008-01-01T00:00:00")
    bad = set_aside(job)
    assert set(bad["file"]) == {str(tmp_path / "data/1.parquet")}
    assert bad["row"].to_list() == list(range(1, 20, 2))
    assert bad["reason"].str.contains("at is not datetime[ns]: 3000-01-01", literal=True).all()


def test_row_12_times_with_and_without_a_zone_do_not_mix(tmp_path: Path, profile: Score) -> None:
    at = times("us", NEW)
    zoned = table(10, 10).with_columns(at.dt.replace_time_zone("UTC"))
    files(tmp_path, table(10).with_columns(at), zoned)
    error = refused_by_plan(profile(), InputError, "column 'at' is datetime", "time zone")
    assert f"datetime[us, UTC]: {tmp_path}/data/1.parquet" in str(error.where)


def prices(rows: int, first: int, text: str, digits: int, scale: int) -> pl.DataFrame:
    kind = pl.Decimal(digits, scale)
    return table(rows, first).with_columns(price=pl.Series([Decimal(text)] * rows, dtype=kind))


def test_row_13_decimals_widen_exactly_or_not_at_all(tmp_path: Path, profile: Score) -> None:
    files(tmp_path, prices(9, 0, "12345678.25", 10, 2), prices(9, 9, "1.2345", 10, 4))
    job = profile()
    run(job)
    (price,) = [column for column in profiled(job)["columns"] if column["name"] == "price"]
    assert (price["min"], price["max"], price["distinct"]) == (1.2345, 12345678.25, 2)
    other = tmp_path / "lossy"
    files(other, prices(9, 0, "1.25", 38, 2), prices(9, 9, "1.25", 38, 10))
    lossy = write_job(other, "profile")
    refused_by_plan(lossy, InputError, "decimal(38, 2)", "decimal(38, 10)", "data/1.parquet")


def test_row_14_a_late_text_in_a_csv_column_of_numbers_is_set_aside(
    tmp_path: Path, score: Score
) -> None:
    (tmp_path / "data").mkdir()
    rows = [f"{i},{i / 7},{i},a" for i in range(200)] + ["200,two,7,b", "201,1.5,7"]
    (tmp_path / "data/0.csv").write_text("\n".join(["id,x,n,kind", *rows]) + "\n")
    job = score()
    run(job)
    assert ledger(job) == {"0.csv": (202, 200, 2, 0)}
    head = ["place", "row", "column", "rule", "value", "reason"]
    assert set_aside(job).select(head).rows() == [
        ("line 202", 200, "x", "type float64", "two", "x = two is not float64"),
        (
            "line 203",
            201,
            None,
            "malformed",
            "201,1.5,7",
            "has 3 fields, the header has 4: 201,1.5,7",
        ),
    ]


def test_row_15_bytes_that_are_no_utf_8(tmp_path: Path, score: Score) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/0.csv").write_bytes(b"id,x,n,kind\n1,1,1,a\n2,2,2,caf\xe9\n3,3,3,c\n")
    refused_by_plan(score(), InputError, "byte 29 is 0xE9", "data/0.csv", 'encoding = "latin-1"')
    job = score(data='csv = { encoding = "utf-8" }')
    run(job)
    assert ledger(job) == {"0.csv": (3, 2, 1, 0)}
    (bad,) = set_aside(job).rows(named=True)
    assert bad["place"] == "line 3" and "not valid utf-8" in bad["reason"]
    latin = score(
        data='csv = { encoding = "latin-1" }', more='columns = ["kind"]\nif_exists = "overwrite"'
    )
    run(latin)
    assert scored(latin)["kind"].to_list() == ["a", "café", "c"]


def test_row_16_nan_is_missing_and_infinite_is_refused_by_any_bound(
    tmp_path: Path, score: Score
) -> None:
    odd = {0: np.nan, 1: np.inf, 2: -np.inf}
    files(
        tmp_path, table(20).with_columns(pl.col("id").replace_strict(odd, default=1.0).alias("x"))
    )
    job = score(data="contract.x = { max = 1e300, nulls = 0 }")
    run(job)
    assert ledger(job) == {"0.parquet": (20, 17, 3, 0)}
    told = set_aside(job).select("row", "column", "rule", "value").rows()
    assert told == [
        (0, "x", "nulls 0", "NaN"),
        (1, "x", "finite", "inf"),
        (2, "x", "finite", "-inf"),
    ]
    # Without a rule a missing value is no fault, and an infinite one is larger than any bin.
    free = write_job(tmp_path, "score", more='if_exists = "overwrite"')
    assert run(free).ledger["scored"] == 20
    assert scored(free)["probability"].is_finite().all()


def test_row_21_features_are_found_by_name(tmp_path: Path, score: Score) -> None:
    files(tmp_path, table(40))
    run(ordered := score())
    expected = scored(ordered)
    other = tmp_path / "permuted"
    files(other, table(40).select("kind", "label", "n", "x", "id"))
    run(job := write_job(other, "score", model=tmp_path / "models/m"))
    assert scored(job).equals(expected)
    third = tmp_path / "renamed"
    files(third, table(40).rename({"n": "number"}))
    renamed = write_job(third, "score", model=tmp_path / "models/m")
    refused_by_plan(renamed, SpecError, "there is no column 'n'")
    aliased = write_job(third, "score", data='contract.n = { aliases = ["number"] }')
    run(aliased)
    assert scored(aliased).equals(expected)


def test_row_22_repeated_keys(tmp_path: Path, score: Score) -> None:
    files(tmp_path, table(50), table(50, 49))  # 49 is in both
    declared = score(data="contract.id = { unique = true }")
    error = refused(declared, ContractRefused, "the key (id) is not unique", "id = 49: 2 rows")
    assert error.exit_code == 3
    assert f"{tmp_path}/data/0.parquet, row 49 and {tmp_path}/data/1.parquet, row 0" in str(error)
    job = score()
    assert run(job).ledger["scored"] == 100
    assert sorted(scored(job)["id"]) == sorted([*range(50), *range(49, 99)])


def test_row_23_ten_thousand_columns(tmp_path: Path, score: Score) -> None:
    wide = pl.DataFrame({f"c{i}": pl.Series([i % 7] * 50, dtype=pl.Int8) for i in range(10_000)})
    files(tmp_path, table(50).hstack(wide))
    job = score()
    assert run(job).ledger["scored"] == 50
    train = write_job(tmp_path, "train", memory="500 MiB")
    chosen = 'columns = ["x", "n", "kind"]'
    assert chosen in train.read_text()
    train.write_text(train.read_text().replace(chosen, ""))
    with pytest.raises(PlanRefused, match=r"needs \d+ MiB on each worker, the limit is 500 MiB"):
        plan(train).plan.check()


def test_row_24_a_value_of_100_mb(tmp_path: Path, score: Score) -> None:
    huge = pl.when(pl.col("id") == 3).then(pl.lit("z" * 10**8)).otherwise("kind").alias("kind")
    files(tmp_path, table(10).with_columns(huge))
    job = score()
    assert run(job).ledger["scored"] == 10
    text = tmp_path / "text"
    (text / "data").mkdir(parents=True)
    table(10).with_columns(huge).write_csv(text / "data/0.csv")
    long = write_job(text, "score", model=tmp_path / "models/m")
    refused_by_plan(long, InputError, "longer than 16 MiB", "data/0.csv, line 5")


def test_row_25_one_row_group_is_cut_into_row_ranges(tmp_path: Path, score: Score) -> None:
    (tmp_path / "data").mkdir()
    rows = 1_200_000
    table(rows).write_parquet(tmp_path / "data/0.parquet", row_group_size=rows)
    assert pq.ParquetFile(tmp_path / "data/0.parquet").num_row_groups == 1
    job = score()
    assert len(plan(job).score_partitions) > 1
    result = run(job)
    assert scored(job)["id"].sort().equals(pl.Series("id", range(rows)))
    memory = result.memory["score"]
    assert memory["measured"] and memory["projected"] and memory["measured"] <= memory["projected"]


ODD = (
    "with space",
    "with_space",
    "ünï ✓",
    "a:b",
    "a,b",
    '{"j": 1}',
    "[x]",
    'q"uote',
    "apo'st",
    "back\\slash",
    "tab\there",
    "new\nline",
    "select",
    ".dot.",
    "%41",
    "$x",
    "file",
    "row",
    "y" * 300,
)


def test_row_27_column_names_of_any_characters_train_and_score(tmp_path: Path, model: Path) -> None:
    draw = np.random.default_rng(5)
    values = {name: draw.normal(size=400) for name in ODD}
    files(tmp_path, table(400).with_columns(**values).drop("x", "n"))
    job = write_job(tmp_path, "train", "score")
    names = "[" + ", ".join(_toml(name) for name in (*ODD, "kind")) + "]"
    text = job.read_text().replace('columns = ["x", "n", "kind"]', f"columns = {names}")
    job.write_text(f"{text}columns = {names}\n", encoding="utf-8")
    result = run(job)
    assert scored(job).columns == ["id", *ODD, "kind", "prediction", "probability"]
    assert scored(job).sort("id").select(ODD).equals(pl.DataFrame(values))
    assert result.model is not None
    assert "feature_names=f0 f1 f2 " in (result.model / "model.txt").read_text()


def _toml(text: str) -> str:
    return '"' + re.sub(r'["\\]|[\t\n]', lambda m: f"\\u{ord(m[0]):04x}", text) + '"'


def test_row_27_names_that_millrace_uses_itself(tmp_path: Path, score: Score) -> None:
    ours = ("__row", "__reason", "__malformed", "__value")
    extra = {name: pl.lit(7) for name in ours}
    files(tmp_path, table(20).with_columns(pl.lit("mine").alias("file"), **extra))
    job, heard = score(data="contract.x = { max = 0 }\ncontract.file = {}"), Heard()
    run(job, heard)
    told = " ".join(heard.warnings)
    assert all(re.search(f"{name!r}.* left out", told) for name in ours)
    bad = set_aside(job)
    assert set(bad["data.file"]) == {"mine"} and set(bad["file"]) == {
        str(tmp_path / "data/0.parquet")
    }
    assert ledger(job)["0.parquet"][2] == bad.height == (table(20)["x"] > 0).sum()


def test_row_28_what_is_not_data_is_not_read(tmp_path: Path, score: Score) -> None:
    files(tmp_path, table(20))
    (tmp_path / "data/_temporary").mkdir()
    (tmp_path / "data/.stage").mkdir()
    for name in (
        "_metadata",
        "_common_metadata",
        "_SUCCESS",
        ".hidden.parquet",
        "_x.parquet",
        "notes.txt",
        ".0.parquet.crc",
        "_temporary/0.parquet",
        ".stage/0.parquet",
    ):
        (tmp_path / "data" / name).write_bytes(b"not a table")
    job = score()
    run(job)
    assert ledger(job) == {"0.parquet": (20, 20, 0, 0)}


Write = Callable[[pl.DataFrame, Path], object]
WRITERS: dict[str, Write] = {
    "parquet": lambda frame, path: frame.write_parquet(path),
    "csv": lambda frame, path: frame.write_csv(path),
    "csv.gz": lambda frame, path: frame.write_csv(path, compression="gzip"),
    "ndjson": lambda frame, path: frame.write_ndjson(path),
    "arrow": lambda frame, path: frame.write_ipc(path),
}


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("act", ["deleted", "replaced"])
def test_rows_29_and_30_a_file_deleted_or_replaced_after_the_plan(
    tmp_path: Path, score: Score, act: str, ending: str
) -> None:
    (tmp_path / "data").mkdir()
    for number in (0, 1):
        WRITERS[ending](table(50, 50 * number), tmp_path / f"data/{number}.{ending}")
    file = tmp_path / f"data/1.{ending}"
    change = file.unlink if act == "deleted" else lambda: WRITERS[ending](table(50, 900), file)
    told = "vanished" if act == "deleted" else "changed"
    refused(score(), InputChanged, told, str(file), reporter=Heard("score", change))


@pytest.mark.parametrize("step", ["prepare", "train", "profile"])
def test_rows_29_and_30_in_training_and_profile(tmp_path: Path, model: Path, step: str) -> None:
    files(tmp_path, table(300), table(300, 300))
    file = tmp_path / "data/1.parquet"
    heard = Heard(step, lambda: table(300, 900).write_parquet(file))
    job = write_job(tmp_path, "profile" if step == "profile" else "train")
    refused(job, InputChanged, "changed", str(file), reporter=heard)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("path", ["data", "data/**/*.parquet"])
def test_row_31_links_that_loop_or_double_count_no_row_twice(
    tmp_path: Path, score: Score, path: str
) -> None:
    files(tmp_path, table(30))
    (tmp_path / "data/sub").mkdir()
    (tmp_path / "data/sub/loop").symlink_to("..")
    (tmp_path / "data/sub/again.parquet").symlink_to("../0.parquet")
    os.link(tmp_path / "data/0.parquet", tmp_path / "data/sub/hard.parquet")
    job = score(path=path)
    run(job)
    assert sorted(scored(job)["id"]) == list(range(30))


def test_row_31_links_out_of_the_folder_and_to_themselves_are_named(
    tmp_path: Path, score: Score
) -> None:
    files(tmp_path, table(30))
    files(tmp_path / "other", table(30))
    link = tmp_path / "data/1.parquet"
    link.symlink_to(tmp_path / "other/data/0.parquet")
    refused_by_plan(score(), InputError, "leads out of the data folder", str(link), "other/data")
    link.unlink()
    link.symlink_to("1.parquet")
    refused_by_plan(score(), InputError, "symbolic links", str(link))


def bomb(path: Path, rows: int) -> None:
    """Write a file of a few kB whose last column is 1 MB a row once its dictionary is undone."""
    path.parent.mkdir(parents=True)
    blob = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * 10**6])
    pq.write_table(table(rows).to_arrow().append_column("blob", blob), path, compression="zstd")
    assert path.stat().st_size < 200_000


def test_row_33_a_bomb_is_not_unfolded_where_nobody_asks_for_it(
    tmp_path: Path, score: Score
) -> None:
    bomb(tmp_path / "data/0.parquet", 200)
    job = score()
    assert run(job).ledger["scored"] == 200
    run(flat := write_job(tmp_path, "profile"))
    (blob,) = [column for column in profiled(flat)["columns"] if column["name"] == "blob"]
    assert blob["distinct"] == 1 and blob["length"]["max"] == 10**6


@pytest.mark.slow
def test_row_33_a_bomb_that_kills_its_worker_ends_in_a_typed_error(
    tmp_path: Path, score: Score, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A cluster of its own, since its workers die: twice, and not six times as by default.
    monkeypatch.setattr(sessions, "connect", connect)
    monkeypatch.setitem(cluster.settings.SETTINGS, "distributed.scheduler.allowed-failures", 1)
    bomb(tmp_path / "data/0.parquet", 5_000)
    job = score(more='columns = ["blob"]\n')
    error = refused(job, TaskFailed, "took several workers down", "more memory")
    assert error.exit_code == 1
