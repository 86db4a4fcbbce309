"""The section [prepare]: every row once, training rows apart, same bytes however data are cut."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from engine.data.dataset import Dataset
from engine.errors import ContractRefused, OutputRefused, SpecError
from engine.registry import open_pipeline
from engine.reserved import ROW
from engine.split import Split
from jobs.planning.plan import plan_job
from jobs.spec.jobfile import JobFileError, load_job
from tests.jobs.input_jobs import files, one_cluster, run, table

HEAD = """
name = "prepared"
[cluster]
workers = 1
memory = "1 GiB"
[data.table]
path = "data"
key = ["id"]
where = "n < 49"
contract.x = { max = 2.5 }
"""
FEATURES = """
[features]
derive.twice = "x * 2"
derive.more = "n + twice"
steps = [
  { impute = ["x"], with = "mean" },
  { encode = ["kind"], with = "target", folds = 4 },
  { scale = ["kind", "n"], with = "standard" },
]
"""
PREPARE = """
[prepare]
data = "table"
output = "out"
target = "label"
split = { by = "stratified", valid = 0.2, test = 0.1 }
columns = ["label"]
label = "y"
pipeline = "pipelines/p"
"""


@pytest.fixture(scope="module", autouse=True)
def cluster() -> object:
    with one_cluster():
        yield


def job(folder: Path, *sections: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "job.toml"
    path.write_text(HEAD + "".join(sections), encoding="utf-8")
    return path


def rows_of(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "out").sort("id")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    frame = table(3_000).with_columns(
        label=pl.when(pl.col("id") % 100 == 7).then(None).otherwise("label")
    )
    files(folder, frame[:1_000], frame[1_000:])
    result = run(job(folder, FEATURES, PREPARE))
    assert result.prepared == folder / "out"
    return folder


def test_every_row_is_there_once_or_its_reason_is(done: Path) -> None:
    data = pl.read_parquet(done / "data/*.parquet")
    rejected = pl.read_parquet(done / "out.quarantine/*.parquet")
    assert set(rejected["id"]) == set(data.filter(pl.col("x") > 2.5)["id"]) != set()
    kept = data.filter((pl.col("x") <= 2.5) & (pl.col("n") < 49)).sort("id")
    found = rows_of(done)
    assert found["id"].to_list() == kept["id"].to_list()
    assert found.columns == ["id", "label", "x", "n", "kind", "twice", "more", "y", "split"]
    assert found["y"].to_list() == kept["label"].cast(pl.Float32).to_list()
    unlabelled = kept["label"].is_null()
    assert unlabelled.sum() > 10
    assert found.filter(unlabelled)["split"].is_null().all()


def test_a_stratified_split_holds_out_the_share_of_every_value(done: Path) -> None:
    counts = rows_of(done).drop_nulls("y").group_by("y", "split").len()
    for part in counts.partition_by("y"):
        total = part["len"].sum()
        of = dict(part.select("split", "len").iter_rows())
        assert of["test"] == round(total * 0.1)
        assert of["valid"] + of["test"] == round(total * 0.3)


def test_training_rows_get_encodings_without_their_own_fold(done: Path) -> None:
    found = rows_of(done)
    values = {
        name: part["kind"].n_unique()
        for (name,), part in found.drop_nulls("split").partition_by("split", as_dict=True).items()
    }
    assert values == {"train": 4 * 3, "valid": 3, "test": 3}
    _, pipeline = open_pipeline(str(done / "pipelines/p@latest"))
    assert pipeline.supervised
    data = pl.read_parquet(done / "data/*.parquet").sort("id")
    asked = data.join(found.filter(pl.col("split") != "train").select("id", "split"), on="id")
    prepared = found.filter(pl.col("split") != "train").select(pipeline.features)
    assert_frame_equal(pipeline.transform(asked.sort("id")), prepared)


@pytest.mark.parametrize("bytes_", [4_000, 30_000])
def test_the_same_rows_and_pipeline_however_the_data_are_cut(
    done: Path, tmp_path: Path, bytes_: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(
        tmp_path, pl.read_parquet(done / "data/0.parquet"), pl.read_parquet(done / "data/1.parquet")
    )
    monkeypatch.setattr(Dataset, "target_bytes", lambda *_: bytes_)
    path = job(tmp_path, FEATURES, PREPARE)
    assert len(plan_job(load_job(path)).prepare_partitions) > 2
    run(path)
    assert_frame_equal(rows_of(tmp_path), rows_of(done), check_exact=True)
    one, two = (open_pipeline(str(folder / "pipelines/p"))[1] for folder in (done, tmp_path))
    assert one.files() == two.files()


def test_a_fitted_pipeline_prepares_other_rows_as_scoring_would(done: Path, tmp_path: Path) -> None:
    files(tmp_path, table(500, first=10_000))
    path = job(
        tmp_path,
        f"""
