"""What ``[tune]`` works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from engine.boosting.params.names import ALIASES
from engine.errors import SpecError
from engine.folds import Folds
from engine.learners import learner
from engine.tuning.curve import Averaged, Brackets, Median, Never, Rule
from engine.tuning.sampler import Grid, Random, Sampler, Tpe, assert_installed
from engine.tuning.search import Search
from engine.tuning.space import drawn
from jobs.spec.job import JobSpec, TrainSpec, TuneSpec
from jobs.spec.tune import HALVING
from jobs.spec.tuning import least_rounds, metric_of
from jobs.work.folding import folds_of
from jobs.work.lesson import assignment
from jobs.work.training import Training

ROUNDS = "n_estimators"
"""The parameter that says how many rounds there are."""

_LEAVES = ("num_leaves", *ALIASES["num_leaves"])
"""Of what can be tuned of LightGBM this alone decides the memory of a training."""

WARMUP = 4
"""A trial has this part of all rounds, or of all folds, before it is pruned."""

DRAWS = 16
"""Draws of the other parameters with which one that was refused is looked at again."""


@dataclass(frozen=True)
class Tuning:
    """What ``[tune]`` works on.

    Attributes:
        spec: The section.
        train: The section whose parameters are looked for.
        dealt: The folds of the training rows, whose cuts are not known yet; None: the validation
            rows are measured.
    """

    spec: TuneSpec
    train: TrainSpec
    dealt: Folds | None

    @property
    def folds(self) -> int:
        """How many folds a trial has, all repeats together; 1 with validation rows."""
        return self.dealt.count * self.dealt.repeats if self.dealt else 1

    @property
    def metric(self) -> str:
        """What decides."""
        return metric_of(self.spec, self.train).followed[0]

    @property
    def higher(self) -> bool:
        """Whether more of it is better."""
        return metric_of(self.spec, self.train).better(self.metric)

    @property
    def early_stopping(self) -> int | None:
        """Rounds without a better mean after which a trial stops."""
        return self.spec.early_stopping or self.train.early_stopping

    @property
    def search(self) -> Search:
        """What is searched for, and how, by trials side by side."""
        spec = self.spec
        return Search(
            self._sampler,
            self._rule,
            spec.trials,
            self.train.rounds,
            self.higher,
            spec.max_seconds,
            spec.parallel,
        )

    @property
    def spread(self) -> Search:
        """The same by trials that take the whole cluster, and are compared fold after fold.

        Boosting on validation rows is heard round by round as it is in trials side by side.
        """
        found = replace(self.search, parallel=1)
        if self.train.boosts and self.folds == 1:
            return found
        pruned = self.spec.prune and self.folds > 1
        rule = Median(warmup=self.folds // WARMUP) if pruned else Never()
        return replace(found, rule=rule, curve=Averaged)

    @property
    def _sampler(self) -> Sampler:
        spec = self.spec
        if spec.method == "grid":
            return Grid(spec.parameters, spec.seed)
        if spec.method == "tpe":
            return Tpe(spec.parameters, spec.seed, self.higher)
        return Random(spec.parameters, spec.seed)

    @property
    def _rule(self) -> Rule:
        spec, rounds = self.spec, self.train.rounds
        if spec.method in HALVING:
            least = least_rounds(spec, self.train)
            return Brackets(rounds, least, spec.one_in, all=spec.method == "hyperband")
        return Median(warmup=rounds // WARMUP) if spec.prune else Never()

    def largest(self, size: Callable[[TrainSpec], int]) -> TrainSpec:
        """Return ``[train]`` with those parameters of the space that need most memory.

        Looked at are the ends of ranges and all choices, one parameter after the other.

        Args:
            size: Bytes that training takes.
        """
        found = self.train
        for name, values in self.spec.ends.items():
            if found.boosts and name not in _LEAVES:
                continue
            tried = (_with(found, {name: value}) for value in values)
            found = max(tried, key=size)
        return found

    def assert_known(self) -> None:
        """Refuse parameters that another estimator than LightGBM does not have, or not so.

        A value is refused when the estimator takes it neither as it stands nor with any of some
        draws of the other parameters: some go together.

        Raises:
            SpecError: The parameter is named as ``tune.space.<name>``.
        """
        if self.train.boosts:
            return
        drawings = [drawn(self.spec.parameters, self.spec.seed, one) for one in range(DRAWS)]
        for name, values in self.spec.ends.items():
            for value in values:
                refused = [_refused(self.train, {**one, name: value}) for one in ({}, *drawings)]
                first = refused[0]
                if first is not None and None not in refused:
                    raise SpecError(first.what, where=f"tune.space.{name}", hint=first.hint)

    def taken(self, params: dict[str, Any], best_round: int) -> TrainSpec:
        """Return ``[train]`` with the parameters that were found.

        Without early stopping the model has as many rounds as were best on the mean of the folds:
        as they are, though it has more rows than a fold trained on, as in H2O, whose main model
        runs for the mean number of rounds of the models of its folds (docs.h2o.ai,
        ``stopping_rounds``). With early stopping its validation rows say when it has enough.

        Args:
            params: The best parameters.
            best_round: Best round of that trial; of an estimator without rounds 0.
        """
        if not self.train.boosts:
            return _with(self.train, params)
        own = {**self.train.lightgbm_params, **params}
        rounds = self.train.rounds if self.train.early_stopping else best_round
        return self.train.model_copy(update={"params": {**own, ROUNDS: rounds}})


def _with(train: TrainSpec, params: Mapping[str, Any]) -> TrainSpec:
    return train.model_copy(update={"params": {**train.params, **params}})


def _refused(train: TrainSpec, params: Mapping[str, Any]) -> SpecError | None:
    """Return why another estimator than LightGBM does not take some parameters, if so."""
    try:
        learner(train.learner.way).check(assignment(_with(train, params)))
    except SpecError as error:
        return error
    return None


def open_tuning(job: JobSpec, training: Training) -> Tuning | None:
    """Check ``[tune]`` against the data; None where the job has no such section.

    Raises:
        SpecError: A column of the folds is not there, the estimator does not have a parameter, or
            Optuna is not installed.
    """
    spec = job.tune
    if spec is None:
        return None
    if spec.method == "tpe":
        assert_installed("tune.method")
    dealt = None
    if spec.folds is not None:
        data = job.data[training.spec.data]
        dealt = folds_of(spec.folds, data, training.dataset, "tune.folds")
    found = Tuning(spec, training.spec, dealt)
    found.assert_known()
    return found
