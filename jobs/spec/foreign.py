"""Models of ``[score]`` that are not of millrace: a function, files of ONNX, skops, XGBoost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ByteSize, Field, model_validator

from engine.scoring.foreign.limits import BATCH, MEMORY, TIMEOUT
from jobs.spec.contract import Decimal, TypeName
from jobs.spec.problems import Problem, nearest, refuse
from jobs.spec.section import Integer, Location, Section, SomeColumns, Span, Text, seconds

KINDS = ("function", "onnx", "skops", "xgboost")
"""Their keys."""

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def _is_path(value: str) -> str:
    if not _PATH.fullmatch(value):
        raise ValueError('should be an import path such as "shop.scoring:predict"')
    return value


class IsolatedSpec(Section):
    """What all models have in common that run in a process of their own."""

    inputs: SomeColumns = Field(
        description="Columns of the data that the model reads, in this order; the contract of the "
        "data alone says what is in them."
    )
    columns: Annotated[dict[Text, TypeName | Decimal], Field(min_length=1)] = Field(
        description="Columns that the model adds, with their types: "
        '`{ score = "float32", label = "string" }`. Numbers are converted where none is lost; '
        "floats round."
    )
    batch: Integer = Field(
        BATCH,
        ge=1,
        description="Rows that the model is handed at once, cut from the start of each partition.",
    )
    threads: Integer = Field(
        1,
        ge=1,
        description="Threads of each process with the model; every thread of a worker has one.",
    )
    memory: ByteSize = Field(
        ByteSize(MEMORY),
        ge=128 * 2**20,
        description="Memory of each process with the model, such as `1 GiB`: it is part of the "
        "plan, and a process that holds more is ended.",
    )
    timeout: Span = Field(
        f"{TIMEOUT / 60:.0f}m",
        description="Time for loading the model and for each batch: `90s`, `30m`. A process that "
        "takes longer is ended.",
    )
    missing: Literal["fail", "keep"] = Field(
        "fail",
        description="What to do when the model returns null or NaN: its part fails, or the value "
        "is written as it is.",
    )

    @property
    def max_seconds(self) -> float:
        """Seconds for loading and for each batch."""
        return seconds(self.timeout)


class FunctionSpec(IsolatedSpec):
    """A Python function as a model: `columns = predict(frame)`.

    It is imported only when the environment variable `MILLRACE_FUNCTIONS` names its module.
    """

    path: Annotated[Text, AfterValidator(_is_path)] = Field(
        alias="import",
        description="Import path of the function: `shop.scoring:predict`. It takes a Polars frame "
        "of `inputs` and returns a Polars, pandas or Arrow frame, a mapping of arrays, or a series "
        "for one column.",
    )
    setup: Annotated[Text, Field(pattern=r"^[A-Za-z_]\w*$")] | None = Field(
        None,
        description="Name of a function of the same module that is called once in each process; "
        "what it returns is the second argument of every call.",
    )
    files: tuple[Location, ...] = Field(
        (),
        description="Files that the function loads: when one of them has changed, the rows are "
        "scored again.",
    )


class OnnxSpec(IsolatedSpec):
    """A model in the ONNX format, run by onnxruntime (`millrace[onnx]`)."""

    path: Location = Field(description="The file, with its weights in it.")
    tensors: dict[Text, SomeColumns] = Field(
        {},
        description="Columns of each input of the model: `{ x = ['age', 'income'] }`. Left out: "
        "all `inputs` as one matrix for a model with one input, else each to the input of its "
        "name.",
    )
    outputs: dict[Text, Text] = Field(
        {},
        description="Output of the model for each of `columns`: `name`, or `name[1]` for a column "
        "of a matrix or a key of a map. Left out: the output called like the column.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse([*self._tensors(), *self._outputs()])
        return self

    def _tensors(self) -> Iterator[Problem]:
        used = [name for columns in self.tensors.values() for name in columns]
        for tensor, columns in self.tensors.items():
            for place, name in enumerate(columns):
                if name not in self.inputs:
                    what = f"{name!r} is not in inputs{nearest(name, self.inputs)}"
                    yield Problem(("tensors", tensor, place), what)
        for place, name in enumerate(self.inputs if used else ()):
            if name not in used:
                yield Problem(("inputs", place), f"{name!r} is in none of `tensors`")

    def _outputs(self) -> Iterator[Problem]:
        for name in self.outputs:
            if name not in self.columns:
                what = f"is not in columns{nearest(name, self.columns)}"
                yield Problem(("outputs", name), what)


class SkopsSpec(IsolatedSpec):
    """A scikit-learn model in the format of skops (`millrace[skops]`), which holds no code.

    Its `columns` are called `prediction`, `probability` and `probability_<class>`.
    """

    path: Location = Field(description="The file, written by `skops.io.dump`.")
    trusted: tuple[Text, ...] = Field(
        (),
        description="Types that may be made while the file is loaded, beside those that skops "
        "trusts. The environment variable `MILLRACE_FUNCTIONS` names their modules.",
    )


class XgboostSpec(IsolatedSpec):
    """A model of XGBoost in its JSON format (`millrace[xgboost]`), which holds no code.

    Its `columns` are called `prediction`, `probability` (objective `binary:logistic`) and
    `probability_<number of the class>` (`multi:softprob`).
    """

    path: Location = Field(
        description="The file, written by `save_model` as `model.json` or `model.ubj`."
    )


class ForeignSpec(Section):
    """A model that is not of millrace; at most one."""

    function: FunctionSpec | None = Field(None, description="A Python function instead of `model`.")
    onnx: OnnxSpec | None = Field(None, description="An ONNX model instead of `model`.")
    skops: SkopsSpec | None = Field(None, description="A scikit-learn model instead of `model`.")
    xgboost: XgboostSpec | None = Field(None, description="A model of XGBoost instead of `model`.")

    @property
    def foreign(self) -> dict[str, IsolatedSpec]:
        """Those that are there, by key."""
        found = {name: getattr(self, name) for name in KINDS}
        return {key: spec for key, spec in found.items() if spec is not None}

    def exclusive_problems(self) -> Iterator[Problem]:
        """Yield those that are too many."""
        kinds = list(self.foreign)
        for name in kinds[1:]:
            yield Problem((name,), f"does not go with `{kinds[0]}`: give one of them")

    def foreign_problems(self, others: Iterable[str]) -> Iterator[Problem]:
        """Yield what does not go with such a model.

        Args:
            others: Keys of the section that only models of millrace know.
        """
        yield from self.exclusive_problems()
        key = next(iter(self.foreign))
        for name in others:
            default = type(self).model_fields[name].get_default(call_default_factory=True)
            if getattr(self, name) != default:
                yield Problem((name,), f"does not go with `{key}`, which is no model of millrace")


class MemberSpec(ForeignSpec):
    """One of several models, which is not of millrace."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        none = [] if self.foreign else [Problem((), f"needs one of {', '.join(KINDS)}")]
        refuse([*none, *self.exclusive_problems()])
        return self
