"""What ``[prepare]`` works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.data.dataset import Dataset
from engine.errors import SpecError
from engine.features.fitted import FittedPipeline
from engine.features.pipeline import Pipeline, Resolved
from engine.registry import open_pipeline
from engine.split import Split
from engine.training.preparing import TrainingData
from jobs.spec.job import (
    JobSpec,
    PrepareSpec,
)
from jobs.spec.prepare import SPLIT
from jobs.work.files import assert_written
from jobs.work.learning import Asked, learning
from jobs.work.opening import open_data
from jobs.work.section import there


@dataclass(frozen=True)
class Preparation:
    """What ``[prepare]`` works on.

    Attributes:
        spec: The section.
        dataset: Its data.
        data: How its rows are read, labelled and split; time cuts are not known yet.
        columns: Columns that are passed through, the key first.
        pipeline: The features as asked for; ``None`` when they were fitted before.
        resolved: The same as they fit the data.
        fitted: The pipeline that was fitted before, if one is taken.
    """

    spec: PrepareSpec
    dataset: Dataset
    data: TrainingData
    columns: tuple[str, ...]
    pipeline: Pipeline | None = None
    resolved: Resolved | None = None
    fitted: FittedPipeline | None = None

    @property
    def width(self) -> int:
        """Number of features, at most."""
        return self.resolved.width if self.resolved else len(self.taken.features)

    @property
    def lookback(self) -> int:
        """Rows before a row that some step looks at."""
        return self.resolved.lookback if self.resolved else self.taken.lookback

    @property
    def taken(self) -> FittedPipeline:
        """Return the pipeline that was fitted before."""
        assert self.fitted is not None
        return self.fitted

    @property
    def read_columns(self) -> list[str]:
        """Return all columns that are read."""
        return list(dict.fromkeys([*self.columns, *self.data.columns]))


def open_preparation(job: JobSpec) -> Preparation:
    """Open the data of ``[prepare]`` and check features, target and split against it.

    Raises:
        SpecError: A column, expression or step does not fit the data.
        InputError: A file is damaged.
        ModelError: The fitted pipeline is not there.
    """
    spec = there(job.prepare)
    data_spec = job.data[spec.data]
    dataset = open_data(spec.data, data_spec, {})
    columns = tuple(dict.fromkeys([*data_spec.key, *spec.columns]))
    dataset.require(columns, "prepare.columns")
    if spec.fitted is None:
        asked = Asked("prepare", spec.target, spec.split, spec.seed)
        data, pipeline, resolved = learning(asked, job, data_spec, dataset)
        _assert_apart(columns, spec, resolved.features)
        _assert_written(dataset, columns, spec, resolved.features)
        return Preparation(spec, dataset, data, columns, pipeline, resolved)
    fitted = open_pipeline(spec.fitted)[1]
    dataset.require(fitted.inputs, f"data.{spec.data} (columns that the pipeline needs)")
    _assert_apart(columns, spec, fitted.features)
    _assert_written(dataset, columns, spec, fitted.features)
    data = TrainingData(dataset.source, None, Split("random"), fitted.inputs)
    return Preparation(spec, dataset, data, columns, fitted=fitted)


def _added(spec: PrepareSpec, features: Sequence[str]) -> list[str]:
    return [*features, *([spec.label] if spec.target else []), *([SPLIT] if spec.split else [])]


def _assert_written(
    dataset: Dataset, columns: Sequence[str], spec: PrepareSpec, features: Sequence[str]
) -> None:
    passed = {name: dataset.schema[name] for name in columns}
    assert_written("prepare", spec, passed, _added(spec, features))


def _assert_apart(columns: Sequence[str], spec: PrepareSpec, features: Sequence[str]) -> None:
    added = _added(spec, features)
    if twice := [name for name in (*columns, *added[len(features) :]) if name in features]:
        raise SpecError(
            f"column {twice[0]!r} would be there twice: it is a feature too",
            where="prepare.columns" if twice[0] in columns else "prepare.label",
            hint="take it out of prepare.columns, or list it in features.drop",
        )
    if twice := [name for name in columns if name in added]:
        raise SpecError(
            f"column {twice[0]!r} would be there twice: prepare adds one of that name",
            where="prepare.columns",
            hint="take it out of prepare.columns, or name the label differently: prepare.label",
        )
