"""What ``[score]`` predicts with, and what it is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    Tag,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from jobs.spec.foreign import ForeignSpec, IsolatedSpec, MemberSpec
from jobs.spec.problems import Problem, nearest
from jobs.spec.section import Flag, Integer, Location, Number, Section, Share, Text, has_version

PREDICTION, PROBABILITY = "prediction", "probability"
"""Names of the columns that scoring adds."""

MEAN = "mean"
"""What `PredictingSpec.combine` says of models whose mean is taken; else it names a model."""

INTERVAL = "interval"
"""Key of the models that bound a prediction: ``interval.lower`` and ``interval.upper``."""

MOST_MODELS = 16
"""Models of one ``[score]``; `engine.predict` keeps as many ready, and one that combines them."""


def _is_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]+", value):
        raise ValueError("a name of a model holds only letters, digits and '_'")
    return value


def _combination(value: str, handler: ValidatorFunctionWrapHandler) -> str:
    if value == MEAN:
        return value
    if "@" not in str(value):
        raise ValueError('should be "mean", or a model and version such as models/stack@latest')
    return str(handler(value))


def _explained(value: object, _handler: ValidatorFunctionWrapHandler) -> str | int:
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ValueError('should be "all", or a whole number from 1')


Reference = Annotated[Location, AfterValidator(has_version)]
"""A model and its version: ``models/x@latest`` or ``models/x@3``."""

Explained = Annotated[Literal["all"] | Integer, WrapValidator(_explained)]
"""Which contributions are told: all, or so many of the largest."""

Member = Annotated[
    Annotated[Reference, Tag("reference")] | Annotated[MemberSpec, Tag("MemberSpec")],
    Discriminator(lambda given: "reference" if isinstance(given, str) else "MemberSpec"),
]
"""One of several models: a reference, or a table with a model of another kind."""

Models = Annotated[
    dict[Annotated[Text, AfterValidator(_is_name)], Member],
    Field(min_length=1, max_length=MOST_MODELS),
]


class IntervalSpec(Section):
    """The bounds of a prediction interval: two models with `objective = "quantile"`.

    The share of labels between them, nominally, is the difference of their `alpha`.
    """

    lower: Reference = Field(description="Model and version of the lower bound, of small `alpha`.")
    upper: Reference = Field(description="Model and version of the upper bound, of large `alpha`.")


class PredictingSpec(ForeignSpec):
    """The model or the models, and what is wanted of them."""

    model: Reference | None = Field(
        None,
        description="Model and version: `models/x@latest` or `models/x@3`. Required, unless there "
        "is a table `models`, or `function`, `onnx`, `skops` or `xgboost`.",
    )
    models: Models | None = Field(
        None,
        description="Several models over one read, by name: "
        '`{ champion = "models/a@3", challenger = "models/b@latest" }`. Their columns end in `_` '
        f"and the name: `{PREDICTION}_champion`. At most {MOST_MODELS}. A table with `function`, "
        "`onnx`, `skops` or `xgboost` is a model of that kind: `[score.models.challenger.onnx]`.",
    )
    combine: Annotated[Reference, WrapValidator(_combination)] | None = Field(
        None,
        description=f'One prediction made of those of `models`: `"{MEAN}"`, or a model and version '
        "that was trained on columns called as theirs. Its columns have no name at the end.",
    )
    weights: dict[Text, Annotated[Number, Field(gt=0)]] = Field(
        {}, description=f'Weights of the models in `combine = "{MEAN}"`, by name; 1 where left out.'
    )
    interval: IntervalSpec | None = Field(
        None,
        description="Columns `lower` and `upper` beside the `prediction` of a regression, from two "
        "quantile models. `crossed` is true where the three had to be put in order.",
    )
    threshold: Share | None = Field(
        None,
        description=f"Probability from which on a binary `{PREDICTION}` is 1. Left out: what "
        "[train.threshold] has chosen for the model, or 0.5; 0.5 of a mean of models.",
    )
    raw: Flag = Field(
        False,
        description="Raw scores too, LightGBM's to the bit: `raw`, or `raw_<class>` of several "
        "classes.",
    )
    leaves: Flag = Field(
        False, description="The row's leaf in every tree too: a column `leaves` of lists."
    )
    explain: Explained | None = Field(
        None,
        description="What each feature contributed to the raw score (exact SHAP values; of several "
        'classes, to that of the predicted one). `"all"`: columns `contribution_<feature>` and '
        "`contribution_base`, whose sum it is. A number k: the k largest, as `reason_1`, the name "
        "of the feature, `reason_1_contribution`, and so on.",
    )

    @property
    def references(self) -> dict[str, str]:
        """All models by key: ``model`` and ``interval.lower``, ``models.<name>``, ``combine``."""
        if self.model is not None:
            bounds = self.interval.to_dict() if self.interval else {}
            return {"model": self.model} | {f"{INTERVAL}.{end}": m for end, m in bounds.items()}
        models = (self.models or {}).items()
        found = {key_of(name): one for name, one in models if isinstance(one, str)}
        return found | ({"combine": self.combine} if self.combine and not self.averages else {})

    @property
    def isolated(self) -> dict[str, IsolatedSpec]:
        """All models that are not LightGBM's, by key: ``onnx``, or ``models.<name>.onnx``."""
        found: dict[str, IsolatedSpec] = dict(self.foreign)
        for name, one in (self.models or {}).items():
            if isinstance(one, MemberSpec):
                found |= {f"{key_of(name)}.{kind}": spec for kind, spec in one.foreign.items()}
        return found

    @property
    def averages(self) -> bool:
        """Whether the mean of the models is asked for."""
        return self.combine == MEAN

    @property
    def adds_unnamed(self) -> bool:
        """Whether a column is called ``prediction`` and not after one of several models."""
        return not self.foreign and (self.models is None or self.combine is not None)

    def model_problems(self) -> Iterator[Problem]:
        """Yield what does not go together in the choice of models."""
        if self.foreign:
            shared = ForeignSpec.model_fields
            keys = (name for name in PredictingSpec.model_fields if name not in shared)
            yield from self.foreign_problems(keys)
            return
        if self.models is None:
            if self.model is None:
                yield Problem(("model",), "is required: a model and version, or a table `models`")
            yield from self._without_table()
            return
        if self.model is not None:
            yield Problem(("models",), "does not go with `model`: give one of the two")
        if self.interval is not None:
            yield Problem((INTERVAL,), "goes with one `model`, whose prediction is bounded")
        if self.averages and len(self.models) < 2:
            yield Problem(("combine",), f'"{MEAN}" needs two models or more')
        if self.weights and not self.averages:
            yield Problem(("weights",), f'goes with combine = "{MEAN}"')
        for name in self.weights:
            if name not in self.models:
                what = f"there is no such model{nearest(name, self.models)}"
                yield Problem(("weights", name), what)

    def _without_table(self) -> Iterator[Problem]:
        for key, there in (("combine", self.combine), ("weights", self.weights)):
            if there:
                yield Problem((key,), "goes with a table `models`")


def key_of(name: str) -> str:
    """Return the key in ``[score]`` of one of several models."""
    return f"models.{name}"
