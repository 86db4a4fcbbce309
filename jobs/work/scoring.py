"""What ``[score]`` works on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from engine.bundle import Bundle
from engine.data.dataset import Dataset
from engine.errors import SpecError
from engine.history import History
from engine.plan import Partition
from engine.scoring import Model, Several
from jobs.spec.job import JobSpec, ScoreSpec
from jobs.work.bounds import assert_bounds, coverage
from jobs.work.combining import added, assert_combine, combined
from jobs.work.files import assert_written
from jobs.work.foreign import open_foreign
from jobs.work.inputs import assert_there, wanted_by
from jobs.work.naming import assert_names
from jobs.work.opening import open_data
from jobs.work.scorer import Scorer, asked_of, open_scorer
from jobs.work.section import there
from jobs.work.training import Training
from jobs.work.wanted import Wanted, together


@dataclass(frozen=True)
class Scoring:
    """What ``[score]`` works on.

    Attributes:
        spec: The section.
        dataset: Its data, under its own contract and those of the models.
        scorers: The models by their key in the section; one may be trained by this job first.
        wanted: What they need together.
        columns: Columns that are passed through, the key first.
    """

    spec: ScoreSpec
    dataset: Dataset
    scorers: Mapping[str, Scorer]
    wanted: Wanted
    columns: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that the models read."""
        return self.wanted.inputs

    @property
    def width(self) -> int:
        """Number of features of the widest model, at most: they predict one after the other."""
        return self.wanted.width

    @property
    def lookback(self) -> int:
        """Rows before a row that some step of a model looks at."""
        return self.wanted.lookback

    @property
    def read_columns(self) -> list[str]:
        """Return all columns that are read."""
        return list(dict.fromkeys([*self.columns, *self.inputs]))

    @property
    def added(self) -> list[pl.DataType]:
        """Types of the columns that are added; a guess where a model is not trained yet."""
        found = [kind for one in self.scorers.values() for kind in one.guessed_columns.values()]
        for key, one in self.scorers.items():
            found += one.guessed_answers(asked_of(self.spec, key))
        if self.spec.interval is not None:
            found.append(pl.Boolean())
        if self.spec.averages:
            found += next(iter(self.scorers.values())).guessed_columns.values()
        return found

    @property
    def versions(self) -> dict[str, str]:
        """Version of each model that is trained, by its key in the section."""
        return {key: one.version for key, one in self.scorers.items() if one.version}

    @property
    def coverage(self) -> float | None:
        """Share of labels that an interval is to hold, nominally; None without one."""
        return coverage(self.scorers)

    @property
    def is_ready(self) -> bool:
        """Whether all models are trained."""
        return all(scorer.model for scorer in self.scorers.values())

    def model(self) -> Model:
        """Return what predicts; all models are trained.

        Raises:
            SpecError: A column would have the name of another, or is renamed and not there.
        """
        model = combined(self.spec, self.scorers)
        assert_names(self.spec.rename, self.columns, model.columns)
        self.assert_written(model.columns)
        return model

    def assert_written(self, added: Collection[str] | None) -> None:
        """Refuse columns that do not go into the files.

        Args:
            added: Names of the columns that the models add; None where they are not known yet.

        Raises:
            SpecError: There is one.
        """
        new = self.spec.rename
        passed = {new.get(name, name): self.dataset.schema[name] for name in self.columns}
        others = None if added is None else [new.get(name, name) for name in added]
        assert_written("score", self.spec, passed, others)

    def history(self, partitions: Sequence[Partition]) -> History | None:
        """Return what looks at earlier rows, if anything does; all models are trained.

        Args:
            partitions: All partitions of the data.

        Raises:
            SpecError: The models cannot do so over one read.
        """
        found = {
            f"score.{key}": History.of(one.pipeline.steps, one.pipeline.derive, partitions)
            for key, one in self.scorers.items()
            if one.pipeline is not None
        }
        history, stack = History.together(found), found.get("score.combine")
        model = self.model()
        own = model.added if isinstance(model, Several) else {}
        for name in stack.reads if stack else ():
            if name in own:
                raise SpecError(
                    f"a step of this model looks at {name!r} of earlier rows, which other models "
                    "predict",
                    where="score.combine",
                    hint="write their predictions first, and score those with it",
                )
        for name in history.made if history else ():
            if name in self.read_columns:
                raise SpecError(
                    f"a model makes a column {name!r} of earlier rows, and the data have one",
                    where="score",
                    hint="leave the column out, or give it another name by aliases in its contract",
                )
        return history

    def with_trained(self, folder: Path, bundle: Bundle) -> Scoring:
        """Return the same with the model that this job has trained.

        Args:
            folder: Folder of its version.
            bundle: The model.
        """
        scorers = {
            key: one
            if one.model
            else Scorer.of(one.reference, folder, bundle, asked_of(self.spec, key))
            for key, one in self.scorers.items()
        }
        return replace(self, scorers=scorers)


def open_scoring(job: JobSpec, training: Training | None) -> Scoring:
    """Open the models of ``[score]``, and its data under the contracts that the models carry.

    Args:
        job: The job.
        training: What ``[train]`` works on; its model may be among them.

    Raises:
        SpecError: The models do not go together, or the data do not fit them.
        ModelError: A model is not there, or is damaged.
        InputError: A file is damaged.
    """
    spec = there(job.score)
    data_spec = job.data[spec.data]
    scorers = {
        key: Scorer.awaited(reference, training)
        if training and job.trains(reference)
        else open_scorer(reference, asked_of(spec, key))
        for key, reference in spec.references.items()
    }
    scorers.update(open_foreign(spec))
    assert_combine(spec, scorers)
    assert_bounds(scorers)
    own = added(spec, scorers)
    needs = {
        key: one.wanted.without(own if key == "combine" else ()) for key, one in scorers.items()
    }
    wanted = together(needs, data_spec.contract.columns)
    try:
        dataset = open_data(spec.data, data_spec, wanted.rules)
    except SpecError as error:
        raise wanted_by(error, spec.data, scorers, needs, own) from None
    assert_there(dataset, scorers, needs, own)
    columns = tuple(dict.fromkeys([*data_spec.key, *spec.columns]))
    dataset.require(columns, "score.columns")
    scoring = Scoring(spec, dataset, scorers, wanted, columns)
    scoring.assert_written(None)
    if scoring.is_ready:
        scoring.history(())
    return scoring
