"""What ``[tune]`` works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.boosting.params.names import ALIASES
from engine.folds import Folds
from engine.tuning.curve import Brackets, Median, Never, Rule
from engine.tuning.sampler import Grid, Random, Sampler, Tpe, assert_installed
from engine.tuning.search import Search
from engine.tuning.space import Choice
from jobs.spec.job import JobSpec, TrainSpec, TuneSpec
from jobs.spec.tuning import least_rounds, metric_of
from jobs.work.folding import folds_of
from jobs.work.training import Training

ROUNDS = "n_estimators"
"""The parameter that says how many rounds there are."""

_LEAVES = "num_leaves"

WARMUP = 4
"""A trial has this part of all rounds before it is pruned."""


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
    def largest(self) -> TrainSpec:
        """``[train]`` with the most leaves that a tree may come to have."""
        leaves = {
            name: max(one.values) if isinstance(one, Choice) else one.high
            for name, one in self.spec.parameters.items()
            if name in (_LEAVES, *ALIASES[_LEAVES])
        }
        return self.train.model_copy(update={"params": {**self.train.params, **leaves}})

    @property
    def search(self) -> Search:
        """What is searched for, and how."""
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
        if spec.method in ("halving", "hyperband"):
            least = least_rounds(spec, self.train)
            return Brackets(rounds, least, spec.one_in, all=spec.method == "hyperband")
        return Median(warmup=rounds // WARMUP) if spec.prune else Never()

    def taken(self, params: dict[str, Any], best_round: int) -> TrainSpec:
        """Return ``[train]`` with the parameters that were found.

        Without early stopping the model has as many rounds as were best on the mean of the folds:
        as they are, though it has more rows than a fold trained on, as in H2O, whose main model
        runs for the mean number of rounds of the models of its folds (docs.h2o.ai,
        ``stopping_rounds``). With early stopping its validation rows say when it has enough.

        Args:
            params: The best parameters.
            best_round: Best round of that trial.
        """
        own = {**self.train.lightgbm_params, **params}
        rounds = self.train.rounds if self.train.early_stopping else best_round
        return self.train.model_copy(update={"params": {**own, ROUNDS: rounds}})


def open_tuning(job: JobSpec, training: Training) -> Tuning | None:
    """Check ``[tune]`` against the data; None where the job has no such section.

    Raises:
        SpecError: A column of the folds is not there, or Optuna is not installed.
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
    return Tuning(spec, training.spec, dealt)