[prepare]
data = "table"
output = "out"
fitted = "{done}/pipelines/p@1"
""",
    )
    run(path)
    found = rows_of(tmp_path)
    data = pl.read_parquet(tmp_path / "data/*.parquet")
    kept = data.filter((pl.col("x") <= 2.5) & (pl.col("n") < 49)).sort("id")
    _, pipeline = open_pipeline(str(done / "pipelines/p"))
    assert_frame_equal(found.drop("id"), pipeline.transform(kept))


def test_what_was_prepared_is_not_prepared_again_nor_overwritten(tmp_path: Path) -> None:
    files(tmp_path, table(300))
    assert run(job(tmp_path, FEATURES, PREPARE)).skipped == []
    before = rows_of(tmp_path)
    assert run(job(tmp_path, FEATURES, PREPARE)).skipped == ["prepare"]
    other = FEATURES.replace("folds = 4", "folds = 5")
    with pytest.raises(OutputRefused):
        run(job(tmp_path, other, PREPARE))
    assert_frame_equal(rows_of(tmp_path), before)
    run(job(tmp_path, other, PREPARE, 'if_exists = "overwrite"\n'))
    assert not rows_of(tmp_path).equals(before)


def test_lags_see_the_rows_before_a_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = table(900).sort("kind", "id")
    files(tmp_path, frame[:300], frame[300:])
    features = """
[features]
drop = ["label", "kind"]
steps = [
  { combine = ["x"], with = "lag", by = ["kind"], time = "id", rows = [1, 3] },
  { scale = ["x_lag1"], with = "maxabs" },
]
[prepare]
data = "table"
output = "out"
"""
    monkeypatch.setattr(Dataset, "target_bytes", lambda *_: 3_000)
    path = job(tmp_path, features)
    planned = plan_job(load_job(path))
    assert len(planned.prepare_partitions) > 4
    run(path)
    kept = frame.filter((pl.col("x") <= 2.5) & (pl.col("n") < 49))
    lagged = kept.select(
        "id",
        x_lag1=pl.col("x").shift(1).over("kind"),
        x_lag3=pl.col("x").shift(3).over("kind").cast(pl.Float32),
    ).sort("id")
    found = rows_of(tmp_path)
    assert found["x_lag3"].equals(lagged["x_lag3"])
    largest = lagged["x_lag1"].abs().max()
    assert np.allclose(found["x_lag1"].drop_nulls(), lagged["x_lag1"].drop_nulls() / largest)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=1)
    files(tmp_path, shuffled[:300], shuffled[300:])
    with pytest.raises(ContractRefused, match="sorted by kind, id"):
        run(job(tmp_path, features.replace('"out"', '"out2"')))
    assert not (tmp_path / "out2").exists()


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ((FEATURES, PREPARE.replace('["label"]', '["labl"]')), "did you mean 'label'"),
        (
            (FEATURES, '[prepare]\ndata = "table"\noutput = "out"\n'),
            "learns from the label, and there is none",
        ),
        ((FEATURES, PREPARE.replace('columns = ["label"]', 'columns = ["n"]')), "would be there"),
        ((FEATURES, PREPARE.replace('label = "y"', 'label = "n"')), "would be there twice"),
        ((FEATURES, PREPARE.replace('label = "y"', 'label = "label"')), "would be there twice"),
    ],
)
def test_what_cannot_be_prepared_is_told_before_anything_runs(
    tmp_path: Path, sections: tuple[str, ...], told: str
) -> None:
    files(tmp_path, table(50))
    with pytest.raises(SpecError, match=told):
        run(job(tmp_path, *sections))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ((FEATURES, '[prepare]\ndata = "table"\noutput = "out"\nfitted = "p"\n'), "version"),
        ((FEATURES, '[prepare]\ndata = "table"\noutput = "out"\nfitted = "p@1"\n'), "learned by"),
        ((PREPARE.replace('target = "label"\n', ""),), "prepare.split.column: is required"),
        ((PREPARE + 'fitted = "p@1"\n',), "does not go with `fitted`"),
        ((PREPARE.replace('output = "out"', 'output = "data"'),), "prepare.output"),
    ],
)
def test_a_wrong_section_is_told_with_its_key(
    tmp_path: Path, sections: tuple[str, ...], told: str
) -> None:
    files(tmp_path, table(50))
    with pytest.raises(JobFileError, match=told):
        load_job(job(tmp_path, *sections))


def test_row_numbers_decide_and_not_partitions() -> None:
    rows = pl.DataFrame({ROW: np.arange(9)})
    split = Split("random", 0.3, 0.3, seed=1)
    parts = split.assign(rows, rows[ROW])
    assert (split.assign(rows[4:], rows[4:][ROW]) == parts[4:]).all()
