"""Columns by a function of the user, kept as its import path.

A bundle is data until somebody says otherwise: the function that it names is imported only when its
module was allowed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

import polars as pl

from engine.errors import ModelError, SpecError
from engine.features.added import require_new
from engine.features.step import Fitted, Outcome, Step, Types
from engine.schema import named_type, require
from engine.statistics.summary import Summary

VARIABLE = "MILLRACE_FUNCTIONS"
"""Environment variable: modules, separated by commas, from which bundles may import functions."""

_allowed: set[str] = set()


def allow(*modules: str) -> None:
    """Let this process import functions of model bundles from these modules.

    What is loaded from then on may run on workers too. Allow only modules that you trust: importing
    a module runs it.

    Args:
        modules: Full names, such as ``shop.features``; names below them are not meant.
    """
    _allowed.update(modules)


def is_allowed(function: str) -> bool:
    """Tell whether code of a module may run in this process.

    Args:
        function: Import path of a function, or the module.
    """
    named = {name.strip() for name in os.environ.get(VARIABLE, "").split(",")}
    return function.partition(":")[0] in _allowed | named


@dataclass(frozen=True)
class Function(Step):
    """Make columns by a function of your own: ``made = function(frame[columns])``, row by row.

    The function takes a Polars data frame of ``columns`` and returns one with the columns of
    ``makes``, in as many rows. Each row of its result may depend on the same row only: it is called
    on any piece of the data, in training as in scoring. It is never called without rows. Workers
    import it, so it stands in a module that they have; a bundle keeps its import path alone, and
    whoever loads it says `allow` or sets `MILLRACE_FUNCTIONS`.

    Attributes:
        function: ``package.module:name``, or a function at the top of a module.
        makes: Type of each column of the result, by name: ``{"speed": "float32"}``. A name of
            ``columns`` replaces that column.
        removes: Columns that are there no more.
    """

    verb: ClassVar[str] = "call"
    method: ClassVar[str] = "function"

    function: str | Callable[[pl.DataFrame], pl.DataFrame] = ""
    makes: Mapping[str, str] = field(default_factory=dict)
    removes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Turn the function into its import path; check that it is there."""
        super().__post_init__()
        object.__setattr__(self, "function", _path(self.function))
        if not self.makes:
            hint = 'such as makes={"speed": "float32"}'
            raise SpecError("name the columns that it makes", where=self._where, hint=hint)

    @property
    def _where(self) -> str:
        return f"call.Function({self.function})"

    def check(self, types: Types, where: str) -> Outcome:
        """The types are those of ``makes``; new names must be new."""
        require([*self.columns, *self.removes], types, where)
        require_new([name for name in self.makes if name not in self.columns], types, where)
        return Outcome(_types(self.makes, self._where), self.removes)

    def fit(self, summary: Summary, where: str) -> Fitted:
        """Nothing is learned; the user has just named the function, so it may run."""
        assert isinstance(self.function, str)  # since __post_init__
        made = Called(self.function, list(self.columns), dict(self.makes), list(self.removes))
        made.trust()
        return made


@dataclass(frozen=True, eq=False)
class Called(Fitted):
    """A function by its import path; imported where it runs, and only when that is allowed."""

    kind: ClassVar[str] = "call.function"

    function: str
    columns: Sequence[str]
    makes: Mapping[str, str]
    removed: Sequence[str]

    def __post_init__(self) -> None:
        """Remember whether the module is allowed here: copies sent to workers remember it too."""
        object.__setattr__(self, "_trusted", is_allowed(self.function))

    def trust(self) -> None:
        """Let the function run; the mark goes to workers, and never into a bundle."""
        object.__setattr__(self, "_trusted", True)

    def expressions(self) -> list[pl.Expr]:
        """Return one expression of all columns; raises `ModelError` when it is not allowed."""
        if not (vars(self)["_trusted"] or is_allowed(self.function)):
            module = self.function.partition(":")[0]
            raise ModelError(
                f"this model calls the function {self.function}, which is not allowed here",
                hint=f"if you trust that module: engine.features.call.allow({module!r}), "
                f"or set {VARIABLE}={module}",
            )
        _import(self.function, ModelError)
        types = _types(self.makes, self.function)
        run = partial(_run, self.function, types)
        made = pl.struct(self.columns).map_batches(
            run, return_dtype=pl.Struct(types), is_elementwise=True
        )
        return [made.struct.unnest()]

    def sources(self) -> Mapping[str, Sequence[str]]:
        """Each column is made from all that the function is given."""
        return {name: list(self.columns) for name in self.makes}

    def removes(self) -> Sequence[str]:
        """Return what the user said."""
        return self.removed

    def told(self) -> str:
        """Name the function."""
        return f"{', '.join(self.makes)} = {self.function}({', '.join(self.columns)})"


def _run(function: str, types: pl.Schema, values: pl.Series) -> pl.Series:
    """Call the function on rows and check what it returns."""
    name = values.name
    if not len(values):
        return pl.DataFrame(schema=types).to_struct(name)
    made = _import(function, ModelError)(values.struct.unnest())
    if not isinstance(made, pl.DataFrame):
        raise _misfit(function, f"returned a {type(made).__name__}, not a Polars data frame")
    if set(made.columns) != set(types):
        raise _misfit(function, f"returned the columns {made.columns}, not {list(types)}")
    if made.height != len(values):
        raise _misfit(function, f"returned {made.height:,} rows for {len(values):,}")
    try:
        return made.select(list(types)).cast(types).to_struct(name)
    except pl.exceptions.PolarsError as error:
        raise _misfit(
            function, f"returned values of other types: {str(error).splitlines()[0]}"
        ) from error


def _misfit(function: str, what: str) -> SpecError:
    hint = "it takes a frame of its columns and returns one with `makes`, row by row"
    return SpecError(f"the function {function} {what}", hint=hint)


def _path(function: str | Callable[..., Any]) -> str:
    """Return the import path of a function; raises `SpecError` when workers could not import it."""
    if isinstance(function, str):
        path = function
    else:
        module = getattr(function, "__module__", None)
        path = f"{module}:{getattr(function, '__qualname__', type(function).__name__)}"
    module, _, name = path.partition(":")
    why = ""
    if "<lambda>" in name:
        why = "a lambda has no name to import it by"
    elif "<locals>" in name:
        why = "it is defined within another function"
    elif module == "__main__":
        why = "it is defined in the script or notebook itself, which workers cannot import"
    elif not (module and name):
        why = "this is no import path"
    if why:
        hint = 'put it at the top of a module: function="package.module:name"'
        raise SpecError(f"{path} cannot be called on workers: {why}", where="call", hint=hint)
    found = _import(path, SpecError)
    if found is not function and not isinstance(function, str):
        raise SpecError(f"{path} is another function than the one given", where="call")
    return path


def _import(path: str, error: type[SpecError | ModelError]) -> Callable[[pl.DataFrame], Any]:
    module, _, name = path.partition(":")
    try:
        found: Any = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as cause:
        hint = "install the module where it is called, on workers too"
        raise error(f"the function {path} cannot be imported: {cause}", hint=hint) from cause
    if not callable(found):
        raise error(f"{path} is not a function")
    called: Callable[[pl.DataFrame], Any] = found
    return called


def _types(makes: Mapping[str, str], where: str) -> pl.Schema:
    return pl.Schema({name: named_type(kind, f"{where}, {name}") for name, kind in makes.items()})
