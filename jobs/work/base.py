"""The model that training goes on from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from engine.boosting.learning import Task
from engine.boosting.params.objectives import objective_for
from engine.bundle import Bundle
from engine.classes import listed, text_of
from engine.errors import SpecError
from engine.models import Trees
from engine.registry import open_model
from jobs.spec.job import TrainSpec


@dataclass(frozen=True)
class Base:
    """The model that training goes on from.

    Attributes:
        folder: Folder of its version.
        bundle: The model, one of LightGBM's.
    """

    folder: Path
    bundle: Bundle

    @property
    def text(self) -> str:
        """LightGBM's model text."""
        assert isinstance(self.bundle.model, Trees)
        return self.bundle.model.text

    def told(self) -> dict[str, str]:
        """Return where a new model comes from, for its provenance."""
        return {"model": str(self.folder), "digest": self.bundle.digest}

    def assert_alike(self, spec: TrainSpec) -> None:
        """Refuse a section that asks for another kind of model.

        Raises:
            SpecError: Task, objective or classes differ, or the model is a random forest.
        """
        own = self.bundle
        if spec.task != own.task:
            self._refuse("task", spec.task, own.task)
        loss = objective_for(cast(Task, spec.task), own.objective)
        if spec.loss != loss:
            self._refuse("objective", spec.loss, loss)
        asked_classes, classes = (
            [text_of(one) for one in given or ()] for given in (spec.classes, own.classes)
        )
        if spec.classes is not None and asked_classes != classes:
            self._refuse("classes", listed(asked_classes), listed(classes) or "none")
        if not isinstance(own.model, Trees) or own.model.averaged:
            kind = "a random forest" if isinstance(own.model, Trees) else own.model.kind
            what = f"training cannot go on from {kind}"
            raise SpecError(what, where=f"train.init, {self.folder}", hint="train a new model")

    def _refuse(self, name: str, asked: str, there: str) -> None:
        raise SpecError(
            f"{asked} is asked for, and the model that training goes on from has {there}",
            where=f"train.{name}, {self.folder}",
            hint="ask for what the model has, or train a new one",
        )


def open_base(reference: str) -> Base:
    """Open a model that training goes on from.

    Raises:
        ModelError: There is no such model or version, or it is damaged.
    """
    return Base(*open_model(reference))
