"""Several models as one: what each member says becomes a feature of the model that combines them.

Source: Wolpert (1992), "Stacked Generalization".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from engine.canonical import canonical
from engine.models.learned import Learned, Scores, X
from engine.models.stored import above, below

_FILE = "ensemble.json"
_FINAL = "final."


@dataclass(frozen=True)
class Members:
    """Models of the same features side by side; an `engine.models.learned.Learned`.

    Attributes:
        models: The models by name, in order.
    """

    kind: ClassVar[str] = "members"
    models: Mapping[str, Learned]

    @property
    def width(self) -> int:
        """Number of features."""
        return next(iter(self.models.values())).width

    def predict(self, x: X) -> Scores:
        """Return what all members say, side by side, shape (n, columns), as `columns` names it."""
        said = [model.predict(x) for model in self.models.values()]
        return np.column_stack(said).astype(np.float64, copy=False)

    def files(self) -> Mapping[str, bytes]:
        """Return the files of each member under its name."""
        found = {_FILE: canonical({"members": list(self.models)})}
        for name, model in self.models.items():
            found |= above(_member(name), model)
        return found

    @classmethod
    def of_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Return the members that `files` told."""
        names = json.loads(contents[_FILE])["members"]
        return cls({name: below(_member(name), contents) for name in names})


@dataclass(frozen=True)
class Ensemble:
    """Members and the model that combines them; an `engine.models.learned.Learned`.

    Attributes:
        members: What is asked first.
        final: What is asked with their answers as its features, float32 as all features are.
    """

    kind: ClassVar[str] = "ensemble"
    members: Members
    final: Learned

    @property
    def width(self) -> int:
        """Number of features."""
        return self.members.width

    def predict(self, x: X) -> Scores:
        """Return what the final model makes of what the members say."""
        return self.final.predict(np.ascontiguousarray(self.members.predict(x), np.float32))

    def files(self) -> Mapping[str, bytes]:
        """Return the files of the members and of the final model, each under a name of its own."""
        return {**self.members.files(), **above(_FINAL, self.final)}

    @classmethod
    def of_files(cls, contents: Mapping[str, bytes]) -> Self:
        """Return the model that `files` told."""
        return cls(Members.of_files(contents), below(_FINAL, contents))


def columns(names: tuple[str, ...], classes: int) -> tuple[str, ...]:
    """Return the names of what members say: one column each, or one for each of several classes.

    Args:
        names: The members.
        classes: Number of classes of a multiclass task, else 0.
    """
    if not classes:
        return names
    return tuple(f"{name}_{code}" for name in names for code in range(classes))


def _member(name: str) -> str:
    return f"member.{name}."
