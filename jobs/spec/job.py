"""The job file as one frozen model, and the rules that span its sections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from cluster.spec import ClusterSpec, LocalCluster
from engine.storage.places import in_store
from jobs.spec.contract import ColumnRule, ContractSpec
from jobs.spec.data import DataSpec, overlap
from jobs.spec.evaluate import EvaluateSpec
from jobs.spec.explain import ExplainSpec
from jobs.spec.features import FeaturesSpec
from jobs.spec.predicting import PREDICTION, PROBABILITY
from jobs.spec.prepare import PrepareSpec
from jobs.spec.problems import Problem, nearest, refuse
from jobs.spec.profile import ProfileSpec
from jobs.spec.score import ScoreSpec
from jobs.spec.section import Section
from jobs.spec.sort import SortSpec
from jobs.spec.split import SplitSpec
from jobs.spec.track import TrackSpec
from jobs.spec.train import TrainSpec
from jobs.spec.tune import TuneSpec
from jobs.spec.tuning import tuning_problems

__all__ = [
    "PREDICTION",
    "PROBABILITY",
    "ColumnRule",
    "ContractSpec",
    "DataSpec",
    "EvaluateSpec",
    "FeaturesSpec",
    "JobSpec",
    "PrepareSpec",
    "ProfileSpec",
    "ScoreSpec",
    "SortSpec",
    "SplitSpec",
    "TrackSpec",
    "TrainSpec",
    "TuneSpec",
]


def _is_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
        raise ValueError("should start with a letter or digit and hold only those, '.', '_', '-'")
    return value


class JobSpec(Section):
    """One tabular machine-learning job: data, features, training, scoring."""

    name: Annotated[str, AfterValidator(_is_name)] = Field(
        max_length=100,
        description="Name of the job: letters, digits, `.`, `_` and `-`.",
    )
    cluster: ClusterSpec = Field(
        LocalCluster(),
        description="Where the work runs. Left out: a local cluster sized to this machine.",
    )
    data: dict[str, DataSpec] = Field(min_length=1, description="The tables, by name.")
    profile: ProfileSpec | None = Field(None, description="Look at some data first.")
    sort: SortSpec | None = Field(None, description="Write rows in the order of keys and time.")
    features: FeaturesSpec | None = Field(
        None,
        description="Features of the model. Left out: the columns as they are, all numbers.",
    )
    prepare: PrepareSpec | None = Field(None, description="Write features as data.")
    train: TrainSpec | None = Field(None, description="Train a model.")
    tune: TuneSpec | None = Field(None, description="Find the parameters of `[train]`.")
    evaluate: EvaluateSpec | None = Field(None, description="Measure a model.")
    explain: ExplainSpec | None = Field(None, description="Say what the trained model looks at.")
    score: ScoreSpec | None = Field(None, description="Predict with a model.")
    track: TrackSpec | None = Field(None, description="Record the run with MLflow.")

    def does(self, section: str) -> bool:
        """Tell whether a section is there that does something by itself, by its name.

        ``[evaluate]`` does so where it names a model; else it belongs to ``[train]``.
        """
        own = getattr(self, section) is not None
        return own and not (section == "evaluate" and self.train is not None)

    @property
    def remote(self) -> bool:
        """Whether some data or an output lie in an object store or on a web server."""
        writing = (self.sort, self.prepare, self.score)
        outputs = [section.output for section in writing if section is not None]
        places = [*(data.path for data in self.data.values()), *outputs]
        return any(map(in_store, places))

    @property
    def scores_what_it_trains(self) -> bool:
        """Whether ``[score]`` asks for the model that ``[train]`` of this job makes."""
        return self.score is not None and any(map(self.trains, self.score.references.values()))

    def trains(self, reference: str) -> bool:
        """Tell whether this is the model that ``[train]`` of this job makes."""
        return self.train is not None and reference == f"{self.train.model}@latest"

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse([*self._sections(), *self._data(), *self._learning(), *self._outputs()])
        return self

    def _sections(self) -> Iterator[Problem]:
        done = (self.profile, self.sort, self.prepare, self.train, self.evaluate, self.score)
        if not any(done):
            what = "has nothing to do: add [profile], [sort], [prepare], [train] or [score]"
            yield Problem((), what)
        yield from self._features()
        yield from self._explain()
        yield from self._evaluate()
        if self.tune is not None:
            yield from tuning_problems(self.tune, self.train)

    def _evaluate(self) -> Iterator[Problem]:
        if self.evaluate is None:
            return
        for problem in self.evaluate.model_problems(trains=self.train is not None):
            yield Problem(("evaluate", *problem.key), problem.what)
        if self.train is not None and self.train.split is None and self.train.labelled:
            yield Problem(("evaluate",), "needs held-out rows: give train.split")

    def _explain(self) -> Iterator[Problem]:
        if self.explain is None:
            return
        if self.train is None:
            yield Problem(("explain",), "explains the model of [train], which is not there")
            return
        if not self.train.labelled:
            what = f"goes with a label, and train.task is {self.train.task}"
            yield Problem(("explain",), what)
        held = self.train.split
        part = self.explain.part
        if (part == "test" and not (held and held.has_test)) or (
            part == "valid" and not (held and held.has_valid)
        ):
            yield Problem(("explain", "part"), f"there are no such rows: give train.split.{part}")

    def _features(self) -> Iterator[Problem]:
        if self.features is None:
            return
        if self.train is not None and self.train.init is not None:
            what = f"does not go with train.init: those of {self.train.init} are taken"
            yield Problem(("features",), what)
        elif not (self.train or (self.prepare and self.prepare.fitted is None)):
            what = "is learned by [train] or [prepare], and neither of them does so here"
            yield Problem(("features",), what)

    def _data(self) -> Iterator[Problem]:
        sections = (
            ("profile", self.profile),
            ("sort", self.sort),
            ("prepare", self.prepare),
            ("train", self.train),
            ("evaluate", self.evaluate),
            ("score", self.score),
        )
        for section, spec in sections:
            if spec is not None and spec.data is not None and spec.data not in self.data:
                what = f"there is no [data.{spec.data}]{nearest(spec.data, self.data)}"
                yield Problem((section, "data"), what)

    def _learning(self) -> Iterator[Problem]:
        for section, spec in (("train", self.train), ("prepare", self.prepare)):
            if spec is not None and spec.data in self.data:
                yield from self._decided(section, spec)
                yield from self._target(section, spec.target)

    def _decided(self, section: str, spec: TrainSpec | PrepareSpec) -> Iterator[Problem]:
        """Look for the column that a split goes by."""
        split = spec.split
        if split is None or split.column:
            return
        if split.by == "time" and not self.data[spec.data].time:
            what = f"is required: [data.{spec.data}] names no time column"
            yield Problem((section, "split", "column"), what)
        if split.by == "stratified" and spec.target is None:
            what = "is required: there is no target to stratify by"
            yield Problem((section, "split", "column"), what)

    def _target(self, section: str, target: str | None) -> Iterator[Problem]:
        features = self.features
        if features is None or target is None:
            return
        if target in (features.columns or ()):
            yield Problem(("features", "columns"), f"{target!r} is the target")
        if target in features.derive:
            what = f"is the target: put its expression in {section}.target"
            yield Problem(("features", "derive", target), what)

    def _outputs(self) -> Iterator[Problem]:
        sections = (("sort", self.sort), ("prepare", self.prepare), ("score", self.score))
        for section, spec in sections:
            if spec is None:
                continue
            for name, data in self.data.items():
                for problem in overlap(spec.output, name, data):
                    # All data are opened before anything runs.
                    own = "" if name == spec.data else f"; {section} in a job of its own before"
                    yield Problem((section, *problem.key), problem.what + own)
