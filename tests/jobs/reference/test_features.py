"""The page of features is the one that the steps make, and all that it shows works."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import TypeAdapter

from engine.features import encode
from engine.features.catalogue import VERBS, methods
from engine.features.pipeline import Pipeline
from engine.features.step import Step
from jobs.reference.features import EXAMPLES, page
from jobs.reference.job_file import anchor
from jobs.spec.job import FeaturesSpec
from jobs.spec.steps import AnyStep, described, model
from tests.engine.features.stepping import fit_pipeline

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "features.md").read_text(encoding="utf-8")
STEPS = [(verb, method) for verb in VERBS for method in methods(verb)]

BEFORE = {
    "svd": '{ text = ["remark"], with = "tfidf", features = 20 }',
    "projection": '{ text = ["remark"], with = "hashing", features = 20 }',
}
"""Step that makes the columns that an example works on."""

TEXT_STAYS = ("most_frequent", "cross", "rare", "clean")
"""Steps whose columns are still text after them."""


def flights(rows: int = 240) -> pl.DataFrame:
    """Return flights with every column that the examples name, sorted for windows."""
    random = np.random.default_rng(3)
    numbers = ["temperature", "pressure", "wind_east", "wind_north", "wind_gust", "distance"]
    numbers += ["air_time", "delay_before"]
    texts = {
        "carrier": ["AA", "UA", "DL"],
        "origin": ["ORD", "JFK", "SFO", "LAX"],
        "gate": ["A1", "B2"],
        "cabin": ["economy", "business", "first"],
        "remark": ["late at gate", "gate delay and delay again", "all on time today"],
    }
    departs = [datetime(2025, 1, 1) + timedelta(hours=7 * i) for i in range(rows)]
    return pl.DataFrame(
        {name: random.exponential(3, rows) for name in numbers}
        | {name: random.choice(values, rows) for name, values in texts.items()}
        | {"passengers": random.integers(20, 90, rows), "seats": random.integers(90, 99, rows)}
        | {"tail": [f"N{i // 40}" for i in range(rows)], "departs": departs}
        | {"arrives": [start + timedelta(minutes=95) for start in departs]}
    ).with_columns(wind_gust=pl.when(pl.col("wind_gust") < 9).then("wind_gust"))


def parsed(line: str) -> Any:
    return TypeAdapter(AnyStep).validate_python(tomllib.loads(f"step = {line}")["step"])


def test_the_page_is_up_to_date() -> None:
    hint = "run: python -m jobs.reference.features docs/features.md"
    assert page() == PAGE, hint


def test_every_step_has_an_example() -> None:
    assert sorted(EXAMPLES) == sorted(STEPS)


@pytest.mark.parametrize(("verb", "method"), STEPS)
def test_the_example_is_that_step_and_runs(verb: str, method: str) -> None:
    step = parsed(EXAMPLES[verb, method]).step()
    assert type(step) is methods(verb)[method]
    if method == "holidays":
        pytest.importorskip("holidays")
    steps = [parsed(BEFORE[method]).step()] if method in BEFORE else []
    steps.append(step)
    if method in TEXT_STAYS:
        steps.append(encode.Category(step.columns))
    frame = flights()
    read = {name for one in steps for name in one.columns}
    columns = tuple(n for n in frame.columns if n in read or frame[n].dtype.is_numeric())
    pipeline = Pipeline(steps=tuple(steps), columns=columns)
    y = (np.arange(frame.height) % 3 > 1).astype(float)
    features = fit_pipeline(pipeline, frame, y, cuts=[50, 90]).transform(frame)
    assert features.height == frame.height
    assert features.width > 0


def links(text: str) -> Iterator[str]:
    yield from re.findall(r"\]\(((?:[\w-]+\.md)?#[\w-]+)\)", text)


def headings(file: Path) -> set[str]:
    found = re.findall(r"(?m)^#+ (.+)$", file.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\s-]", "", one.lower()).replace(" ", "-") for one in found}


@pytest.mark.parametrize("name", ["features.md", "job-file.md", "guide.md"])
def test_links_lead_to_headings(name: str) -> None:
    for link in links((DOCS / name).read_text(encoding="utf-8")):
        file, _, place = link.partition("#")
        assert place in headings(DOCS / (file or name)), link


def test_the_python_of_the_page_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    assert names["training"].columns == names["scoring"].columns
    assert names["training"]["carrier"].to_list() != names["scoring"]["carrier"].to_list()


def test_the_features_of_the_page_are_a_section() -> None:
    block = re.findall(r"```toml\n(\[features\]\n.*?)```", PAGE, re.DOTALL)
    sections = [FeaturesSpec.model_validate(tomllib.loads(one)["features"]) for one in block]
    assert [len(section.steps) for section in sections] == [4]


@pytest.mark.parametrize(("verb", "method"), STEPS)
def test_a_step_tells_its_formula_and_each_option(verb: str, method: str) -> None:
    kind = methods(verb)[method]
    about, meanings = described(kind)
    assert about.partition("\n")[0].endswith((".", "..."))
    assert all(meanings[name] for name in model(kind).model_fields if name not in (verb, "method"))
    assert meanings["columns"]
    assert f"\n### {verb} {method}\n" in PAGE
    assert anchor(kind) == f"{verb}-{method}"
    assert issubclass(kind, Step)
