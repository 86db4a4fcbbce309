"""The contract of a data set: its columns, what each row must satisfy, what all rows must.

Rules of one row set the row aside; a share of missing values (``nulls = 0.05``) and keys
(``unique``) are rules on the whole data and refuse the job when they are broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import polars as pl

from engine.contract import casting, conditions
from engine.contract.conditions import Condition
from engine.contract.rule import Rule
from engine.errors import ContractRefused, InputError, SpecError
from engine.expression import assert_row_test, columns_of
from engine.formats.format import MALFORMED
from engine.schema import Common, Files, common, named_type, require

REASON = "__reason"
"""Column of rejected rows: all reasons, joined by ``; ``."""
COLUMN = "__column"
"""Column of rejected rows: the column of the first rule that is broken."""
RULE = "__rule"
"""Column of rejected rows: the first rule that is broken, such as ``max 150``."""
VALUE = "__value"
"""Column of rejected rows: the value that breaks it, as it was read."""

TOLD = (REASON, COLUMN, RULE, VALUE)


@dataclass(frozen=True)
class Contract:
    """The rules of a data set.

    Attributes:
        rules: Rule of each named column; a column without one only has to be of its type.
        name: Name of the data set, for messages.
        checks: SQL conditions over the columns of a row. A row for which one is false is set
            aside; as in SQL, one that is null (a value is missing) is not broken.
        unique: Keys: columns whose values together may occur once only. As in SQL, rows that
            miss one of them are not compared.
        extra: What to do with columns that no rule names: leave them be, or refuse the data.
    """

    rules: Mapping[str, Rule] = field(default_factory=dict)
    name: str = "data"
    checks: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    extra: Literal["ignore", "refuse"] = "ignore"

    @property
    def columns(self) -> list[str]:
        """Columns that must be read to tell good rows from bad ones."""
        checked = (name for text in self.checks for name in columns_of(text, self._key("checks")))
        return list(dict.fromkeys([*self.rules, *checked]))

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """Columns whose values together may occur once only; those of single columns first."""
        single = ((name,) for name, rule in self.rules.items() if rule.unique)
        return tuple(dict.fromkeys([*single, *self.unique]))

    def only(self, columns: Iterable[str]) -> Contract:
        """Return the rules of these columns, without checks and keys."""
        rules = {name: self.rules[name] for name in columns if name in self.rules}
        return replace(self, rules=rules, checks=(), unique=())

    def to_dict(self) -> dict[str, Any]:
        """Return the contract as JSON values: equal exactly when the contracts are."""
        return asdict(replace(self, rules=dict(self.rules)))

    def names_in(self, columns: Iterable[str], path: str = "") -> dict[str, str]:
        """Return the data set's name of each column of a file, with its name in the file.

        Args:
            columns: Names in the file, in order.
            path: The file, for the message.

        Raises:
            InputError: The file has a column under two of its names.
        """
        known = {alias: name for name, rule in self.rules.items() for alias in rule.aliases}
        names: dict[str, str] = {}
        for column in columns:
            name = column if column in self.rules else known.get(column, column)
            if name in names:
                raise InputError(
                    f"{names[name]!r} and {column!r} are both the column {name!r}",
                    where=path,
                    hint=f"take one of them out of {self._key(name)}.aliases",
                )
            names[name] = column
        return names

    def reconcile(
        self, files: Iterable[tuple[str, Mapping[str, pl.DataType]]], text: bool
    ) -> Common:
        """Find the columns that files share, under their names in the data set.

        Args:
            files: Path and schema of each file, as its metadata state them.
            text: The files hold text: a stated type goes before what was guessed from a sample.

        Returns:
            Type of each column as stored in the data set (of text: as guessed, or as stated), and
            the columns that are left out because files lack them.

        Raises:
            InputError: Types do not fit together, or files lack a column that is needed.
            ContractRefused: There is an extra column and the contract refuses them.
        """
        stated = {
            name: named_type(rule.type, self._key(name))
            for name, rule in self.rules.items()
            if rule.type is not None
        }
        known = stated if text else {}
        named = [
            (path, {n: known.get(n, schema[c]) for n, c in self.names_in(schema, path).items()})
            for path, schema in files
        ]
        self._assert_no_extra(named)
        optional = [name for name, rule in self.rules.items() if not rule.required]
        found = common(named, stated, optional)
        self._assert_complete(found, len(named))
        return found

    def _assert_complete(self, found: Common, files: int) -> None:
        for name in (*self.columns, *(name for key in self.keys for name in key)):
            if (lacking := found.absent.get(name)) is not None:
                raise InputError(
                    f"column {name!r} is missing in {lacking.count:,} of {files:,} files",
                    where=str(lacking),
                    hint=f"add it, name it in {self._key(name)}.aliases, or set required = false",
                )

    def _assert_no_extra(self, named: Iterable[tuple[str, Mapping[str, pl.DataType]]]) -> None:
        if self.extra == "ignore":
            return
        extra: dict[str, Files] = {}
        for path, schema in named:
            for name in schema.keys() - self.rules.keys():
                extra.setdefault(name, Files()).add(path)
        if extra:
            raise ContractRefused(
                f"columns that the contract does not name: {', '.join(sorted(extra))}",
                where="; ".join(f"{name}: {extra[name]}" for name in sorted(extra)),
                hint=f'name them in {self._key()}, or leave out extra = "refuse"',
            )

    def schema(self, found: Mapping[str, pl.DataType], text: bool) -> dict[str, pl.DataType]:
        """Return the column types after the contract.

        Args:
            found: Types in the files.
            text: The files hold text (CSV), so that any type may be asked for.

        Raises:
            SpecError: A rule is on an unknown column, or asks for what cannot be.
        """
        types = dict(found)
        require(list(self.rules), found, self._key())
        for name, rule in self.rules.items():
            types[name] = rule.kind(found[name], text, self._key(name))
            rule.check(types[name], self._key(name))
        for check in self.checks:
            assert_row_test(check, types, self._key("checks"))
        for key in self.unique:
            require(key, types, self._key("unique"))
        return types

    def checked(
        self, frame: pl.DataFrame, types: Mapping[str, pl.DataType]
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Give columns their types and tell good rows from bad ones.

        Args:
            frame: Rows as read; a row with a text in `MALFORMED` is bad for that reason.
            types: Wanted type of each column that is to be checked.

        Returns:
            Good rows in their types; bad rows as they were read, with `REASON`, `COLUMN`, `RULE`
            and `VALUE`.
        """
        formats = {name: rule.formats for name, rule in self.rules.items()}
        local = {name: rule.local for name, rule in self.rules.items()}
        typed = casting.typed(frame, types, formats, local)
        suspects = self._suspects(frame, typed, types)
        good = pl.exclude(MALFORMED)
        if not suspects:
            return typed.select(good), _none_told(frame)
        flags = self._evaluated(typed, {str(i): c.broken for i, c in enumerate(suspects)})
        bad = flags.select(pl.any_horizontal(pl.all())).to_series()
        rejected = _told(frame.filter(bad), suspects, flags.filter(bad))
        return typed.filter(~bad).select(good), rejected

    def _suspects(
        self, frame: pl.DataFrame, typed: pl.DataFrame, types: Mapping[str, pl.DataType]
    ) -> list[Condition]:
        """Return the conditions that some row may break; none for clean data."""
        known = self._conditions(frame, typed, types)
        tests = {str(i): condition.suspect for i, condition in enumerate(known)}
        if not tests:
            return []
        found = self._evaluated(typed, tests).row(0)
        suspects = [condition for condition, some in zip(known, found, strict=True) if some]
        if MALFORMED not in frame.columns:
            return suspects
        readable = pl.col(MALFORMED).is_null()
        rest = [replace(c, broken=c.broken & readable) for c in suspects if c.rule != "malformed"]
        return [conditions.malformed(), *rest]

    def _conditions(
        self, frame: pl.DataFrame, typed: pl.DataFrame, types: Mapping[str, pl.DataType]
    ) -> list[Condition]:
        """Return all conditions, in the order of the columns; checks come last."""
        known = [conditions.malformed()] if MALFORMED in frame.columns else []
        schema = frame.schema
        for name, kind in types.items():
            if schema[name] != kind:
                known += conditions.typed(frame[name], kind, typed[name])
            if name in self.rules:
                known += conditions.ruled(name, kind, self.rules[name])
        return known + [conditions.checked(text) for text in self.checks]

    def _evaluated(self, rows: pl.DataFrame, tests: Mapping[str, pl.Expr]) -> pl.DataFrame:
        """Evaluate tests in one go; a check of the user may fail on the data."""
        try:
            return rows.select(t.fill_null(False).alias(name) for name, t in tests.items())
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise SpecError(
                f"a check fails on the data: {str(error).splitlines()[0]}",
                where=f"{self._key('checks')} = {list(self.checks)}",
                hint="use TRY_CAST, which gives null, for CAST, which fails",
            ) from error

    def _key(self, name: str = "") -> str:
        return f"data.{self.name}.contract" + (f".{name}" if name else "")

    def shares(self) -> dict[str, float]:
        """Return the allowed share of missing values of the columns that have one."""
        return {name: rule.nulls for name, rule in self.rules.items() if 0 < rule.nulls < 1}

    def gate(self, nulls: Mapping[str, int], rows: int) -> None:
        """Refuse data in which a column misses more values than its rule allows.

        Args:
            nulls: Missing values by column, of all good rows.
            rows: Number of good rows.

        Raises:
            ContractRefused: A share is over its limit.
        """
        for name, allowed in self.shares().items():
            share = nulls.get(name, 0) / rows if rows else 0.0
            if share > allowed:
                raise ContractRefused(
                    f"{share:.1%} of column {name!r} is missing, {allowed:.1%} is allowed",
                    where=f"{self._key(name)}.nulls",
                    hint="find out why values are missing, or raise the limit",
                )


