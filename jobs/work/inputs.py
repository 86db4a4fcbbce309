"""Columns that the models of ``[score]`` read, and the data lack: which model wants which."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from engine.data.dataset import Dataset
from engine.errors import SpecError
from jobs.work.scorer import Scorer
from jobs.work.wanted import Wanted


def assert_there(
    dataset: Dataset,
    scorers: Mapping[str, Scorer],
    needs: Mapping[str, Wanted],
    own: Collection[str],
) -> None:
    """Refuse data without a column that a model reads.

    Args:
        dataset: The data.
        scorers: The models by key.
        needs: What each needs of the data.
        own: Columns that the models add: ``combine`` may have meant one of them.

    Raises:
        InputError: Some files have the column and some do not.
        SpecError: No file has it.
    """
    for key, one in needs.items():
        try:
            dataset.require(one.inputs, _where(dataset.name, key, scorers))
        except SpecError as error:
            raise wanted_by(error, dataset.name, scorers, needs, own) from None


def wanted_by(
    error: SpecError,
    name: str,
    scorers: Mapping[str, Scorer],
    needs: Mapping[str, Wanted],
    own: Collection[str],
) -> SpecError:
    """Return what was said of a column that is not there with the model that reads it.

    The data are opened under one contract for all models, which does not know whose rule is whose.

    Args:
        error: What was said, of this or of anything else.
        name: Name of the data.
        scorers: As for `assert_there`.
        needs: As for `assert_there`.
        own: As for `assert_there`.
    """
    for key, one in needs.items():
        for column in one.inputs:
            if error.what == f"there is no column {column!r}":  # `engine.schema.require`
                meant = difflib.get_close_matches(column, own, 1) if key == "combine" else []
                hint = f"did you mean {meant[0]!r}?" if meant else error.hint
                return SpecError(error.what, where=_where(name, key, scorers), hint=hint)
    return error


def _where(name: str, key: str, scorers: Mapping[str, Scorer]) -> str:
    return f"data.{name} (columns that {scorers[key].reference}, score.{key}, needs)"
