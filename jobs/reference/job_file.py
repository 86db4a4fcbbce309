"""The reference of the job file, made from its models.

``python -m jobs.reference.job_file docs/job-file.md`` writes it. Steps of ``[features]`` are
listed with a line each; `jobs.reference.features` tells the rest of them.
"""

from __future__ import annotations

import json
import re
import sys
import types
from collections.abc import Iterable, Iterator
from datetime import datetime
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ByteSize
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from cluster.spec import KINDS, Cluster
from engine.features.catalogue import VERBS, methods
from engine.features.step import Step
from jobs.spec.contract import ColumnRule, ContractSpec
from jobs.spec.data import (
    CsvOptions,
    DataSpec,
    DeltaOptions,
    IcebergOptions,
    NdJsonOptions,
    SqlOptions,
)
from jobs.spec.deciding import ThresholdSpec
from jobs.spec.evaluate import EvaluateSpec
from jobs.spec.explain import ExplainSpec
from jobs.spec.features import FeaturesSpec
from jobs.spec.folds import FoldsSpec
from jobs.spec.foreign import FunctionSpec, MemberSpec, OnnxSpec, SkopsSpec, XgboostSpec
from jobs.spec.job import JobSpec
from jobs.spec.members import FinalSpec, LearningMemberSpec
from jobs.spec.predicting import IntervalSpec
from jobs.spec.prepare import PrepareSpec
from jobs.spec.profile import ProfileSpec
from jobs.spec.schedule import ScheduleSpec
from jobs.spec.score import ScoreSpec
from jobs.spec.sort import SortSpec
from jobs.spec.split import SplitSpec
from jobs.spec.steps import StepSpec, described
from jobs.spec.track import TrackSpec
from jobs.spec.train import TrainSpec
from jobs.spec.tune import RangeSpec, TuneSpec

_HEAD = """\
# The job file

<!-- Made from the models by `python -m jobs.reference.job_file docs/job-file.md`; do not edit. -->

One TOML file says the whole job; `millrace init DATA` writes a first one. Sections that are there
are run in their natural order: profile, sort, prepare, tune, train, evaluate, explain, score,
track. An unknown key is an error; all errors are reported at once, each with its line.

Relative paths start at the folder of the job file, wherever the command is run. `${NAME}` in a path
stands for the environment variable `NAME`; one that is not set is an error. Expressions are Polars
SQL expressions over the columns of a row: `distance / nullif(air_time, 0)`.
"""


def _kinds(model: type[Cluster]) -> str:
    return ", ".join(f"`{kind}`" for kind in get_args(model.model_fields["kind"].annotation))


_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The file", JobSpec),
    *((f"`[cluster]` of kind {_kinds(model)}", model) for model in KINDS),
    ("`[data.<name>]`", DataSpec),
    ("`[data.<name>.csv]`", CsvOptions),
    ("`[data.<name>.ndjson]`", NdJsonOptions),
    ("`[data.<name>.delta]`", DeltaOptions),
    ("`[data.<name>.iceberg]`", IcebergOptions),
    ("`[data.<name>.sql]`", SqlOptions),
    ("`[data.<name>.contract]`", ContractSpec),
    ("`[data.<name>.contract]`, by column", ColumnRule),
    ("`[profile]`", ProfileSpec),
    ("`[sort]`", SortSpec),
    ("`[features]`", FeaturesSpec),
    ("`[prepare]`", PrepareSpec),
    ("`[train]`", TrainSpec),
    ("`[train.split]`", SplitSpec),
    ("`[train.schedule]`", ScheduleSpec),
    ("`[train.threshold]`", ThresholdSpec),
    ("`cross_validate` and `folds` of `[train]`, `folds` of `[tune]`", FoldsSpec),
    ("`[train.members.<name>]`", LearningMemberSpec),
    ("`[train.final]`", FinalSpec),
    ("`[tune]`", TuneSpec),
    ("`[tune.space]`, by parameter", RangeSpec),
    ("`[evaluate]`", EvaluateSpec),
    ("`[explain]`", ExplainSpec),
    ("`[score]`", ScoreSpec),
    ("`interval` of `[score]`", IntervalSpec),
    ("`[score.models.<name>]`", MemberSpec),
    ("`[score.function]`", FunctionSpec),
    ("`[score.onnx]`", OnnxSpec),
    ("`[score.skops]`", SkopsSpec),
    ("`[score.xgboost]`", XgboostSpec),
    ("`[track]`", TrackSpec),
)

