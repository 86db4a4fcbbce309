"""What the projections of several sections share: the shape of a pass, and passes before it."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.resources import Resources
from engine import memory
from engine.data.dataset import Dataset
from engine.features.pipeline import Resolved
from engine.history import FIRST_ROWS
from engine.memory import Shape, driver
from engine.plan import Partition, StepPlan
from engine.split import Split
from engine.training.preparing import TrainingData
from jobs.work.evaluating import Evaluating
from jobs.work.preparing import Preparation
from jobs.work.profiling import Profiling
from jobs.work.scoring import Scoring
from jobs.work.sorting import Sorting
from jobs.work.training import Training


def shape_of(
    work: Profiling | Sorting | Preparation | Training | Evaluating | Scoring,
    parts: Sequence[Partition],
    resources: Resources,
) -> Shape:
    """Return the shape of a pass that reads what the work, its contract and its filter need."""
    dataset = work.dataset
    held = max((info.held for info in dataset.infos), default=0)
    columns = len(dataset.source.needed(work.read_columns))
    before = max(FIRST_ROWS, work.lookback) if work.lookback else 0
    return Shape(parts, work.width, resources.held, columns, held, before, resources.loaded)


def key_passes(dataset: Dataset) -> tuple[str, ...]:
    """Return the pass that looks for keys twice, if there are any."""
    keys = [", ".join(key) for key in dataset.source.contract.keys]
    return (f"keys alone, that none repeats: {'; '.join(keys)}",) if keys else ()


def cut_pass(split: Split | None) -> tuple[str, ...]:
    """Return the pass that finds where a split cuts, if it needs one."""
    if split and split.by == "time" and split.cuts is None:
        return ("time column alone, for the cuts of the split",)
    if split and split.by == "stratified":
        return ("label and split column alone, for the cuts of the split",)
    return ()


def class_pass(data: TrainingData) -> tuple[str, ...]:
    """Return the pass that finds the classes, if nobody names them."""
    if data.task == "multiclass" and not data.classes:
        return ("label alone, for the classes that there are",)
    return ()


def balance_pass(data: TrainingData) -> tuple[str, ...]:
    """Return the pass that counts classes, if they are to be balanced."""
    if data.balance is not None and data.balance.shares is None:
        return ("label and split column alone, for the shares of balanced classes",)
    return ()


def fitting_step(
    name: str,
    data: TrainingData,
    resolved: Resolved,
    dataset: Dataset,
    shape: Shape,
    sample_rows: int = 0,
) -> StepPlan:
    """Project the passes that learn what features need, and draw so many rows."""
    largest = max((part.rows for part in shape.partitions), default=0)
    more = (f"statistics that wait for the pass before: {why}" for why in resolved.whys)
    first = "statistics, counts and sample"
    return StepPlan(
        name,
        (
            *(*cut_pass(data.split), *class_pass(data), *balance_pass(data)),
            *(first, *more, *key_passes(dataset)),
        ),
        len(shape.partitions),
        dataset.rows,
        sum(part.stored for part in shape.partitions) * resolved.passes,
        memory.survey(
            shape, resolved.state_bytes(largest), min(1.0, sample_rows / max(1, dataset.rows))
        ),
        notes=dataset.notes,
        driver=driver.driving(shape, driver.sampled(shape.partitions, sample_rows)),
    )
