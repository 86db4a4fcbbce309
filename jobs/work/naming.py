"""Names of the columns that ``[score]`` writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from engine.errors import SpecError
from jobs.spec.problems import nearest


def assert_names(
    rename: Mapping[str, str], passed: Collection[str], added: Collection[str]
) -> None:
    """Refuse an output in which two columns have one name, and new names for none.

    Args:
        rename: New name by old name.
        passed: Columns of the data that are passed through.
        added: Columns that the models add.

    Raises:
        SpecError: Such a column.
    """
    for name in passed:
        if name in added:
            raise SpecError(
                f"{name!r} is the name of a column that scoring adds",
                where="score.columns",
                hint="leave the column out, or give it another name by aliases in its contract",
            )
    names = [*passed, *added]
    for old in rename:
        if old not in names:
            raise SpecError(
                f"the output has no column {old!r}{nearest(old, names)}", where="score.rename"
            )
    for name, count in Counter(rename.get(old, old) for old in names).items():
        if count > 1:
            raise SpecError(
                f"{count} columns of the output would be called {name!r}",
                where="score.rename",
                hint="give them different names",
            )