_NAMES = {
    ByteSize: 'integer or text such as `"2 GiB"`',
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    Path: "path",
    datetime: "date and time",
}

_BOUNDS: tuple[tuple[type, str, str], ...] = (
    (Ge, "ge", "at least"),
    (Gt, "gt", "more than"),
    (Le, "le", "at most"),
    (Lt, "lt", "less than"),
)


def reference() -> str:
    """Return the page as Markdown."""
    return "\n".join(
        [_HEAD, *(line for title, model in _SECTIONS for line in _section(title, model))]
    )


def _section(title: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{cleandoc(model.__doc__ or '')}\n"
    yield from table("key", model.model_fields.items())
    if model is FeaturesSpec:
        yield from _steps()


def table(head: str, fields: Iterable[tuple[str, FieldInfo]]) -> Iterator[str]:
    """Yield the lines of a Markdown table of fields, and an empty one.

    Args:
        head: Title of the first column.
        fields: Name in the model, and field.
    """
    yield f"| {head} | type | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, info in fields:
        kind = ", ".join([_type(info.annotation), *_bounds(info.metadata)])
        cells = (f"`{info.alias or name}`", kind, _default(info))
        meaning = markdown(info.description or "").replace("|", "\\|")
        yield f"| {' | '.join(cells)} | {meaning} |"
    yield ""


def _steps() -> Iterator[str]:
    yield "### Steps\n"
    yield "A step is a table: a verb with its columns, a method under `with`, and the options that"
    yield "[features.md](features.md) describes. Columns, always a list, may have a `*`.\n"
    yield "| verb | with | what it does |"
    yield "| --- | --- | --- |"
    for step in (step for verb in VERBS for step in methods(verb).values()):
        about = described(step)[0].partition("\n\n")[0].replace("|", "\\|")
        link = f"[`{step.method}`](features.md#{anchor(step)})"
        yield f"| `{step.verb}` | {link} | {markdown(about)} |"
    yield ""


def anchor(step: type[Step]) -> str:
    """Return the place of a step on the page of features."""
    return f"{step.verb}-{step.method}"


def markdown(text: str) -> str:
    """Return the text of a docstring as Markdown: code in single ticks, a line a paragraph.

    So a ``*`` within a formula cannot come to stand at the start of a line, where it makes a list.
    """
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text.replace("``", "`"))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    if info.default in (None, PydanticUndefined) or isinstance(info.default, BaseModel):
        return "-"
    if isinstance(info.default, bool):
        return f"`{str(info.default).lower()}`"
    if isinstance(info.default, (tuple, dict)):
        return f"`{json.dumps(info.default)}`" if info.default else "none"
    return f'`"{info.default}"`' if isinstance(info.default, str) else f"`{info.default}`"


def _bounds(metadata: Iterable[Any]) -> Iterator[str]:
    found = {type(one): one for one in metadata}
    if Ge in found and Le in found:
        yield f"{found[Ge].ge:,} to {found[Le].le:,}"
        return
    yield from (
        f"{words} {getattr(found[kind], name):,}" for kind, name, words in _BOUNDS if kind in found
    )


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{json.dumps(value)}`" for value in arguments)
    if origin in (Union, types.UnionType):
        kinds = [_type(argument) for argument in arguments if argument is not type(None)]
        needless = {"integer"} if "number" in kinds else set()
        return " or ".join(kind for kind in dict.fromkeys(kinds) if kind not in needless)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"table of {_type(arguments[1])}"
    if issubclass(annotation, BaseModel):
        return "step" if issubclass(annotation, StepSpec) else "section"
    return next(name for kind, name in _NAMES.items() if issubclass(annotation, kind))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