def _none_told(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what `_told` says of no row, without asking Polars: clean partitions are many."""
    kinds = {name: kind for name, kind in rows.schema.items() if name != MALFORMED}
    return pl.DataFrame(schema={**kinds, **dict.fromkeys(TOLD, pl.String())})


def _told(rows: pl.DataFrame, broken: Sequence[Condition], flags: pl.DataFrame) -> pl.DataFrame:
    """Add to rows as read what each one breaks; flag i says which rows break condition i."""
    given = [pl.when(pl.col(f"__flag{i}")) for i in range(len(broken))]
    reasons = [row.then(one.reason) for row, one in zip(given, broken, strict=True)]
    columns = [
        row.then(pl.lit(", ".join(one.columns) or None, pl.String))
        for row, one in zip(given, broken, strict=True)
    ]
    names = [row.then(pl.lit(one.rule)) for row, one in zip(given, broken, strict=True)]
    values = [row.then(one.value) for row, one in zip(given, broken, strict=True)]
    nothing = pl.lit(None, pl.String)
    told = rows.hstack(flags.rename(lambda name: f"__flag{name}")).with_columns(
        pl.concat_str(nothing, *reasons, separator="; ", ignore_nulls=True).alias(REASON),
        pl.coalesce(nothing, *columns).alias(COLUMN),
        pl.coalesce(nothing, *names).alias(RULE),
        pl.coalesce(nothing, *values).alias(VALUE),
    )
    return told.select(*(name for name in rows.columns if name != MALFORMED), *TOLD)
