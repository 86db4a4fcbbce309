"""A rank's work in this process: rows into blocks, blocks into rounds, no cluster."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from boosting_rows import asked

from engine.boosting import RowSource, ShardPart
from engine.boosting.bins.reference import Sample, dataset_params, load_bins, make_bins
from engine.boosting.bins.turns import Turns
from engine.boosting.checkpoint import Checkpoint, read
from engine.boosting.council.decisions import Decisions
from engine.boosting.council.link import Alone
from engine.boosting.gang.shards import shards
from engine.boosting.params.given import checked
from engine.boosting.params.shared import common
from engine.boosting.rank.loading import Blocks
from engine.boosting.rank.refit import Refit
from engine.boosting.rank.rounds import Rounds
from engine.boosting.rank.stock import Part
from engine.boosting.work import Boosted, Goal, Place, Work
from engine.metrics.measure import Measure


class RankAlone:
    """One rank with the rows of a source.

    Args:
        source: Where rows come from.
        parts: Its partitions.
        sample: Rows that bins are made of.
        folder: Where blocks go.
        fields: Of `Learning` and `Conduct`.
    """

    def __init__(
        self,
        source: RowSource,
        parts: list[ShardPart],
        sample: Any,
        folder: Path,
        **fields: Any,
    ) -> None:
        learning, self.conduct = asked(**fields)
        self.shared = common(checked(learning.params), learning, source.categorical, 1)
        self.bins = make_bins(Sample(sample, self.shared), 1)
        measure = learning.measure or Measure(learning.task, learning.classes)
        valid = any(part.valid for part in parts)
        metric = learning.metric or measure.followed[0]
        self.goal = Goal(learning, self.shared, measure, metric, valid)
        self.shard, self.source, self.folder = shards(parts, 1)[0], source, folder
        self.params = dataset_params(self.shared, len(sample))
        self.told: list[tuple[str, dict[str, Any]]] = []

    def blocks(self) -> Blocks:
        reference, learning = load_bins(self.bins, self.params), self.goal.learning
        turns = Turns(learning.subsets)
        outputs, plain = learning.outputs, learning.refit is not None
        blocks = Blocks.within(self.folder, reference, self.source, outputs, turns, plain=plain)
        blocks.fill(self.source, self.shard, lambda rows: None)
        return blocks

    def run(self, start: Checkpoint | None = None) -> Boosted:
        blocks = self.blocks()
        decisions = Decisions(self.goal, start.state if start else None, asked=lambda: False)
        if self.goal.learning.refit is not None:
            train = Part.of(blocks, self.shard, "train", None)
            return Refit(self._work(start), train, Alone(decisions)).run()
        return Rounds(
            self._work(start),
            lambda subset: Part.of(blocks, self.shard, "train", subset),
            Part.of(blocks, self.shard, "valid", None),
            self.params,
            Alone(decisions),
            decisions,
            self._tell,
        ).run()

    def checkpoints(self) -> list[Checkpoint]:
        return [fields["checkpoint"] for kind, fields in self.told if kind == "checkpoint"]

    def _tell(self, kind: str, **fields: Any) -> None:
        if kind == "checkpoint":
            fields["checkpoint"] = read(Path(fields["path"]))
        self.told.append((kind, fields))

    def _work(self, start: Checkpoint | None) -> Work:
        return Work(
            rank=0,
            places=(Place(0, "worker", "127.0.0.1", 1, 2),),
            key=b"k" * 32,
            goal=self.goal,
            source=pickle.dumps(self.source),
            shard=self.shard,
            bins=self.bins,
            sample_rows=1,
            conduct=self.conduct,
            threads=1,
            start=start,
            scratch=self.folder,
        )
