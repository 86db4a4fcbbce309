"""What models need of the data that they score, one of them or several together."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from engine.bundle import Bundle
from engine.contract import Rule
from engine.errors import SpecError

_TYPE = ("type", "unit", "tz")
"""What a rule says of the type of a column."""


@dataclass(frozen=True)
class Wanted:
    """What a model needs of the data that it scores.

    Attributes:
        inputs: Columns that it reads.
        width: Number of its features, at most.
        lookback: Rows before a row that some step looks at.
        rules: Its contract; rules of the data's own section go before it.
    """

    inputs: tuple[str, ...]
    width: int
    lookback: int
    rules: Mapping[str, Rule]

    @classmethod
    def by(cls, bundle: Bundle) -> Wanted:
        """Return what a trained model needs."""
        pipeline = bundle.pipeline
        rules = {
            name: Rule(**{**vars(bundle.rules.get(name, Rule())), "type": kind})
            for name, kind in bundle.types.items()
        }
        return cls(pipeline.inputs, len(pipeline.features), pipeline.lookback, rules)

    def without(self, columns: Collection[str]) -> Wanted:
        """Return what is needed of the data when these columns come from elsewhere."""
        inputs = tuple(name for name in self.inputs if name not in columns)
        rules = {name: rule for name, rule in self.rules.items() if name not in columns}
        return Wanted(inputs, self.width, self.lookback, rules)


def together(
    named: Mapping[str, Wanted], stated: Collection[str] = (), section: str = "score"
) -> Wanted:
    """Return what several models need over one read: the columns of all, and every rule.

    A row has to satisfy the contracts of all of them. Their matrices of features are made one after
    the other, so the widest counts.

    Args:
        named: What each needs, by its key in the section.
        stated: Columns that have a rule in the section of the data, which goes before theirs.
        section: The section that names the models.

    Raises:
        SpecError: Two models want a column in different types, or under rules that cannot both be.
    """
    rules: dict[str, Rule] = {}
    first: dict[str, str] = {}
    for key, wanted in named.items():
        for name, rule in wanted.rules.items():
            if name not in rules or name in stated:
                rules[name], first[name] = rule, key
            else:
                where = f"{section}.{first[name]} and {section}.{key}"
                rules[name] = _both(rules[name], rule, name, where)
    return Wanted(
        tuple(dict.fromkeys(name for wanted in named.values() for name in wanted.inputs)),
        max(wanted.width for wanted in named.values()),
        max(wanted.lookback for wanted in named.values()),
        rules,
    )


def _both(one: Rule, other: Rule, column: str, where: str) -> Rule:
    """Return the rule that asks for what both ask for."""
    _assert_one_type(one, other, column, where)
    return Rule(**dict(_joined(one, other, column, where)))


def _assert_one_type(one: Rule, other: Rule, column: str, where: str) -> None:
    types = [tuple(getattr(rule, name) for name in _TYPE) for rule in (one, other)]
    if types[0] == types[1] or None in (one.type, other.type):
        return
    told = [" ".join(str(part) for part in parts if part) for parts in types]
    raise SpecError(
        f"column {column!r} is {told[0]} for one model and {told[1]} for the other",
        where=where,
        hint=f"train both on one type, or state it: contract.{column}.type in the data's section",
    )


def _joined(one: Rule, other: Rule, column: str, where: str) -> Iterator[tuple[str, Any]]:
    """Yield every field of a rule that is as strict as both."""
    for name in (field.name for field in fields(Rule)):
        a, b, free = getattr(one, name), getattr(other, name), _FREE.get(name)
        strictest: Callable[[Any, Any], Any] = _STRICTEST.get(name, _neither)
        found = a if a == b or b == free else b if a == free else strictest(a, b)
        if found is None and (a, b) != (None, None):
            raise SpecError(
                f"the contracts of two models cannot be put together: {name} of column {column!r} "
                f"is {a!r} and {b!r}",
                where=where,
                hint=f"state it: contract.{column}.{name} in the data's section",
            )
        yield name, found


def _neither(_a: Any, _b: Any) -> None:
    """Two different values of which none includes the other."""


def _numbers(choose: Callable[[float, float], float]) -> Callable[[Any, Any], float | None]:
    """Return how the stricter of two bounds is chosen; of times, told as text, none is."""
    return lambda a, b: None if isinstance(a, str) or isinstance(b, str) else choose(a, b)


def _common(a: tuple[Any, ...], b: tuple[Any, ...]) -> tuple[Any, ...] | None:
    return tuple(value for value in a if value in b) or None


def _all(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(a + b))


_FREE: Mapping[str, Any] = {
    field.name: getattr(Rule(), field.name) for field in fields(Rule) if field.name != "required"
}
"""What each field is where a rule asks for nothing."""

_STRICTEST: Mapping[str, Callable[[Any, Any], Any]] = {
    "min": _numbers(max),
    "max": _numbers(min),
    "nulls": min,
    "values": _common,
    "required": operator.or_,
    "aliases": _all,
}
"""How two different values of a field go together; of other fields they do not."""
