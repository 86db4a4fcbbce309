"""The page on the job file is the one that its models make."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, Field, create_model

from jobs.reference import job_file
from jobs.spec import (
    contract,
    data,
    features,
    foreign,
    job,
    prepare,
    profile,
    schedule,
    score,
    split,
    train,
)
from jobs.spec.section import Section
from jobs.spec.steps import StepSpec, models

PAGE = Path(__file__).parents[3] / "docs" / "job-file.md"


def test_the_page_is_up_to_date() -> None:
    hint = "run: python -m jobs.reference.job_file docs/job-file.md"
    assert PAGE.read_text(encoding="utf-8") == job_file.reference(), hint


def test_every_section_and_field_is_described() -> None:
    modules = (
        contract,
        data,
        features,
        foreign,
        prepare,
        profile,
        schedule,
        score,
        job,
        split,
        train,
    )
    found = {m for module in modules for m in vars(module).values() if _is_section(m)}
    listed = {model for _, model in job_file._SECTIONS}
    assert found <= {base for model in listed for base in model.__mro__}
    for model in listed:
        assert all(info.description for info in model.model_fields.values()), model


def test_every_step_is_listed_in_a_line() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if "](features.md#" in line and line.startswith("| `")]
    assert len(rows) == len(list(models()))
    for step, row in zip(models(), rows, strict=True):
        verb, method = step.kind.verb, step.kind.method
        assert row.startswith(f"| `{verb}` | [`{method}`](features.md#{verb}-{method}) | "), row
        assert len(re.findall(r"(?<!\\)\|", row)) == 4, row


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (Annotated[int, Ge(1), Le(9)], "integer, 1 to 9"),
        (Annotated[int, Ge(1000)], "integer, at least 1,000"),
        (Annotated[float, Gt(0), Lt(1)], "number, more than 0, less than 1"),
        (Annotated[float | None, Le(1)], "number, at most 1"),
        (tuple[str, ...], "list of text"),
    ],
)
def test_a_table_tells_type_and_bounds(kind: Any, told: str) -> None:
    model = create_model("Made", one=(kind, Field(description="What | it is.")))
    *_, row, empty = job_file.table("key", model.model_fields.items())
    assert row == f"| `one` | {told} | **required** | What \\| it is. |"
    assert not empty


def _is_section(value: object) -> bool:
    bases = (Section, StepSpec)
    return isinstance(value, type) and issubclass(value, BaseModel) and value not in bases
