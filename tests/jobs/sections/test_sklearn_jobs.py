"""Whole jobs with estimators of scikit-learn on real records, cut into several partitions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, RandomForestRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from cluster.session import connect
from cluster.spec import LocalCluster
from engine.errors import ContractRefused, PlanRefused, SpecError
from engine.split import TEST, TRAIN, Split
from jobs.run import run_job
from jobs.runs.events import Together
from jobs.runs.result import Result
from jobs.sections import sessions
from jobs.spec.jobfile import load_job

HEAD = """
name = "estimators"
[cluster]
workers = 2
memory = "1 GiB"
[data.rows]
path = "rows/*.parquet"
[features]
{features}
[train]
data = "rows"
model = "models/m"
{train}
"""

SCORE = """
[score]
data = "rows"
model = "models/m@latest"
output = "out"
columns = ["row"]
"""

SPLIT = 'split = { by = "random", valid = 0.15, test = 0.25 }\n'

TEXTS = [
    *("workclass", "education", "marital-status", "occupation", "relationship", "race", "sex"),
    "native-country",
]
NUMBERS = ["age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Two workers for all jobs, and several partitions of little data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.plan._FINEST_BYTES", 1)
        patch.setattr("engine.plan._COLUMN_BYTES", 1)
        patch.setattr("engine.plan._SPREAD", 5)
        with connect(LocalCluster(workers=2, memory="1 GiB")) as session:
            patch.setattr(sessions, "connect", lambda _, **__: nullcontext(session))
            yield


def run(folder: Path, frame: pl.DataFrame, features: str, train: str) -> Result:
    """Write the rows and the job, run it, and hold what every run must hold."""
    (folder / "rows").mkdir(exist_ok=True)
    frame = frame.with_row_index("row")
    for number, part in enumerate(frame.iter_slices(-(-len(frame) // 3))):
        part.write_parquet(folder / f"rows/{number}.parquet")
    evaluate = "[evaluate]\n" if "split" in train else ""
    text = HEAD.format(features=features, train=train) + evaluate + SCORE
    (folder / "job.toml").write_text(text)
    result = run_job(load_job(folder / "job.toml"), folder / "runs", Together([]))
    # The workers live on: when the second job is prepared they have scikit-learn from the first.
    for step, one in result.memory.items():
        assert one["measured"] and one["projected"]
        assert 2**20 < one["measured"] <= one["projected"], step
    return result


def scored(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "out").sort("row")


def parts(frame: pl.DataFrame) -> np.ndarray:
    """Return the part of each row, as the split of the job gives it."""
    numbers = pl.Series(np.arange(len(frame)))
    return Split("random", 0.15, 0.25).assign(frame, numbers)


def told(result: Result, name: str) -> dict[str, object]:
    assert result.model is not None
    found: dict[str, object] = json.loads((result.model / f"{name}.json").read_text())
    return found


@pytest.mark.slow
@pytest.mark.real_data
def test_a_linear_classifier_of_adults(data_dir: Path, tmp_path: Path) -> None:
    names = [*("age", "workclass", "fnlwgt", "education", "education-num", "marital-status")]
    names += ["occupation", "relationship", "race", "sex", "capital-gain", "capital-loss"]
    names += ["hours-per-week", "native-country", "income"]
    text = (data_dir / "adult/adult.data").read_text().replace(", ", ",").encode()
    frame = pl.read_csv(text, has_header=False, new_columns=names, null_values="?")
    frame = frame.drop_nulls("income").with_columns(pl.col(NUMBERS).cast(pl.Float64))
    frame = frame.with_columns(income=(pl.col("income") == ">50K").cast(pl.Int8))
    features = f"""
