"""Which parameters a trial is given: a point of a grid, a random draw, or what TPE suggests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from engine.errors import SpecError
from engine.tuning.history import Record
from engine.tuning.space import Choice, Range, Space, drawn, grid

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

Params = Mapping[str, Any]


class Sampler(Protocol):
    """Says what is tried next."""

    def params(
        self, number: int, ended: Sequence[Record], running: Mapping[int, Params]
    ) -> dict[str, Any] | None:
        """Return the parameters of a trial; None: there is nothing left to try.

        Args:
            number: Of the trial, from 0 on.
            ended: Trials that have ended, by number.
            running: Parameters of those under way, by number.
        """


@dataclass(frozen=True)
class Random:
    """Draws that depend on the seed and the number of a trial alone.

    Attributes:
        space: What may be tried.
        seed: Of the search.
    """

    space: Space
    seed: int

    def params(
        self, number: int, ended: Sequence[Record], running: Mapping[int, Params]
    ) -> dict[str, Any]:
        """Draw; see `Sampler`."""
        return drawn(self.space, self.seed, number)


class Grid:
    """The points of a grid, in an order that the seed shuffles.

    Args:
        space: What may be tried; every range has a grid.
        seed: Of the search.
    """

    def __init__(self, space: Space, seed: int) -> None:
        """Lay the points out."""
        self._points = grid(space, seed)

    def params(
        self, number: int, ended: Sequence[Record], running: Mapping[int, Params]
    ) -> dict[str, Any] | None:
        """Return the point of that number; see `Sampler`."""
        return self._points[number] if number < len(self._points) else None


@dataclass(frozen=True)
class Tpe:
    """What a tree-structured Parzen estimator suggests, after some random trials.

    Bergstra et al., "Algorithms for Hyper-Parameter Optimization" (2011), as Optuna has it, with
    trials under way as bad ones ("constant liar"), so that those at once differ. Optuna's study
    is made anew for every suggestion: it depends on the trials that have ended and are under way,
    the seed and the number alone. A search that goes on after a kill is the same code as one that
    was never ended.

    Attributes:
        space: What may be tried.
        seed: Of the search.
        higher: Whether more of the metric is better.
    """

    space: Space
    seed: int
    higher: bool

    def params(
        self, number: int, ended: Sequence[Record], running: Mapping[int, Params]
    ) -> dict[str, Any]:
        """Suggest; see `Sampler`."""
        import numpy as np
        from optuna.samplers import TPESampler

        own = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        asked = distributions(self.space)
        with study(self.space, ended, self.higher, running) as found:
            found.sampler = TPESampler(seed=own, constant_liar=True)
            return dict(found.ask(asked).params)


def assert_installed(where: str) -> None:
    """Refuse to go on without Optuna.

    Args:
        where: The key in the job file that asks for it.

    Raises:
        SpecError: It is not installed.
    """
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        what = "TPE needs Optuna, which is not installed"
        hint = "pip install 'millrace[tune]', or take method = \"random\""
        raise SpecError(what, where=where, hint=hint)


@contextmanager
def study(
    space: Space,
    ended: Sequence[Record],
    higher: bool,
    running: Mapping[int, Params] | None = None,
) -> Iterator[Study]:
    """Open trials as a study of Optuna, in memory.

    Args:
        space: What may be tried.
        ended: Trials that have ended; one that failed is told as such.
        higher: Whether more of the metric is better.
        running: Parameters of trials under way, by number.

    Yields:
        The study; until the end Optuna says no more than warnings.
    """
    import optuna

    known = distributions(space)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        found = optuna.create_study(direction="maximize" if higher else "minimize")
        told = {one.number: _frozen(one, known) for one in ended}
        for number, params in (running or {}).items():
            told[number] = optuna.trial.create_trial(
                state=optuna.trial.TrialState.RUNNING, params=dict(params), distributions=known
            )
        found.add_trials([told[number] for number in sorted(told)])
        yield found
    finally:
        optuna.logging.set_verbosity(before)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return the space in Optuna's terms, by name."""
    return {name: _distribution(space[name]) for name in sorted(space)}


def _distribution(one: Range | Choice) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(one, Choice):
        return CategoricalDistribution(one.values)
    if not one.whole:
        return FloatDistribution(one.low, one.last, log=one.log, step=one.step)
    step = 1 if one.step is None else int(one.step)
    return IntDistribution(int(one.low), int(one.last), log=one.log, step=step)


def _frozen(record: Record, known: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """Return a trial that has ended as Optuna has it; one that was stopped with its last round."""
    from optuna.trial import TrialState, create_trial

    value = record.value
    state, reached = TrialState.FAIL, {}
    if value is not None and record.state == "done":
        state = TrialState.COMPLETE
    elif value is not None:
        state, reached = TrialState.PRUNED, {max(record.rounds, default=1): value}
    return create_trial(
        state=state,
        value=value if state == TrialState.COMPLETE else None,
        params=dict(record.params),
        distributions=dict(known),
        intermediate_values=reached,
    )
