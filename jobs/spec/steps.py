"""Feature steps in the job file: models made from the step classes themselves.

So a step has one definition: its names, options, bounds and texts stand in ``engine.features``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from datetime import date, time
from functools import cache
from inspect import cleandoc
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import (
    BeforeValidator,
    Field,
    PlainValidator,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    create_model,
    model_validator,
)

from engine.errors import SpecError
from engine.features.catalogue import VERBS, methods
from engine.features.step import Step
from jobs.spec.problems import Problem, nearest, problems_of, refuse
from jobs.spec.section import Flag, Integer, Number, Section, SomeColumns, Text


def _listed(value: Any) -> Any:
    """Say what a list is to those who have written one name without brackets."""
    if not isinstance(value, (list, tuple)):
        refuse([Problem((), f"should be a list: {_toml([value])}")])
    return value


def _some(value: Any) -> Any:
    if value == []:
        refuse([Problem((), "names no column; give at least one, or take the step out")])
    return _listed(value)


def _quoted(value: Any) -> Any:
    """Say where text begins and ends to those who have left out its quotes."""
    if isinstance(value, (bool, int, float, date, time)):
        refuse([Problem((), f"should be text, in quotes: {_toml(str(value))}")])
    return value


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


_COLUMNS = Annotated[SomeColumns, BeforeValidator(_some)]
_STRICT = {bool: Flag, int: Integer, float: Number, str: Annotated[Text, BeforeValidator(_quoted)]}

_PYTHON_ONLY = ("call", "foreign")


class StepSpec(Section):
    """A step of ``[features]``; its subclasses are made by `model`."""

    kind: ClassVar[type[Step]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the step works on."""
        named: tuple[str, ...] = getattr(self, self.kind.verb)
        return named

    def step(self) -> Step:
        """Return the step; raises `SpecError` when its options do not go together."""
        options = {one.name: getattr(self, one.name) for one in _options(self.kind)}
        return self.kind(self.columns, **options)

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            self.step()
        except SpecError as error:
            refuse([self._problem(error)])
        return self

    def _problem(self, error: SpecError) -> Problem:
        """Put what a step says of itself under the option that it names; else name the step."""
        what = f"{error.what}; {error.hint}" if error.hint else error.what
        option = (error.where or "").rpartition(", ")[2]
        if option in {one.name for one in _options(self.kind)}:
            return Problem((option,), what)
        return Problem((), f"{self.kind.verb} {self.kind.method}: {what}")


def models() -> Iterator[type[StepSpec]]:
    """Return the models of all steps, by family."""
    for verb in VERBS:
        for kind in methods(verb).values():
            yield model(kind)


@cache
def model(kind: type[Step]) -> type[StepSpec]:
    """Make the model of a step class from its fields and docstring."""
    about, meanings = described(kind)
    hints = get_type_hints(kind, include_extras=True)
    options: dict[str, Any] = {
        one.name: (
            _strict(hints[one.name]),
            Field(... if one.default is MISSING else one.default, description=meanings[one.name]),
        )
        for one in _options(kind)
    }
    columns = (_COLUMNS, Field(description=meanings.get("columns", "Columns to work on.")))
    method = (Literal[kind.method], Field(alias="with", description="The method."))
    made: type[StepSpec] = create_model(
        f"{kind.verb} {kind.method}",
        __base__=StepSpec,
        __doc__=about,
        **{kind.verb: columns, "method": method, **options},
    )
    made.kind = kind
    return made


def described(kind: type) -> tuple[str, Mapping[str, str]]:
    """Return the text of a docstring, and of each of its attributes, those of base classes too."""
    meanings: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        _, _, listed = cleandoc(base.__doc__ or "").partition("Attributes:\n")
        for entry in re.split(r"\n(?=    \w)", f"\n{listed}"):
            name, colon, text = entry.strip().partition(": ")
            if colon:
                meanings[name] = " ".join(text.split())
    about = cleandoc(kind.__doc__ or "").partition("Attributes:\n")[0]
    return about.strip(), meanings


def _options(kind: type[Step]) -> list[Any]:
    return [one for one in fields(kind) if one.name != "columns"]


def _strict(hint: Any) -> Any:
    """Return a field's type as the job file takes it: no number from text, no NaN."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[_strict(arguments[0]), *arguments[1:]]
    if origin in (Union, UnionType):
        return Union[tuple(_strict(one) for one in arguments)]  # noqa: UP007 - made at run time
    if origin is tuple:
        many = tuple.__class_getitem__((_strict(arguments[0]), ...))
        return Annotated[many, BeforeValidator(_listed)]
    return hint if origin is Literal or hint is NoneType else _STRICT[hint]


def _taken(step: Any, info: ValidationInfo) -> StepSpec:
    """Validate a step by the model of its verb and method, which is made when one is asked for."""
    if isinstance(step, StepSpec):
        return step
    kind = model(_named(step))
    try:
        return kind.model_validate(step, context=info.context)
    except ValidationError as error:
        refuse(problems_of(error, kind, step))
        raise


AnyStep = Annotated[SerializeAsAny[StepSpec], PlainValidator(_taken)]
"""A step of any verb and method."""


def _named(step: Any) -> type[Step]:
    """Return the class of a step; refuse one without a verb, with several, or without a method."""
    keys = list(step) if isinstance(step, dict) else []
    verbs = [key for key in keys if key in VERBS]
    if len(verbs) > 1:
        refuse([Problem((), f"has several verbs: {', '.join(verbs)}; write one step for each")])
    if not verbs:
        _refuse_verbless(step, keys)
    known = methods(verbs[0])
    if "with" not in step:
        refuse([Problem(("with",), f"is required; known: {', '.join(known)}")])
    if step["with"] not in list(known):  # a list has no hash
        what = f"{verbs[0]} has no method {step['with']!r}{nearest(step['with'], known)}"
        refuse([Problem(("with",), what)])
    return known[step["with"]]


def _refuse_verbless(step: Any, keys: list[str]) -> None:
    what = "is for Python alone: a job file holds no code; see features.derive"
    refuse([Problem((key,), what) for key in keys if key in _PYTHON_ONLY])
    unknown = [key for key in keys if isinstance(step[key], list)]
    refuse([Problem((key,), "unknown step" + nearest(key, VERBS)) for key in unknown[:1]])
    refuse([Problem((), f"a step names its columns under one of: {', '.join(VERBS)}")])
