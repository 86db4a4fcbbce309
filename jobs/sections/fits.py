"""What one training has fitted so far, kept in the run's place until there is a model.

A training may fit many estimators: one for each fold, one for each member of an ensemble. Those
that are finished are not fitted again by the run that goes on after a kill.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import MillraceError
from engine.features.fitted import FittedPipeline
from engine.models.packed import packed, unpacked
from engine.models.stored import kept, restored
from engine.place.kept import Kept
from engine.place.place import Place
from jobs.fingerprint import checkpoint_digest
from jobs.sections.context import Context
from jobs.sections.fit import Fit
from jobs.work.training import Training

_TOLD = "told.json"


@dataclass(frozen=True)
class Fits:
    """Where one fit of a training is kept, finished or not.

    Attributes:
        place: Where runs keep what must last.
        name: Of this fit, which no other has.
    """

    place: Place
    name: str
    _names: set[str] = field(default_factory=set, compare=False, repr=False)

    @classmethod
    def of(cls, context: Context, training: Training) -> Fits:
        """Return where the training itself is kept; the next run of the same looks there too."""
        digest = checkpoint_digest(context.planned.job, training)
        return cls(context.run.place, f"checkpoints/{digest}")

    def below(self, name: str) -> Fits:
        """Return where a fit is kept that this one is made of."""
        return replace(self, name=f"{self.name}-{name}")

    @property
    def checkpoint(self) -> Kept:
        """Where a fit that is not finished is kept."""
        return Kept(self.place, f"{self.name}.txt")

    @property
    def finished(self) -> Kept:
        """Where a finished fit is kept."""
        return Kept(self.place, f"{self.name}.fit")

    def found(self) -> tuple[Fit, FittedPipeline] | None:
        """Return the finished fit and its features, if an earlier run has left it whole."""
        self._names.add(self.name)
        content = self.finished.read()
        if content is None:
            return None
        try:
            files = unpacked(content, str(self.finished))
            pipeline, model = FittedPipeline.of_files(files), restored(files)
        except (MillraceError, ValueError, KeyError):
            return None  # written by another version, or torn: it is fitted again
        told: dict[str, Any] = json.loads(files[_TOLD])
        return Fit(model, told["told"], told["summary"]), pipeline

    def keep(self, fit: Fit, pipeline: FittedPipeline) -> None:
        """Keep a finished fit with the features that it was fitted on."""
        self._names.add(self.name)
        told = {"told": dict(fit.told), "summary": dict(fit.summary)}
        files = {**pipeline.files(), **kept(fit.model), _TOLD: json.dumps(told).encode()}
        self.finished.replace(packed(files))

    def clear(self) -> None:
        """Remove all finished fits of the training: there is a model now."""
        for name in self._names:
            replace(self, name=name).finished.remove()
