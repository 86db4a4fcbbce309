"""The members of an ensemble, and what combines them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Protocol

from pydantic import AfterValidator, Field

from engine.learners.members.names import BLENDING, STACKING, VOTING
from engine.learners.members.pooling import LINEAR
from jobs.spec.folds import FoldsSpec
from jobs.spec.problems import Problem
from jobs.spec.section import Flag, Integer, Location, Number, Section, Text, has_version

Scalar = Flag | Integer | Number | str

NAME = r"^[A-Za-z0-9_-]+$"
"""What a member may be called: it is part of the names of files."""


class LearningMemberSpec(Section):
    """A member: an estimator that learns as the others do, or a model that was trained before."""

    model: Annotated[Location, AfterValidator(has_version)] | None = Field(
        None,
        description="Instead of an estimator: a model that was trained before, `models/x@latest` "
        "or `models/x@3`, with the features it was trained with. It goes into the new bundle.",
    )
    estimator: Text = Field("lightgbm", description="What learns: any but another ensemble.")
    params: dict[str, Scalar | tuple[Scalar, ...]] = Field(
        {}, description="Parameters of the estimator under its own names."
    )
    early_stopping: Integer | None = Field(
        None,
        ge=1,
        description="Of `lightgbm`: stop after so many rounds without a better metric of the rows "
        "that are held out.",
    )
    share: Annotated[Number, Field(gt=0)] = Field(
        1.0, description="With `ensemble.Voting`: how much it counts in the mean."
    )

    @property
    def learns(self) -> bool:
        """Whether it is one of the estimators of the catalogue."""
        return self.model is None


class FinalSpec(Section):
    """What learns from what the members say."""

    estimator: Text = Field(
        LINEAR,
        description="`linear`: weights of 0 or more for the members and an intercept, fitted to "
        "their predictions (of a regression), log-odds (`binary`) or logarithms of probabilities "
        "(`multiclass`) on a sample of `sample_rows`; or another estimator.",
    )
    params: dict[str, Scalar | tuple[Scalar, ...]] = Field(
        {}, description="Parameters of the estimator under its own names; `linear` has none."
    )
    early_stopping: Integer | None = Field(
        None,
        ge=1,
        description="Of `lightgbm` with `ensemble.Stacking`: as for members, by the validation "
        "rows.",
    )

    @property
    def learns(self) -> bool:
        """Whether it is one of the estimators of the catalogue."""
        return self.estimator != LINEAR


class Split(Protocol):
    """What is asked of a split here."""

    @property
    def has_valid(self) -> bool:
        """Whether there are validation rows."""


class Ensembled(Protocol):
    """What is asked of the section here."""

    @property
    def estimator(self) -> str:
        """Name of the ensemble."""

    @property
    def params(self) -> Mapping[str, object]:
        """Parameters of the ensemble: none."""

    @property
    def members(self) -> Mapping[str, LearningMemberSpec]:
        """Its members by name."""

    @property
    def final(self) -> FinalSpec | None:
        """What combines them."""

    @property
    def model(self) -> str:
        """Where the ensemble's versions are."""

    @property
    def balance(self) -> object:
        """Which training rows are left out."""

    @property
    def cross_validate(self) -> FoldsSpec | None:
        """Whether the ensemble is measured by folds."""

    @property
    def folds(self) -> FoldsSpec | None:
        """How rows are held out from members."""

    @property
    def split(self) -> Split | None:
        """How rows are held out from all."""


def parts_of(spec: Ensembled) -> Iterator[tuple[tuple[str, ...], LearningMemberSpec | FinalSpec]]:
    """Yield members and what combines them, each with its place below the section."""
    for name, member in spec.members.items():
        yield ("members", name), member
    if spec.final is not None:
        yield ("final",), spec.final


def ensemble_problems(spec: Ensembled) -> Iterator[Problem]:
    """Yield what is wrong with an ensemble as a whole."""
    if len(spec.members) < 2:
        what = f"{spec.estimator} needs two or more, such as [train.members.trees]"
        yield Problem(("members",), what)
    if spec.params:
        yield Problem(("params",), "are those of members: [train.members.<name>] params")
    if spec.folds is not None and spec.estimator != STACKING:
        yield Problem(("folds",), f'goes with estimator = "{STACKING}"')
    elif spec.folds is not None and spec.folds.repeats > 1:
        yield Problem(("folds", "repeats"), "is 1 with stacking: each row is learned from once")
    yield from _final(spec)
    yield from _finished(spec)
    if spec.estimator != VOTING:
        for name, member in spec.members.items():
            if member.share != 1:
                yield Problem(("members", name, "share"), f'goes with estimator = "{VOTING}"')
    if spec.estimator == BLENDING and not (spec.split and spec.split.has_valid):
        what = "is trained on the validation rows: give train.split.valid"
        yield Problem(("final",), what)


def _finished(spec: Ensembled) -> Iterator[Problem]:
    """Yield what is wrong with members that were trained before."""
    finished = {n: one for n, one in spec.members.items() if one.model is not None}
    for name, one in finished.items():
        for key in ("estimator", "params", "early_stopping"):
            if getattr(one, key) != LearningMemberSpec.model_fields[key].default:
                yield Problem(("members", name, key), "does not go with `model`, which is finished")
        if one.model == f"{spec.model}@latest":
            what = "is what this section trains: name one of its versions, such as @1"
            yield Problem(("members", name, "model"), what)
    if finished and spec.cross_validate is not None:
        what = "does not go with finished models: they may have seen the rows that are held out"
        yield Problem(("cross_validate",), what)
    if finished and spec.balance is not None:
        what = "does not go with finished models, whose probabilities are not those of rows left"
        yield Problem(("balance",), what)


def _final(spec: Ensembled) -> Iterator[Problem]:
    final = spec.final
    if final is None:
        return
    if spec.estimator == VOTING:
        yield Problem(("final",), "goes with stacking and blending; voting takes the mean")
    if final.estimator == LINEAR:
        for name in ("params", "early_stopping"):
            if getattr(final, name):
                yield Problem(("final", name), f'does not go with estimator = "{LINEAR}"')
    elif final.early_stopping and spec.estimator == BLENDING:
        what = "needs other held-out rows than those that are learned from: use stacking"
        yield Problem(("final", "early_stopping"), what)
