"""A wrong step in a job file is told with its key, what is wrong with it and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.features import discretise, scale
from jobs.spec.jobfile import JobFileError, load_job
from jobs.spec.problems import dotted
from jobs.spec.steps import StepSpec, described, model

JOB = """
name = "steps"

[data.history]
path = "data.parquet"

[features]
steps = [
  { impute = ["a"], with = "mean" },
  STEP,
]

[prepare]
data = "history"
output = "out"
"""

STEP = "features.steps[1]"


def load(folder: Path, step: str) -> StepSpec:
    file = folder / "job.toml"
    file.write_text(JOB.replace("STEP", step), encoding="utf-8")
    features = load_job(file, {}).features
    assert features is not None
    return features.steps[1]


@pytest.mark.parametrize(
    ("step", "key", "what"),
    [
        ('{ scael = ["a"], with = "robust" }', ".scael", "unknown step; did you mean 'scale'?"),
        ('{ fill = ["a"], with = "mean" }', ".fill", "known: combine, datetime, discretise"),
        ('{ call = ["a"], function = "os:system" }', ".call", "holds no code; see features.derive"),
        ('{ with = "robust" }', "", "names its columns under one of: impute, scale, discretise"),
        ('"robust"', "", "names its columns under one of: impute, scale, discretise"),
        ("{ }", "", "names its columns under one of: impute, scale, discretise"),
        ('{ scale = ["a"], encode = ["b"], with = "hash" }', "", "scale, encode; write one step"),
        ('{ scale = ["a"] }', ".with", "known: standard, minmax, maxabs"),
        ('{ scale = ["a"], with = "standart" }', ".with", "did you mean 'standard'?"),
        ('{ encode = ["a"], with = "one_hot" }', ".with", "did you mean 'onehot'?"),
        ('{ scale = ["a"], with = ["robust"] }', ".with", "scale has no method ['robust']"),
        ('{ scale = ["a"], with = 3 }', ".with", "scale has no method 3; known: clip"),
        ('{ scale = [], with = "robust" }', ".scale", "names no column; give at least one"),
        ('{ scale = "a", with = "robust" }', ".scale", 'should be a list: ["a"]'),
        ('{ scale = ["a", "a"], with = "robust" }', ".scale", "named twice: a"),
        ('{ scale = [1], with = "robust" }', ".scale[0]", "a valid string, got 1"),
        ('{ encode = ["a"], with = "hash" }', ".buckets", "is required"),
        ('{ encode = ["a"], with = "hash", buckets = 1 }', ".buckets", "or equal to 2, got 1"),
        ('{ encode = ["a"], with = "hash", buckets = "x" }', ".buckets", "integer, got 'x'"),
        ('{ encode = ["a"], with = "target", smoth = 3 }', ".smoth", "did you mean 'smooth'?"),
        ('{ encode = ["a"], with = "target", smooth = -1 }', ".smooth", "must be 0 or more"),
        ('{ encode = ["a"], with = "ordinal", order = [1] }', ".order[0]", 'in quotes: "1"'),
        ('{ encode = ["a"], with = "onehot", drop = "frist" }', ".drop", "did you mean 'first'?"),
        ('{ scale = ["a"], with = "norm", norm = "l3" }', ".norm", "known: l1, l2, max"),
        ('{ scale = ["a"], with = "minmax", clip = 1 }', ".clip", "valid boolean, got 1"),
        ('{ scale = ["a"], with = "minmax", low = nan }', ".low", "a finite number"),
        ('{ scale = ["a"], with = "robust", low = 0.9 }', ".low", "low must be less than high"),
        ('{ scale = ["a"], with = "clip" }', "", "scale clip: clip needs a bound: low, high or"),
        ('{ select = ["*"], with = "f" }', "", "select f: give top or over"),
        ('{ encode = ["a"], with = "cross", buckets = 9 }', "", "encode cross: a cross needs two"),
        ('{ combine = ["a"], with = "lag" }', ".time", "is required"),
        ('{ combine = ["a"], with = "lag", time = "t", rows = 3 }', ".rows", "a list: [3]"),
        ('{ combine = ["a"], with = "lag", time = "t", rows = [0] }', ".rows", "is 0"),
        ('{ combine = ["a"], with = "group", by = [] }', ".by", "a list of key columns"),
        ('{ datetime = ["t"], with = "since", origin = 2008-01-01 }', ".origin", '"2008-01-01"'),
        ('{ datetime = ["t"], with = "since", origin = "now" }', ".origin", "write it as"),
        ('{ datetime = ["t"], with = "parts", parts = ["months"] }', ".parts", "no part 'months'"),
        ('{ discretise = ["a"], with = "edges", edges = [1, 2] }', ".edges", "makes three bins"),
        ('{ impute = ["a"], with = "constant", value = true }', ".value", "number, got True"),
        ('{ text = ["a"], with = "tokens", tokens = [] }', ".tokens", "no tokens are named"),
    ],
)
def test_a_mistake_is_told_with_its_key(tmp_path: Path, step: str, key: str, what: str) -> None:
    with pytest.raises(JobFileError) as caught:
        load(tmp_path, step)
    problems = {dotted(p.key): p.what for p in caught.value.problems}
    assert list(problems) == [STEP + key]
    assert what in problems[STEP + key]
    assert f"line 8, {STEP}{key}: " in str(caught.value)


def test_all_mistakes_of_a_step_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(JobFileError) as caught:
        load(tmp_path, '{ encode = ["a"], with = "hash", bukets = 9, seed = 1 }')
    keys = [dotted(p.key) for p in caught.value.problems]
    assert keys == [f"{STEP}.{name}" for name in ("buckets", "bukets", "seed")]


def test_options_reach_the_step(tmp_path: Path) -> None:
    found = load(tmp_path, '{ discretise = ["a"], with = "edges", edges = [0, 1.5, 9] }')
    assert found.step() == discretise.Edges(("a",), (0, 1.5, 9))


def test_a_text_of_options_comes_from_the_class_and_its_bases() -> None:
    about, meanings = described(scale.Robust)
    assert about.startswith("Median 0 and distance of two quantiles 1: ``(x - median)")
    assert "Attributes" not in about
    assert meanings["low"] == "Share of values below the lower quantile."
    assert "A name with ``*``" in meanings["columns"]
    assert model(scale.Robust).model_fields["low"].description == meanings["low"]