columns = {NUMBERS + TEXTS}
steps = [
  {{ impute = {TEXTS}, with = "constant", value = "none" }},
  {{ encode = {TEXTS}, with = "onehot" }},
  {{ scale = {NUMBERS}, with = "standard" }},
]"""
    train = (
        'target = "income"\ntask = "binary"\nestimator = "sklearn.SGDClassifier"\n'
        'params = { loss = "log_loss" }\nclass_weight = "balanced"\n' + SPLIT
    )
    result = run(tmp_path, frame, features, train)
    part, table = parts(frame), frame.with_columns(pl.col(TEXTS).fill_null("none")).to_pandas()
    own = make_pipeline(
        make_column_transformer(
            (StandardScaler(), NUMBERS),
            (OneHotEncoder(handle_unknown="ignore"), TEXTS),
        ),
        SGDClassifier(loss="log_loss", class_weight="balanced", random_state=42),
    ).fit(table[part == TRAIN], table["income"][part == TRAIN])
    theirs = roc_auc_score(
        table["income"][part == TEST], own.predict_proba(table[part == TEST])[:, 1]
    )
    assert abs(result.metrics["test"]["auc"] - theirs) < 0.01
    assert theirs > 0.89
    assert result.metrics["test"]["rows"] == (part == TEST).sum()
    out = scored(tmp_path)
    assert len(out) == len(frame)
    ours = roc_auc_score(table["income"][part == TEST], out["probability"].to_numpy()[part == TEST])
    assert ours == pytest.approx(result.metrics["test"]["auc"], abs=1e-9)
    history = told(result, "metrics")["history"]
    assert isinstance(history, list) and len(history) == 5


@pytest.mark.long
@pytest.mark.real_data
def test_a_forest_of_houses_learns_from_a_sample_and_says_so(
    data_dir: Path, tmp_path: Path
) -> None:
    frame = pl.read_csv(data_dir / "california_housing/housing.csv")
    train = (
        'target = "median_house_value"\ntask = "regression"\nsample_rows = 6000\n'
        'estimator = "sklearn.RandomForestRegressor"\nparams = { n_estimators = 20 }\n' + SPLIT
    )
    features = 'steps = [{ encode = ["ocean_proximity"], with = "category" }]'
    result = run(tmp_path, frame, 'drop = ["row"]\n' + features, train)
    part = parts(frame)
    rows = (part == TRAIN).sum()
    notes = told(result, "metrics")["notes"]
    assert isinstance(notes, list)
    assert notes[0] == f"trained on a sample of 6,000 of {rows:,} rows"
    assert "ocean_proximity" in notes[1]
    table = frame.with_columns(pl.col("ocean_proximity").rank("dense")).to_numpy().astype(float)
    place = frame.columns.index("median_house_value")
    x, y = np.delete(table, place, 1), table[:, place]
    chosen = np.random.default_rng(0).choice(np.flatnonzero(part == TRAIN), 6_000, replace=False)
    own = RandomForestRegressor(20, random_state=42).fit(x[chosen], y[chosen])
    theirs = np.sqrt(np.mean((own.predict(x[part == TEST]) - y[part == TEST]) ** 2))
    assert result.metrics["test"]["rmse"] == pytest.approx(theirs, rel=0.05)
    # The rows of a missing value are learned from and scored: a forest takes them.
    assert frame["total_bedrooms"].null_count() > 100
    assert scored(tmp_path)["prediction"].is_finite().all()


@pytest.mark.long
@pytest.mark.real_data
def test_a_network_of_attacks(data_dir: Path, tmp_path: Path) -> None:
    frame = pl.read_parquet(data_dir / "kddcup99_10pct/kddcup99_10pct.parquet")
    frame = frame.filter(pl.col("label").str.contains("^(normal|neptune|smurf|back|satan)"))
    frame = frame.gather_every(12).drop("num_outbound_cmds", "is_host_login")
    texts = ["protocol_type", "service", "flag"]
    numbers = [name for name in frame.columns if name not in (*texts, "label")]
    train = (
        'target = "label"\ntask = "multiclass"\nestimator = "sklearn.MLPClassifier"\n'
        "params = { hidden_layer_sizes = [20], epochs = 3 }\n" + SPLIT
    )
    features = f"""
columns = {numbers + texts}
steps = [
  {{ encode = {texts}, with = "onehot" }},
  {{ scale = {numbers}, with = "standard" }},
]"""
    result = run(tmp_path, frame, features, train)
    part, table = parts(frame), frame.to_pandas()
    own = make_pipeline(
        make_column_transformer(
            (StandardScaler(), numbers), (OneHotEncoder(handle_unknown="ignore"), texts)
        ),
        MLPClassifier((20,), max_iter=3, random_state=42),
    )
    with pytest.warns(UserWarning, match="Maximum iterations"):
        own.fit(table[part == TRAIN], table["label"][part == TRAIN])
    theirs = own.score(table[part == TEST], table["label"][part == TEST])
    assert abs(result.metrics["test"]["accuracy"] - theirs) < 0.01
    assert theirs > 0.98


def test_components_of_digits(tmp_path: Path) -> None:
    x, _ = load_digits(return_X_y=True)
    frame = pl.DataFrame(x, [f"p{place}" for place in range(64)])
    train = (
        'task = "reduction"\nestimator = "sklearn.IncrementalPCA"\nparams = { n_components = 4 }\n'
    )
    result = run(tmp_path, frame, 'drop = ["row"]', train)
    assert result.metrics == {} or "test" not in result.metrics
    own = PCA(4).fit_transform(x)
    ours = scored(tmp_path).drop("row").to_numpy()
    assert ours.shape == own.shape
    assert np.allclose(np.abs(ours), np.abs(own), atol=1e-3)


def test_odd_tumours(tmp_path: Path) -> None:
    x, benign = load_breast_cancer(return_X_y=True)
    frame = pl.DataFrame(x, [f"f{place}" for place in range(30)])
    train = 'task = "anomaly"\nestimator = "sklearn.IsolationForest"\n'
    run(tmp_path, frame, 'drop = ["row"]', train)
    out = scored(tmp_path).drop("row")
    own = IsolationForest(random_state=42).fit(x.astype(np.float32))
    assert roc_auc_score(1 - benign, out["score"].to_numpy()) > 0.7
    assert np.allclose(out["score"].to_numpy(), -own.decision_function(x), atol=1e-6)
    assert ((out["prediction"].to_numpy() == 1) == (own.predict(x) == -1)).all()


def test_what_does_not_go_together_is_told_before_or_while_it_runs(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1.0, None] * 300, "y": [0, 1, 1] * 200})
    train = 'target = "y"\ntask = "binary"\nestimator = "sklearn.{}"\nparams = {{ {} }}\n'
    features = 'columns = ["a"]'
    with pytest.raises(SpecError, match="did you mean penalty"):
        run(tmp_path, frame, features, train.format("SGDClassifier", "penalti = 1"))
    with pytest.raises(PlanRefused, match="sample of 600 rows would take"):
        text = train.format("RandomForestClassifier", "n_estimators = 20000")
        run(tmp_path, frame, features, text)
    with pytest.raises(ContractRefused, match="feature 'a' has missing values"):
        run(tmp_path, frame, features, train.format("SGDClassifier", ""))
