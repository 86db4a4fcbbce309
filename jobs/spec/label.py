"""The part of ``[train]`` that says what is learned: the label, and what goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, cast

from pydantic import Field

from engine.boosting.learning import Task as Boosted
from engine.boosting.params.objectives import OBJECTIVES, objective_for
from engine.classes import MOST_CLASSES, text_of
from engine.errors import SpecError
from engine.learners.estimator import UNLABELLED, Task
from jobs.spec.problems import Problem, nearest
from jobs.spec.section import Flag, Integer, Number, Section, Text

Kept = Annotated[Number, Field(gt=0, le=1)]
"""Share of the rows of a class."""

BY_CLASS = ("class_weight", "balance")
"""Keys that may be tables with names of classes."""


class LabelSpec(Section):
    """What is learned: the label of each row, and what goes with it."""

    data: Text = Field(description="Name of the data: the `x` of `[data.x]`.")
    target: Text | None = Field(
        None,
        description="Column to predict, or a Polars SQL expression for it; a clustering, an "
        "anomaly task and a reduction have none.",
    )
    task: Task = Field(
        description="`binary`: the target is 0 or 1 (false or true), or one of two `classes`; "
        "`multiclass`: one of several texts, truth values or whole numbers; `regression`: a "
        "number; `ranking`: the relevance of a row within its `query`, a whole number from 0 to "
        "30; `clustering`: rows that are alike; `anomaly`: rows that are unlike the others; "
        "`reduction`: few numbers that say much of each row."
    )
    objective: Text | None = Field(
        None,
        description="What LightGBM minimises, by its own name, such as `poisson`, `quantile` or "
        "`rank_xendcg`. Left out: the task's own (`binary`, `multiclass`, `regression`, "
        "`lambdarank`).",
    )
    classes: tuple[Flag | Integer | str, ...] | None = Field(
        None,
        min_length=2,
        max_length=MOST_CLASSES,
        description="Values of the target, in the order of their codes; of a `binary` task two, "
        "the second is the one whose probability is predicted. Left out: with `multiclass` the "
        "sorted values that the data have, found in a pass over the label alone.",
    )
    class_weight: Literal["balanced"] | dict[str, Annotated[Number, Field(ge=0)]] | None = Field(
        None,
        description="Weight of the training rows of each class, times their own `weight`: "
        "`balanced` makes all classes count alike; in a table, classes that are not named count 1.",
    )
    balance: Literal["balanced"] | dict[str, Kept] | None = Field(
        None,
        description="Learn from a part of the training rows of frequent classes, drawn by row "
        "number. `balanced`: of each class from as many as there are of the rarest; a table: from "
        "such a share, above 0 to 1, all of the classes that are not named: `{ no = 0.1 }`. "
        "Probabilities are corrected for what was left out.",
    )
    weight: Text | None = Field(
        None,
        description="How much a row counts in training: a column, which is no feature then unless "
        "named as one, or a SQL expression. A missing or negative weight is an error.",
    )
    init_score: Text | Annotated[tuple[Text, ...], Field(min_length=1)] | None = Field(
        None,
        description="Raw score (log-odds, logarithm of a count, ...) that boosting starts from: a "
        "column or SQL expression, or a list with one for each class. Predictions of the model do "
        "not include it: add it yourself.",
    )
    query: Text | None = Field(
        None,
        description="Column of `ranking`: rows with the same value are ranked against each other. "
        "They have to stand together in the data (`[sort]` brings that about) and in one part of "
        "the split.",
    )

    @property
    def init_scores(self) -> tuple[str, ...]:
        """Expressions of the first scores; none, one, or one for each class."""
        given = self.init_score or ()
        return (given,) if isinstance(given, str) else given

    @property
    def loss(self) -> str:
        """LightGBM's main name of the objective; empty for a task without a label.

        Raises:
            SpecError: There is no such objective, or it belongs to another task.
        """
        if self.task in OBJECTIVES:
            return objective_for(cast(Boosted, self.task), self.objective)
        return ""

    @property
    def labelled(self) -> bool:
        """Whether the task needs a label."""
        return self.task not in UNLABELLED

    def label_problems(self) -> Iterator[Problem]:
        """Yield what is wrong with these keys alone."""
        yield from self._task()
        yield from self._target()
        yield from self._classes()
        yield from self._scores()

    def _target(self) -> Iterator[Problem]:
        if self.labelled and self.target is None:
            yield Problem(("target",), f'is required with task = "{self.task}"')
        if not self.labelled:
            for name in ("target", "objective", "classes", *BY_CLASS, "init_score", "query"):
                if getattr(self, name) is not None:
                    yield Problem((name,), f'does not go with task = "{self.task}"')

    def _task(self) -> Iterator[Problem]:
        try:
            _ = self.loss
        except SpecError as error:
            yield Problem(("objective",), f"{error.what}; {error.hint}")
        classifies = self.task in ("binary", "multiclass")
        for name in ("classes", *BY_CLASS):
            if getattr(self, name) is not None and self.labelled and not classifies:
                yield Problem((name,), f'does not go with task = "{self.task}"')
        if self.task == "ranking" and self.query is None:
            yield Problem(("query",), 'is required with task = "ranking"')
        if self.labelled and self.task != "ranking" and self.query is not None:
            yield Problem(("query",), f'goes with task = "ranking", not with "{self.task}"')

    def _classes(self) -> Iterator[Problem]:
        if self.classes is None:
            return
        texts = [text_of(value) for value in self.classes]
        if twice := sorted({text for text in texts if texts.count(text) > 1}):
            yield Problem(("classes",), f"named twice: {', '.join(twice)}")
        if self.task == "binary" and len(texts) != 2:
            yield Problem(("classes",), f'should be two with task = "binary", got {len(texts)}')
        for key in BY_CLASS:
            given = getattr(self, key)
            for name in given if isinstance(given, dict) else ():
                if name not in texts:
                    what = f"{name!r} is none of the classes{nearest(name, texts)}"
                    yield Problem((key, name), what)

    def _scores(self) -> Iterator[Problem]:
        given = len(self.init_scores)
        wanted = len(self.classes or ()) if self.task == "multiclass" else 1
        if given and wanted and given != wanted:
            each = "one for each class" if self.task == "multiclass" else "one"
            yield Problem(("init_score",), f"should be {each}: {wanted}, got {given}")
