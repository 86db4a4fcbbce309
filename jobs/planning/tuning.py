"""What ``[tune]`` reads and holds: trials side by side within workers, or spread over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cluster.resources import Resources
from engine.memory import Boosting, Shape
from engine.memory.trials import side_by_side, trials
from engine.plan import Partition, StepPlan, Term
from engine.tuning.search import Search
from jobs.planning.crossing import Fitting, cuts, masks, under_fold
from jobs.work.training import Training
from jobs.work.tuning import Tuning

GB = 1e9

_TOGETHER = (
    "halving compares trials on all folds, round by round: a trial has to fit in one worker; with "
    "validation rows in place of tune.folds it may be spread over all"
)


@dataclass(frozen=True)
class Room:
    """Trials within the memory of the workers.

    Attributes:
        tuning: What ``[tune]`` works on.
        training: What ``[train]`` works on, with the most leaves that a trial may have.
        resources: What the cluster offers.
        shape: A pass over the partitions.
        held: What one fold of a trial holds: all rows, as one rank would hold them.
    """

    tuning: Tuning
    training: Training
    resources: Resources
    shape: Shape
    held: Boosting

    name = ""
    """Before the digest of a folder of trials: those that are compared otherwise have another."""

    @property
    def search(self) -> Search:
        """What is searched for, and how."""
        return self.tuning.search

    @property
    def each(self) -> int:
        """Trials that a worker runs at once."""
        bound = self.training.spec.max_memory or self.resources.memory
        memory = min(self.resources.memory, bound)
        folds, computed = self.tuning.folds, self._computed
        each = side_by_side(self.shape, self.held, computed, folds=folds, memory=memory)
        asked = self.tuning.spec.parallel
        return each if asked is None else min(each, -(-asked // self.resources.workers))

    @property
    def slots(self) -> int:
        """Trials at once on all workers."""
        all_workers = self.resources.workers * self.each
        return min(all_workers, self.tuning.spec.parallel or all_workers)

    def step(self, parts: Sequence[Partition]) -> StepPlan:
        """Project the section ``[tune]``, given all partitions."""
        spec, folds, rows = self.tuning.spec, self.tuning.folds, self.training.dataset.rows
        dealt = self.tuning.dealt
        kept = rows * self.shape.features * self.held.cell / GB
        each_on = f"{folds} folds each" if dealt else "measured on the validation rows"
        passes = (
            *(
                ["label and fold columns alone, for the cuts"]
                if dealt and not dealt.resolved
                else []
            ),
            f"rows into bins, {kept:.2f} GB on the disk of each worker, once for all trials",
            f"up to {spec.trials} trials, {each_on}, {self.slots} at once",
        )
        terms = trials(self.shape, self.held, self._computed, folds=folds, each=self.each)
        stored, most = sum(part.stored for part in parts), self.training.spec.max_memory
        notes = () if self.tuning.spec.spreads else (_TOGETHER,)
        return StepPlan("tune", passes, len(parts), rows, stored, terms, notes=notes, most=most)

    @property
    def _computed(self) -> bool:
        return bool(self.training.pipeline.steps or self.training.pipeline.derive)


@dataclass(frozen=True)
class Spread:
    """Trials that take the whole cluster, one after the other, and so do their folds.

    Attributes:
        tuning: What ``[tune]`` works on.
        training: What ``[train]`` works on, with the parameters that need most memory.
        shape: A pass over the partitions.
        fitting: Projects one fit.
        prepare: The passes that fit the features.
        measuring: What a worker holds while held-out rows are measured; empty where boosting does
            so round by round.
    """

    tuning: Tuning
    training: Training
    shape: Shape
    fitting: Fitting
    prepare: StepPlan
    measuring: tuple[Term, ...]

    name = "spread-"
    """See `Room`."""

    @property
    def search(self) -> Search:
        """What is searched for, and how."""
        return self.tuning.spread

    def step(self, parts: Sequence[Partition]) -> StepPlan:
        """Project the section ``[tune]``: what needs most memory of all that is done decides."""
        spec, dealt, count = self.tuning.spec, self.tuning.dealt, self.tuning.folds
        under = under_fold(self.training, dealt) if dealt else self.training
        fit = self.fitting(under, self.shape)
        boosts = self.training.spec.boosts
        why = "the rows of one do not fit in one worker" if boosts else "it learns over all workers"
        each = f"for each trial and each of {count} folds: " if dealt else "for each trial: "
        ready = (*cuts(dealt), *masks(self.training, self.prepare, count)) if dealt else ()
        measured = ("held-out rows, to measure them",) if self.measuring else ()
        again = (f"{each}{one}" for one in (*fit.passes, *measured))
        first = f"up to {spec.trials} trials, one after another, each on all workers: {why}"
        ways = (fit.terms, self.measuring, self.prepare.terms if dealt else ())
        return replace(
            fit,
            name="tune",
            passes=(*ready, first, *again),
            terms=max(ways, key=lambda terms: sum(term.bytes for term in terms)),
            bytes_read=self._read(fit),
        )

    def _read(self, fit: StepPlan) -> int:
        """Return the bytes that all trials read; boosted ones read a fold once, binned then."""
        trials, count = self.tuning.spec.trials, self.tuning.folds
        if self.training.spec.boosts:
            return fit.bytes_read * count
        return (fit.bytes_read + fit.bytes_read * bool(self.measuring)) * count * trials
