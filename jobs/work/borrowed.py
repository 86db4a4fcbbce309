"""Members of an ensemble that were trained before: bundles that it takes in as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.bundle import Bundle
from engine.classes import Class, listed, text_of
from engine.errors import SpecError
from engine.learners.members.names import BLENDING, STACKING
from engine.models import Learned
from engine.models.calibrated import Calibrated
from engine.registry import open_model
from engine.training.seen import KEY, Overlap, Seen, overlap
from jobs.spec.train import TrainSpec

_LINEAGE = (KEY, "base", "members")
"""What the provenance of a bundle tells of the rows that it has learned from."""


@dataclass(frozen=True)
class Borrowed:
    """A bundle that is a member of an ensemble.

    Attributes:
        reference: How the job file names it.
        folder: Folder of its version.
        bundle: The model with its features.
    """

    reference: str
    folder: Path
    bundle: Bundle

    @property
    def learned(self) -> Learned:
        """What predicts: the model, calibrated if the bundle is."""
        bundle = self.bundle
        return Calibrated(bundle.model, bundle.calibration) if bundle.calibration else bundle.model

    @property
    def width(self) -> int:
        """Number of its features."""
        return len(self.bundle.pipeline.features)

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(map(len, self.learned.files().values()))

    def named(self) -> dict[str, Any]:
        """Return which bundle it is, for the metrics and the digest of a training."""
        return {"model": str(self.folder), "digest": self.bundle.digest}

    def told(self) -> dict[str, Any]:
        """Return the same with what it has learned from, for the provenance of the ensemble."""
        own = self.bundle.provenance
        return {**self.named(), **{key: own[key] for key in _LINEAGE if key in own}}


def place_of(name: str) -> str:
    """Return where the job file names a bundle that is a member."""
    return f"train.members.{name}.model"


def open_borrowed(spec: TrainSpec) -> dict[str, Borrowed]:
    """Open the bundles among the members, by name.

    Raises:
        ModelError: A bundle is not there, or damaged.
        SpecError: It was trained for another task or other classes, or looks at earlier rows.
    """
    found: dict[str, Borrowed] = {}
    for name, member in spec.members.items():
        if member.model is not None:
            found[name] = Borrowed(member.model, *open_model(member.model))
            _assert_task(spec, found[name], place_of(name))
    if found:
        _assert_classes(spec, found)
    return found


def classes_of(borrowed: Mapping[str, Borrowed]) -> tuple[Class, ...] | None:
    """Return the classes of bundles that go together, there being some."""
    return next(iter(borrowed.values())).bundle.classes


def _assert_task(spec: TrainSpec, one: Borrowed, where: str) -> None:
    if one.bundle.task != spec.task:
        raise SpecError(
            f"{one.reference} was trained for {one.bundle.task}, and the task here is {spec.task}",
            where=where,
            hint="members of an ensemble are of one task: name another model",
        )
    if one.bundle.pipeline.lookback:
        raise SpecError(
            f"the features of {one.reference} look at earlier rows, which a member cannot",
            where=where,
            hint="train it in this job, with its steps in [features]; or let [score] models and "
            "combine put finished models together",
        )


def _assert_classes(spec: TrainSpec, borrowed: Mapping[str, Borrowed]) -> None:
    first = None if spec.classes is None else _texts(spec.classes)
    given = "train.classes"
    for name, one in borrowed.items():
        own = _texts(one.bundle.classes)
        if first is None and given == "train.classes":
            first, given = own, one.reference
        if own != first:
            raise SpecError(
                f"{one.reference} knows the classes {_told(own)}, and {given} {_told(first)}",
                where=place_of(name),
                hint="members know the same classes in the same order: name another model, or "
                "train one with these train.classes",
            )


def _texts(classes: Iterable[Class] | None) -> list[str] | None:
    return None if classes is None else [text_of(one) for one in classes]


def _told(classes: list[str] | None) -> str:
    return "0 and 1" if classes is None else listed(classes)


def assert_no_label(borrowed: Mapping[str, Borrowed], label: Iterable[str]) -> None:
    """Refuse bundles that read what the label is made of.

    Args:
        borrowed: The bundles by name.
        label: Columns that the label is made of.

    Raises:
        SpecError: There is one.
    """
    for name, one in borrowed.items():
        for column in label:
            if column in one.bundle.pipeline.inputs:
                raise SpecError(
                    f"{one.reference} reads {column!r}, which the label is made of",
                    where=place_of(name),
                    hint="name a model that was trained without this column",
                )


def doubts(spec: TrainSpec, borrowed: Mapping[str, Borrowed], here: Seen) -> Iterator[str]:
    """Yield what a reader should know of rows that bundles may have learned from.

    Args:
        spec: The section.
        borrowed: The bundles by name.
        here: The rows, and which of them are held out.

    Raises:
        SpecError: What combines the members would learn from what a bundle knows by heart.
    """
    for name, one in borrowed.items():
        known = overlap(here, one.bundle.provenance)
        if known == Overlap.NONE:
            continue
        if spec.estimator == STACKING:
            raise _no_folds(one, place_of(name))
        if spec.estimator == BLENDING and known == Overlap.SOME:
            raise SpecError(
                f"{one.reference} has learned from rows that validate here, which what combines "
                "the members would learn from",
                where=place_of(name),
                hint="give the split that it was trained with, or data that it has not seen",
            )
        if known == Overlap.SOME and _holds_out(spec):
            yield (
                f"{one.reference} has learned from rows that are held out here: what [evaluate] "
                f"says of them is too good ({place_of(name)})"
            )
        elif known == Overlap.UNKNOWN and _holds_out(spec):
            yield (
                f"nothing tells whether {one.reference} has learned from the rows that are held "
                f"out here: if it has, all that is learned and measured with them is too good "
                f"({place_of(name)})"
            )


def _no_folds(one: Borrowed, where: str) -> SpecError:
    return SpecError(
        f"{one.reference} is finished, so it says nothing out of fold: it may have learned from "
        "any of these rows",
        where=where,
        hint=f'use estimator = "{BLENDING}", which learns from validation rows; or stack on data '
        "in files that it has not learned from",
    )


def _holds_out(spec: TrainSpec) -> bool:
    return bool(spec.split and (spec.split.valid or spec.split.test or spec.split.at))
