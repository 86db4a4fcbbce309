"""From files of rows to a fitted estimator of the catalogue, within the memory of the workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from cluster.resources import machine_memory
from engine.estimator.collected import Collected
from engine.estimator.training import resources
from engine.learners import Assignment, Learnt, Lesson, learner
from engine.memory import Shape
from engine.plan import Plan, StepPlan


def check(asked: Assignment) -> None:
    """Refuse parameters that cannot be, before anything is read.

    Raises:
        SpecError: A parameter cannot be, or a package is not installed.
    """
    learner(asked.estimator.way).check(asked)


def learnt(
    files: Collected, asked: Assignment, class_weight: tuple[float, ...], client: Any
) -> Learnt:
    """Learn from the files, on the workers of a client or on one in this process.

    Args:
        files: The rows.
        asked: What is to be learned.
        class_weight: Weight of each class; empty = all the same.
        client: The cluster, or None.

    Raises:
        PlanRefused: A worker has not the memory for it.
        ContractRefused: The rows cannot be learned from.
        TrainingFailed: The estimator failed.
    """
    with _workers(client) as (own, memory):
        have, parts = resources(own), tuple(files.parts())
        asked = replace(asked, memory=memory)
        way = learner(asked.estimator.way)
        shape = Shape([one.partition for one in parts], len(files.columns.names), have.threads)
        stored = sum(one.partition.stored for one in parts)
        terms = way.terms(asked, shape, files.rows)
        step = StepPlan("fit", way.passes(asked), len(parts), files.rows, stored, terms)
        if memory:
            Plan((step,), have.workers, memory).check()
        lesson = Lesson(asked, files.source(class_weight), parts, have.workers * have.threads)
        return way.fit(own, lesson, progress=lambda *_: None, cancel=lambda: False)


@contextmanager
def _workers(client: Any) -> Iterator[tuple[Any, int]]:
    """Yield a client and the bytes that a worker of it may take; 0 = there is no bound."""
    if client is not None:
        yield client, resources(client).memory
        return
    from distributed import Client

    with Client(
        processes=False,
        n_workers=1,
        threads_per_worker=1,
        memory_limit=0,
        dashboard_address=None,
        set_as_default=False,
    ) as own:
        yield own, machine_memory()
