"""How good a trial was after each round, and the rules by which trials are stopped early.

Everything here is a loss: less is better. A rule looks at nothing but curves, so that a search
that goes on after a kill needs no more than the curves of finished trials.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median
from typing import Protocol

_GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Curve:
    """The best loss so far of one trial, after the rounds that were heard of.

    A trial is worth its best round, as early stopping would keep it. One that is done has reached
    what it can: it stands with its best loss at all later rounds too.

    Attributes:
        rounds: Rising, from 1 on.
        best: Best loss up to each of them.
        done: Whether the trial ended by itself.
    """

    rounds: tuple[int, ...] = ()
    best: tuple[float, ...] = ()
    done: bool = False

    @classmethod
    def of(cls, rounds: Sequence[int], losses: Sequence[float], done: bool) -> Curve:
        """Return the curve of the losses after some rounds."""
        return cls(tuple(rounds), tuple(accumulate(losses, min)), done)

    def and_then(self, round: int, loss: float) -> Curve:
        """Return the curve with one more round."""
        best = min(loss, self.best[-1]) if self.best else loss
        return Curve((*self.rounds, round), (*self.best, best), self.done)

    @classmethod
    def place(cls, losses: Sequence[float]) -> int:
        """Return the position of the loss that a trial with these is worth."""
        return min(range(len(losses)), key=losses.__getitem__)

    def round(self, place: int) -> int:
        """Return the boosting round of a position; 0: its positions are no rounds."""
        return self.rounds[place]

    def at(self, round: int) -> float | None:
        """Return the best loss up to a round; None: the trial has not come so far."""
        if not self.rounds or (round > self.rounds[-1] and not self.done):
            return None
        place = bisect_right(self.rounds, round)
        return self.best[place - 1] if place else None


@dataclass(frozen=True)
class Averaged(Curve):
    """The loss of one trial after some folds, in the place of rounds: the mean over them.

    The folds of such a trial come one after the other. It is worth its last mean, not the best: a
    mean over fewer folds may be better because those folds are easy.

    Attributes:
        best: The mean after each of them.
    """

    @classmethod
    def of(cls, rounds: Sequence[int], losses: Sequence[float], done: bool) -> Averaged:
        """Return the curve of the losses after some folds."""
        return cls(tuple(rounds), tuple(losses), done)

    def and_then(self, round: int, loss: float) -> Averaged:
        """Return the curve with one more fold."""
        return Averaged((*self.rounds, round), (*self.best, loss), self.done)

    @classmethod
    def place(cls, losses: Sequence[float]) -> int:
        """Return the position of the last loss."""
        return len(losses) - 1

    def round(self, place: int) -> int:
        """Return 0: how many folds are done is no round."""
        return 0


class Rule(Protocol):
    """Says which trials are not worth going on with."""

    def stops(self, number: int, curve: Curve, others: Mapping[int, Curve]) -> bool:
        """Tell whether a trial is to be stopped after its last round.

        Args:
            number: Its number.
            curve: Its curve; asked after each round that was heard of.
            others: The curves of all other trials, by number.
        """
        ...


@dataclass(frozen=True)
class Never:
    """Every trial has all its rounds, or stops by itself."""

    def stops(self, number: int, curve: Curve, others: Mapping[int, Curve]) -> bool:
        """Return False."""
        return False


@dataclass(frozen=True)
class Median:
    """A trial is stopped when its best loss is above the median of the trials that are done.

    Compared is what they had at the same round: the median stopping rule of Golovin et al.,
    "Google Vizier" (2017), section 3.2.1, in the form of Optuna's `MedianPruner`.

    Attributes:
        startup: So many trials have to be done before one is stopped.
        warmup: Rounds that every trial has. A low learning rate looks bad at first.
    """

    startup: int = 5
    warmup: int = 0

    def stops(self, number: int, curve: Curve, others: Mapping[int, Curve]) -> bool:
        """Compare the trial with the median; see `Rule`."""
        round, loss = curve.rounds[-1], curve.best[-1]
        found = [at for one in others.values() if one.done and (at := one.at(round)) is not None]
        return round > self.warmup and len(found) >= self.startup and loss > median(found)


@dataclass(frozen=True)
class Brackets:
    """Successive halving and Hyperband, with boosting rounds as the resource, asynchronously.

    A bracket has rungs: numbers of rounds, each ``factor`` times the one before. A trial that
    reaches a rung goes on when it is among the best ``1 / factor`` of those of its bracket that
    have reached it; no trial waits for others, so that no slot is idle: Li et al., "A System for
    Massively Parallel Hyperparameter Tuning" (2020), in the form that stops trials rather than
    pauses them, as Optuna and Ray Tune have it. The first that reach a rung go on with few to be
    compared with. Hyperband has a bracket for each number of rungs from 0 to the most there can
    be, and gives bracket ``s`` a share of the trials in proportion to ``factor ** s / (s + 1)``:
    Li et al., "Hyperband" (2018), algorithm 1.

    Attributes:
        rounds: Rounds at most.
        least: Rounds that every trial has at least.
        factor: Of the trials at a rung one in so many goes on.
        all: Whether there are all brackets (Hyperband) or the one with most rungs alone.
    """

    rounds: int
    least: int
    factor: int = 3
    all: bool = False

    @property
    def most(self) -> int:
        """How many rungs the bracket with most of them has."""
        count = 0
        while self.least * self.factor ** (count + 1) <= self.rounds:
            count += 1
        return count

    def rungs(self, bracket: int) -> tuple[int, ...]:
        """Return the rounds at which trials of a bracket are compared, rising."""
        return tuple(self.rounds // self.factor**place for place in range(bracket, 0, -1))

    def bracket(self, number: int) -> int:
        """Return the bracket of a trial: the number of its rungs, by its own number alone.

        Multiples of the golden ratio fill the unit interval evenly, so that any number of trials
        in a row is shared out nearly as the weights say (Weyl's sequence).
        """
        if not self.all:
            return self.most
        weights = {one: self.factor**one / (one + 1) for one in range(self.most, -1, -1)}
        place = number * _GOLDEN % 1.0 * sum(weights.values())
        for one, weight in weights.items():
            place -= weight
            if place < 0:
                return one
        return 0

    def stops(self, number: int, curve: Curve, others: Mapping[int, Curve]) -> bool:
        """Compare the trial at the rungs that its last round has reached; see `Rule`."""
        own = self.bracket(number)
        before = curve.rounds[-2] if len(curve.rounds) > 1 else 0
        reached = [rung for rung in self.rungs(own) if before < rung <= curve.rounds[-1]]
        if not reached:
            return False
        peers = [one for other, one in others.items() if self.bracket(other) == own]
        return any(not self._among_best(curve, peers, rung) for rung in reached)

    def _among_best(self, curve: Curve, peers: Sequence[Curve], rung: int) -> bool:
        loss = curve.at(rung)
        if loss is None:
            return True
        found = [at for one in peers if (at := one.at(rung)) is not None]
        better = sum(at < loss for at in found)
        return better < max(1, (len(found) + 1) // self.factor)
