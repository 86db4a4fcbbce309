"""What an ensemble reads and holds: its members one after the other, then what combines them."""

from __future__ import annotations

from dataclasses import replace

from engine import memory
from engine.memory import Shape, driver
from engine.plan import StepPlan, Term
from jobs.planning.crossing import Fitting, under_fold
from jobs.work.scorer import CLASSES, Scorer
from jobs.work.training import Training


def together(training: Training, fitting: Fitting, shape: Shape) -> StepPlan:
    """Project the fit of an ensemble: the fit that needs most memory decides.

    Args:
        training: What ``[train]`` works on.
        fitting: Projects the fit of one estimator.
        shape: A pass.
    """
    own = replace(shape, features=training.own_width)
    members = {name: fitting(one, own) for name, one in training.members.items()}
    folds = training.stacking
    passes = [f"{name}: {text}" for name, one in members.items() for text in one.passes]
    fits = list(members.values()) or [StepPlan("train", (), 0, 0, 0, memory.survey(shape, 0))]
    count = 1
    if folds is not None:
        under = (fitting(under_fold(one, folds), own) for one in training.members.values())
        fits += under
        passes = [
            *(f"without each of {folds.count} folds, {text}" for text in passes),
            *passes,
        ]
        count += folds.count
    read = sum(one.bytes_read for one in members.values()) * count
    if not training.spec.votes:
        last = _final(training, fitting, shape, count)
        fits += last
        passes.append("what the members say of rows that they have not seen, a sample of it")
        read += sum(one.bytes_read for one in last)
        passes += [f"final: {text}" for one in last[1:] for text in one.passes]
    most = max(fits, key=lambda one: one.peak)
    drives = max(fits, key=lambda one: one.driver_peak).driver
    notes = (*most.notes, *training.doubts)
    told = replace(most, name="train", passes=tuple(passes), notes=notes)
    return replace(told, bytes_read=read, driver=drives)


def members_at_work(training: Training) -> tuple[Term, ...]:
    """Return what members that were trained before hold of a worker which asks them."""
    sizes = [one.size for one in training.borrowed.values()]
    return memory.asking(len(sizes), max(sizes))[1:] if sizes else ()


def _final(training: Training, fitting: Fitting, shape: Shape, count: int) -> list[StepPlan]:
    """Project the pass that asks the members, and the fit on what they say."""
    spec = training.spec
    sizes = [Scorer.awaited("", one).size for one in training.members.values()]
    finished = [one.size for one in training.borrowed.values()]
    models, size = count * (len(sizes) + len(finished)), max([*sizes, *finished])
    outputs = len(spec.classes or range(CLASSES)) if spec.task == "multiclass" else 1
    columns = len(spec.members) * outputs
    asking = memory.crossing(shape, models, size)
    rows, parts = training.dataset.rows, shape.partitions
    stored = sum(part.stored for part in parts)
    drives = driver.driving(
        shape,
        driver.sampled(parts, spec.sample_rows),
        driver.passing(min(rows, spec.sample_rows), columns + 2),
        Term("models of all folds", models * size),
    )
    most = spec.max_memory
    found = [StepPlan("train", (), len(parts), rows, stored, asking, most=most, driver=drives)]
    if spec.final is not None and spec.final.learns:
        wide = replace(shape, features=max(columns, shape.features))
        fit = fitting(replace(training, spec=spec.part(spec.final)), wide)
        beside = memory.asking(models, size)
        found.append(replace(fit, terms=(*fit.terms, *beside)))
    return found
