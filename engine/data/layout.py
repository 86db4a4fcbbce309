"""Where each file has the columns of the data set: files need not agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from engine.contract import Contract
from engine.errors import InputError
from engine.schema import common

Schema = Mapping[str, pl.DataType]


@dataclass(frozen=True)
class Layout:
    """Where files have the columns of a data set.

    Attributes:
        moved: The distinct ways in which files differ: column to its name in the file, or to
            ``None`` where the file has no such column and missing values stand in.
        of: Position in ``moved``, by file.
    """

    moved: tuple[Mapping[str, str | None], ...]
    of: tuple[int, ...]

    @classmethod
    def found(
        cls, files: Iterable[tuple[str, Schema]], columns: Iterable[str], contract: Contract
    ) -> Layout:
        """Find the columns of the data set in its files.

        Args:
            files: Path and columns of each file.
            columns: Columns of the data set.
            contract: Its rules may give a column other names.
        """
        wanted = list(columns)
        distinct: dict[tuple[tuple[str, str | None], ...], int] = {}
        of = []
        for path, schema in files:
            names = contract.names_in(schema, path)
            differs = tuple((n, names.get(n)) for n in wanted if names.get(n) != n)
            of.append(distinct.setdefault(differs, len(distinct)))
        return cls(tuple(map(dict, distinct)), tuple(of))

    def stored(self, file: int, column: str) -> str | None:
        """Return the name of a column in a file; ``None`` when the file does not have it."""
        return self.moved[self.of[file]].get(column, column)


def as_text(files: Sequence[tuple[str, Schema]], contract: Contract) -> set[str]:
    """Return the columns that look like different types in different text files.

    A type that no rule states is a guess from the first rows of each file. Where no type holds all
    guesses, the column is the text that it is.

    Args:
        files: Path and guessed types of each file.
        contract: Its rules may give a column other names, and state types.
    """
    stated = {name for name, rule in contract.rules.items() if rule.type is not None}
    kinds: dict[str, dict[pl.DataType, str]] = {}
    for path, schema in files:
        for name, own in contract.names_in(schema, path).items():
            kinds.setdefault(name, {}).setdefault(schema[own], path)
    return {name for name in kinds.keys() - stated if not _fit(name, kinds[name])}


def _fit(name: str, kinds: Mapping[pl.DataType, str]) -> bool:
    try:
        common((path, {name: kind}) for kind, path in kinds.items())
    except InputError:
        return False
    return True
