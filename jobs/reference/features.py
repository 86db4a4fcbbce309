"""The page of features: what they are, then every step with an example, its text and its options.

``python -m jobs.reference.features docs/features.md`` writes it. What the page says of all features
together stands in ``features.md``, what it says of a step in the step's class.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import import_module
from inspect import getdoc
from pathlib import Path

from engine.features.catalogue import VERBS, methods
from engine.features.step import Step
from jobs.reference.job_file import anchor, markdown, table
from jobs.spec.steps import described, model

_TEXT = Path(__file__).parent / "features.md"

_MARK = "<!-- steps -->\n"
"""Where the steps go in the text."""

_LINES = """\
{ impute = ["temperature", "pressure"], with = "mean" }
{ impute = ["wind_*"], with = "median", indicator = true }
{ impute = ["gate"], with = "most_frequent" }
{ impute = ["delay_before"], with = "constant", value = 0 }
{ scale = ["distance", "air_time"], with = "standard" }
{ scale = ["distance"], with = "minmax", clip = true }
{ scale = ["delay_before"], with = "maxabs" }
{ scale = ["air_time"], with = "robust", low = 0.1, high = 0.9 }
{ scale = ["distance"], with = "quantile", to = "normal" }
{ scale = ["delay_before"], with = "power" }
{ scale = ["passengers"], with = "log1p" }
{ scale = ["wind_gust"], with = "clip", low = 0, high_quantile = 0.99 }
{ scale = ["wind_east", "wind_north"], with = "norm" }
{ discretise = ["distance"], with = "width", bins = 10 }
{ discretise = ["distance"], with = "quantile", bins = 10 }
{ discretise = ["distance"], with = "edges", edges = [0, 500, 1500, 6000] }
{ discretise = ["air_time"], with = "kmeans", bins = 4, as_category = true }
{ encode = ["carrier", "origin"], with = "category", min_count = 50 }
{ encode = ["cabin"], with = "ordinal", order = ["economy", "business", "first"] }
{ encode = ["carrier"], with = "onehot", most = 20, missing = true }
{ encode = ["origin"], with = "frequency" }
{ encode = ["tail"], with = "count" }
{ encode = ["tail"], with = "hash", buckets = 1024 }
{ encode = ["origin", "carrier"], with = "cross", buckets = 4096 }
{ encode = ["origin"], with = "rare", min_share = 0.01 }
{ encode = ["tail"], with = "target", folds = 5 }
{ encode = ["tail"], with = "leave_one_out", sigma = 0.05 }
{ encode = ["origin"], with = "woe" }
{ datetime = ["departs"], with = "parts", parts = ["month", "weekday", "hour"] }
{ datetime = ["departs"], with = "cyclical", parts = ["hour", "day_of_year"] }
{ datetime = ["arrives", "departs"], with = "difference", unit = "hours" }
{ datetime = ["departs"], with = "since", origin = "2000-01-01" }
{ datetime = ["departs"], with = "holidays", country = "US" }
{ text = ["remark"], with = "clean" }
{ text = ["remark"], with = "length" }
{ text = ["remark"], with = "tokens", tokens = ["delay", "gate"] }
{ text = ["remark"], with = "hashing", features = 64, ngrams = 2 }
{ text = ["remark"], with = "tfidf", features = 100, min_count = 5 }
{ combine = ["passengers", "seats"], with = "ratio" }
{ combine = ["wind_gust", "distance"], with = "product" }
{ combine = ["distance", "wind_gust"], with = "polynomial", degree = 2 }
{ combine = ["air_time"], with = "group", by = ["origin"], statistics = ["mean", "std"] }
{ combine = ["air_time"], with = "lag", by = ["tail"], time = "departs", rows = [1, 2] }
{ combine = ["pressure"], with = "difference", by = ["tail"], time = "departs" }
{ combine = ["air_time"], with = "rolling", by = ["tail"], time = "departs", rows = 7 }
{ select = ["*"], with = "variance" }
{ select = ["*"], with = "missing", share = 0.3 }
{ select = ["*"], with = "correlation", over = 0.98 }
{ select = ["*"], with = "duplicate" }
{ select = ["wind_*", "pressure"], with = "f", top = 2 }
{ select = ["passengers", "seats"], with = "chi2", top = 1 }
{ select = ["*"], with = "mutual_information", top = 20, sample = 50_000 }
{ select = ["*"], with = "importance", over = 0.001 }
{ select = ["*"], with = "permutation", top = 20 }
{ reduce = ["wind_*", "pressure"], with = "pca", components = 2 }
{ reduce = ["remark~*"], with = "svd", components = 10, prefix = "topic" }
{ reduce = ["remark#*"], with = "projection", components = 16 }
"""


def _named(line: str) -> tuple[str, str]:
    step = tomllib.loads(f"step = {line}")["step"]
    return next(key for key in step if key in VERBS), step["with"]


EXAMPLES: Mapping[tuple[str, str], str] = {_named(line): line for line in _LINES.splitlines()}
"""How each step, by verb and method, is written in a job file."""


def page() -> str:
    """Return the page as Markdown."""
    head, _, tail = _TEXT.read_text(encoding="utf-8").partition(_MARK)
    chapters = (line for verb in VERBS for line in _chapter(verb))
    return head + "\n".join([*_overview(), *chapters]) + tail


def _overview() -> Iterator[str]:
    yield "| verb | does | methods |"
    yield "| --- | --- | --- |"
    for verb in VERBS:
        links = (f"[`{step.method}`](#{anchor(step)})" for step in methods(verb).values())
        yield f"| [`{verb}`](#{verb}) | {_about(verb)} | {', '.join(links)} |"
    yield ""


def _about(verb: str) -> str:
    text = getdoc(import_module(f"engine.features.{verb}")) or ""
    return markdown(text.partition("\n\n")[0])


def _chapter(verb: str) -> Iterator[str]:
    yield f"## {verb}\n"
    yield f"{_about(verb)}\n"
    for step in methods(verb).values():
        yield from _section(step)


def _section(step: type[Step]) -> Iterator[str]:
    yield f"### {step.verb} {step.method}\n"
    yield f"```toml\n{EXAMPLES[step.verb, step.method]}\n```\n"
    yield f"{markdown(described(step)[0])}\n"
    if step.supervised:
        yield "Learns from the label: `[prepare]` needs a `target` for it.\n"
    fields = model(step).model_fields
    own = described(step)[1]["columns"] != described(Step)[1]["columns"]
    left_out = {"method"} if own else {"method", step.verb}
    options = [(name, info) for name, info in fields.items() if name not in left_out]
    if options:
        yield from table("option", options)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
