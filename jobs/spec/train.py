"""The section ``[train]``: what is learned, from which rows, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from cluster.spec import Bytes
from engine.bundle import ALPHA
from engine.calibration import CONFORMAL, TEMPERATURE
from engine.errors import SpecError
from engine.learners import CATALOGUE
from engine.learners.members.names import STACKING, VOTING
from engine.metrics.measure import Measure
from jobs.spec.deciding import ThresholdSpec
from jobs.spec.folds import FoldsSpec
from jobs.spec.learner import LearnerSpec
from jobs.spec.members import NAME, FinalSpec, LearningMemberSpec, ensemble_problems, parts_of
from jobs.spec.problems import Problem, problems_of, refuse
from jobs.spec.section import (
    Integer,
    Location,
)
from jobs.spec.split import SplitSpec

OBJECTIVE = "train.objective"

QUANTILE = "quantile"
"""The objective of models that predict a quantile of the label, that of ``alpha``."""

_COMMON = (
    *("data", "target", "task", "classes", "class_weight", "weight", "split", "seed", "model"),
    *("sample_rows", "max_memory"),
)
"""Keys that members of an ensemble have from the section."""

_ENSEMBLES = ("members", "final", "folds")
"""Keys that say something of ensembles alone."""


class TrainSpec(LearnerSpec):
    """What is learned, from which rows, and how."""

    split: SplitSpec | None = Field(
        None, description="How rows are held out. Left out: all rows train, nothing is measured."
    )
    cross_validate: FoldsSpec | None = Field(
        None,
        description="Before all training rows are trained on, the estimator is fitted on the other "
        "folds of every fold and measured on the fold: metrics of each, mean, standard deviation, "
        "and of all held-out rows together.",
    )
    calibrate: Literal["isotonic", "sigmoid", "temperature", "conformal"] | None = Field(
        None,
        description="What the model says is calibrated on the validation rows. `probability` of a "
        "binary model: by the rising line that fits them best (`isotonic`, from some thousand rows "
        "on) or by Platt scaling (`sigmoid`). Of several classes: each of them against the rest in "
        "the same ways, or all by one number (`temperature`, from some hundred rows on). "
        '`prediction` with `objective = "quantile"`: by a constant, so that the label lies beyond '
        "it as often as `alpha` says (`conformal`). Left out: it is what the model says.",
    )
    threshold: ThresholdSpec | None = Field(
        None,
        description="Choose on the validation rows from which probability on a binary `prediction` "
        "is 1: [train.threshold]. `[score]` takes it unless it names one. Left out: 0.5.",
    )
    members: dict[Annotated[str, Field(pattern=NAME)], LearningMemberSpec] = Field(
        {},
        description="With an `ensemble.*` estimator: its members by name, two or more. Those that "
        "learn do so on the same features.",
    )
    final: FinalSpec | None = Field(
        None,
        description="With `ensemble.Stacking` and `ensemble.Blending`: what combines the members. "
        "Left out: `linear`.",
    )
    folds: FoldsSpec | None = Field(
        None,
        description="With `ensemble.Stacking`: how training rows are held out from the members "
        "whose predictions the final estimator learns from. Left out: 5 folds, stratified by the "
        "label where it is a class.",
    )
    max_memory: Bytes | None = Field(
        None,
        description="Memory that training may take on a worker, such as `1 GiB`; when the binned "
        "rows need more, they are trained on in turns. Left out: the worker's memory.",
    )
    seed: Integer = Field(42, ge=0, description="Seed of everything that draws at random.")
    model: Location = Field(
        description="Folder of the model's versions. A relative path starts at the folder of the "
        "job file."
    )
    sample_rows: Integer = Field(
        200_000,
        ge=1,
        description="Rows of the sample from which LightGBM's bins are made, or on which an "
        "estimator is trained that takes no more than a sample.",
    )

    @property
    def combines(self) -> bool:
        """Whether several members learn."""
        return not self.boosts and self.learner.way == "members"

    @property
    def votes(self) -> bool:
        """Whether the mean of the members is taken."""
        return self.estimator == VOTING

    @property
    def stacking(self) -> FoldsSpec | None:
        """How stacking holds rows out; None for all but stacking."""
        if self.estimator != STACKING:
            return None
        by: Literal["random", "stratified"]
        by = "random" if self.task == "regression" else "stratified"
        return self.folds or FoldsSpec(by=by, seed=self.seed)

    def part(self, one: LearningMemberSpec | FinalSpec) -> TrainSpec:
        """Return what a member, or what combines them, learns as a section of its own.

        Raises:
            ValidationError: It does not go with the task or with its parameters.
        """
        common = {name: getattr(self, name) for name in _COMMON}
        own = {"estimator": one.estimator, "params": one.params}
        stopping = {} if one.early_stopping is None else {"early_stopping": one.early_stopping}
        return TrainSpec.model_validate({**common, **own, **stopping})

    @property
    def quantile(self) -> float | None:
        """Which quantile of the label is learned; None: the objective is another."""
        if self.objective != QUANTILE or not self.boosts:
            return None
        alpha = self.params.get("alpha", ALPHA)
        return float(alpha) if isinstance(alpha, int | float | str) else None

    @property
    def measure(self) -> Measure:
        """What rounds are measured by, but for the number of classes."""
        return Measure(
            self.task,
            objective=self.loss,
            params=self.lightgbm_params,
            metric=self.metric,
        )

    @model_validator(mode="after")
    def _check(self) -> Self:
        checks = (
            *(self.label_problems, self.estimator_problems, self._query, self._folds),
            *(self._ensemble, self._metrics, self._calibrate, self._threshold),
        )
        found = [problem for check in checks for problem in check()]
        if self.boosts:
            found += self.boosting_problems()
            refuse(found or self.boosting_clashes())
        refuse(found)
        return self

    def _folds(self) -> Iterator[Problem]:
        folds = self.cross_validate
        if folds is None:
            return
        if not self.labelled:
            yield Problem(("cross_validate",), f'needs a label, and task = "{self.task}" has none')
        if self.init is not None:
            what = "does not go with `init`: that model may have seen the rows that are held out"
            yield Problem(("cross_validate",), what)
        if self.task == "ranking" and folds.by in ("random", "stratified"):
            column = self.query or "the query column"
            what = "cuts queries apart; keep them whole with "
            yield Problem(("cross_validate", "by"), what + f'by = "group", column = "{column}"')

    def _ensemble(self) -> Iterator[Problem]:
        if self.estimator not in CATALOGUE:
            return
        if not self.combines:
            for name in _ENSEMBLES:
                if getattr(self, name):
                    yield Problem((name,), f'goes with estimator = "{STACKING}" and the like')
            return
        yield from ensemble_problems(self)
        for place, one in parts_of(self):
            yield from self._part(place, one)

    def _part(
        self, place: tuple[str, ...], one: LearningMemberSpec | FinalSpec
    ) -> Iterator[Problem]:
        """Look at a member as at a section of its own; its keys are told as those of the file."""
        if not one.learns:
            return
        if one.estimator in CATALOGUE and CATALOGUE[one.estimator].way == "members":
            yield Problem((*place, "estimator"), "is an ensemble itself: name its members here")
            return
        if self.label_wrong:
            return
        try:
            self.part(one)
        except ValidationError as error:
            for found in problems_of(error, TrainSpec, {}):
                yield Problem((*place, *found.key), found.what)

    @property
    def label_wrong(self) -> bool:
        """Whether what is learned is told wrongly already: then of no member more is said."""
        return any(True for _ in self.label_problems())

    def _calibrate(self) -> Iterator[Problem]:
        if self.calibrate is None:
            return
        if self.calibrate == CONFORMAL:
            if self.objective != QUANTILE:
                what = f'"{CONFORMAL}" is for objective = "{QUANTILE}", and this is another'
                yield Problem(("calibrate",), what)
        elif self.task not in ("binary", "multiclass"):
            what = f"{self.calibrate!r} is for models of classes, and this one is {self.task}"
            yield Problem(("calibrate",), what)
        elif self.calibrate == TEMPERATURE and self.task == "binary":
            what = f'"{TEMPERATURE}" is for several classes: of two, "sigmoid" is as much and more'
            yield Problem(("calibrate",), what)
        if not (self.split and self.split.has_valid):
            yield Problem(("calibrate",), "needs validation rows: give train.split.valid")

    def _threshold(self) -> Iterator[Problem]:
        if self.threshold is None:
            return
        if self.task != "binary":
            what = f"is for binary models, and this one is {self.task}"
            yield Problem(("threshold",), what)
        if not (self.split and self.split.has_valid):
            yield Problem(("threshold",), "needs validation rows: give train.split.valid")

    def _query(self) -> Iterator[Problem]:
        split = self.split
        if self.task == "ranking" and split and split.by in ("random", "systematic", "stratified"):
            column = self.query or "the query column"
            what = "cuts queries apart; keep them whole with "
            yield Problem(("split", "by"), what + f'by = "group", column = "{column}"')

    def _metrics(self) -> Iterator[Problem]:
        if not self.labelled:
            return
        try:
            _ = self.measure
        except SpecError as error:
            if error.where != OBJECTIVE:  # told already
                yield Problem(("metric",), f"{error.what}; {error.hint}")
        if self.early_stopping and not (self.split and self.split.has_valid):
            yield Problem(("early_stopping",), "needs validation rows: give train.split.valid")
