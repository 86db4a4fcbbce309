"""What ``[tune]`` reads and holds, and how many trials a worker runs at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.resources import Resources
from engine.memory import Boosting, Shape
from engine.memory.trials import side_by_side, trials
from engine.plan import Partition, StepPlan
from jobs.work.training import Training
from jobs.work.tuning import Tuning

GB = 1e9


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
        return StepPlan("tune", passes, len(parts), rows, stored, terms, most=most)

    @property
    def _computed(self) -> bool:
        return bool(self.training.pipeline.steps or self.training.pipeline.derive)
