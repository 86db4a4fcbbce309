"""What is wrong with a job file: one problem per key, all of them at once.

pydantic finds most problems itself. The rules that span several keys report theirs with ``refuse``,
so that each problem names the key that it is about.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

Key: TypeAlias = tuple[str | int, ...]

REFUSED = "refused"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Args:
        key: Where in the job file, such as ``("train", "split", "valid")``.
        what: What is wrong, in words that follow the key and a colon.
        line: Line of the file, from 1, or None when it is not known.
    """

    key: Key
    what: str
    line: int | None = None

    def __str__(self) -> str:
        """Return ``line 12, train.split.valid: should be less than 1``."""
        place = f"line {self.line}, " if self.line else ""
        return f"{place}{dotted(self.key)}: {self.what}"


def dotted(key: Key) -> str:
    """Write a key as in TOML: ``features.steps[1].with``; ``job file`` for the file as a whole."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += "." * bool(text) + (part if is_bare(part) else f'"{part}"')
    return text or "job file"


def is_bare(part: str) -> bool:
    """Tell whether TOML takes a key without quotes."""
    return part.replace("_", "").replace("-", "").isalnum() and part.isascii()


def refuse(problems: Iterable[Problem]) -> None:
    """Raise one pydantic error with all problems, or return when there is none.

    Args:
        problems: Problems whose keys are relative to the model that calls this.

    Raises:
        PydanticCustomError: There is a problem.
    """
    found = list(problems)
    if found:
        text = "; ".join(f"{dotted(p.key)}: {p.what}" for p in found)
        raise PydanticCustomError(REFUSED, "{text}", {"text": text, "problems": found})


def nearest(name: object, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` or, with nothing near, the list of what is known."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if names else ""


def problems_of(error: ValidationError, model: type[BaseModel], given: object) -> list[Problem]:
    """Translate what pydantic found into problems, in the order of the file's sections.

    Args:
        error: What the validation raised.
        model: The model that was validated.
        given: The data that were validated.
    """
    found: dict[Key, Problem] = {}
    for detail in error.errors(include_url=False):
        for problem in _translate(detail, model, given):
            # Branches of a union each report the same key: the first is the wanted type.
            found.setdefault(problem.key, problem)
    return list(found.values())


def _translate(detail: ErrorDetails, model: type[BaseModel], given: object) -> Iterator[Problem]:
    location, kind, context = detail["loc"], detail["type"], detail.get("ctx", {})
    key = _key(location, given, missing=kind == "missing")
    if kind == REFUSED:
        yield from (replace(p, key=key + p.key) for p in context["problems"])
    elif kind == "missing":
        yield Problem(key, "is required")
    elif kind == "extra_forbidden":
        known = {name for part in _models(model, location[:-1]) for name in _names(part)}
        yield Problem(key, "unknown key" + nearest(location[-1], known))
    elif kind == "literal_error":
        known = set(_literals(context["expected"]))
        hint = nearest(detail["input"], known)
        yield Problem(key, f"{detail['input']!r} is none of the allowed values{hint}")
    elif kind == "union_tag_invalid":
        hint = nearest(context["tag"], set(_literals(context["expected_tags"])))
        what = f"{context['tag']!r} is none of the allowed values{hint}"
        yield Problem((*key, _tag_key(context)), what)
    else:
        yield Problem(key, _plain(detail))


def _tag_key(context: Mapping[str, Any]) -> str:
    """Return the key that tells the branches of a union apart; ours are found by ``_<key>()``."""
    return str(context["discriminator"]).strip("_()'")


def _plain(detail: ErrorDetails) -> str:
    text = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    value = repr(detail["input"])
    # A whole table or list would drown the message.
    return text if len(value) > 60 or detail["type"] == "value_error" else f"{text}, got {value}"


def _key(location: Key, given: Any, *, missing: bool) -> Key:
    """Drop the parts of pydantic's location that are names of union branches, not keys."""
    parts = []
    for place, part in enumerate(location):
        last = place == len(location) - 1
        is_key = isinstance(given, Mapping) and part in given
        if is_key or (isinstance(given, (list, tuple)) and isinstance(part, int)):
            given = given[part]
        elif not (last and missing):
            continue
        parts.append(part)
    return tuple(parts)


def _models(model: type[BaseModel], location: Key) -> set[type[BaseModel]]:
    """Return the models that may stand at a location: several where there is a union."""
    here = {model}
    for part in location:
        tagged = {m for m in here if m.__name__ == part}
        fields = [_field(m, part) for m in here]
        below = {m for field in fields if field is not None for m in _inner(field)}
        here = tagged or below or here
    return here


def _field(model: type[BaseModel], name: str | int) -> Any:
    for field, info in model.model_fields.items():
        if name == (info.alias or field):
            return info.annotation
    return None


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in get_args(annotation):
        yield from _inner(argument)


def _names(model: type[BaseModel]) -> Iterator[str]:
    yield from (info.alias or name for name, info in model.model_fields.items())


def _literals(expected: str) -> Iterator[str]:
    # pydantic writes them as "'a', 'b' or 'c'".
    for part in expected.replace(" or ", ", ").split(", "):
        yield part.strip("'")
