"""What a worker does with one partition: read, check, predict, stage one part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from engine.commit import Encoded, Run, Staged
from engine.data.source import Source
from engine.encoding import Encoding
from engine.errors import ModelFailed
from engine.history import History, read_with
from engine.plan import Partition
from engine.rejected.part import rejected_of, stage
from engine.scoring.interval import crossed_of
from engine.scoring.model import Model
from engine.scoring.statistics.gathering import Gathering


@dataclass(frozen=True)
class ScoringWork:
    """What the tasks of a scoring pass share.

    Attributes:
        source: The rows to score.
        model: What predicts.
        run: Where parts are staged.
        columns: Columns that are passed through, in front of the prediction.
        fail: A rejected row ends the job instead of going to quarantine.
        history: What looks at earlier rows, if anything does.
        rename: New name by old name, of columns that are passed through or added.
        encoding: How the rows are written.
        gathering: How statistics of the rows are gathered; ``None``: they are not.
    """

    source: Source
    model: Model
    run: Run
    columns: tuple[str, ...]
    fail: bool
    history: History | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    encoding: Encoding = field(default_factory=Encoding)
    gathering: Gathering | None = None


def score(work: ScoringWork, partition: Partition) -> Staged:
    """Score the rows of one partition and stage them as one part.

    Returns:
        The staged part; rows read are scored, quarantined or filtered, and nothing else.

    Raises:
        ContractRefused: A row breaks the contract and bad rows were to fail the job.
        ModelFailed: A model of the user's own failed on the rows.
    """
    wanted = list(dict.fromkeys([*work.columns, *work.model.inputs]))
    batch = read_with(work.history, work.source, partition, wanted)
    rejected = rejected_of(work.source, partition, batch, work.fail)
    passed = [batch.good[name] for name in work.columns]
    added = _predicted(work, partition, batch.good)
    table = pl.DataFrame([*passed, *added]).rename(work.rename)
    crossed = crossed_of(work.model, added)
    return stage(
        work.run,
        work.source,
        partition,
        batch,
        rejected,
        table,
        work.encoding,
        crossed=crossed,
        statistics=_gathered(work, partition, batch.good, added),
    )


def _gathered(
    work: ScoringWork, partition: Partition, rows: pl.DataFrame, added: Sequence[pl.Series]
) -> Encoded | None:
    """Return the state of the rows, where statistics are gathered."""
    if work.gathering is None:
        return None
    return work.gathering.state(partition, rows, work.model.inputs, added, work.rename)


def _predicted(work: ScoringWork, partition: Partition, rows: pl.DataFrame) -> list[pl.Series]:
    """Return what the model adds; an error of its names the partition too."""
    try:
        return work.model.predict(rows)
    except ModelFailed as error:
        first = partition.slices[0]
        file = work.source.files[first.file].path
        where = f"partition {partition.index}, from row {first.start + 1:,} of {file}"
        raise ModelFailed(error.what, where=f"{where}: {error.where}", hint=error.hint) from None
