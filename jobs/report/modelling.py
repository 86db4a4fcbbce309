"""What is known of a model, as plain data: features, training, importance, contributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Feature:
    """A feature of the model.

    Args:
        name: Its name.
        sources: Columns of the data that it is made from.
        made: How, a line for each step.
        kind: "number" or "category".
        missing: Share of the rows in which it is missing, if that is known.
    """

    name: str
    sources: Sequence[str] = ()
    made: Sequence[str] = ()
    kind: str = "number"
    missing: float | None = None


@dataclass(frozen=True)
class Weight:
    """How important a feature is: a value, and its spread over repetitions if there were any."""

    value: float
    spread: float | None = None


@dataclass(frozen=True)
class Contribution:
    """What a feature adds to predictions.

    Args:
        feature: Its name.
        mean_abs: Mean of the absolute contribution (SHAP value), in the units of the raw score.
        sample: Value of the feature (None: missing or no number) and contribution, of some rows.
    """

    feature: str
    mean_abs: float
    sample: Sequence[tuple[float | None, float]] = ()


@dataclass(frozen=True)
class Dependence:
    """Predictions where a feature is set to each value of a grid, in all rows of a sample.

    Args:
        feature: Its name.
        grid: Values, as numbers or as names of levels.
        mean: Mean prediction at each value (partial dependence), a line for each output.
        lines: Predictions of single rows (individual conditional expectation).
    """

    feature: str
    grid: Sequence[float | str]
    mean: Sequence[Sequence[float]]
    lines: Sequence[Sequence[float]] = ()


@dataclass(frozen=True)
class Trial:
    """One try of a search.

    Args:
        number: Its number, from 0.
        value: What it came to; None: it has no value.
        state: How it ended: "done", "pruned", "failed".
        params: Parameters that were tried.
        rounds: Boosting rounds or passes it had.
        seconds: How long it took.
        spread: Standard deviation of the value over folds.
    """

    number: int
    value: float | None
    state: str = "done"
    params: Mapping[str, float | int | str | bool | None] = field(default_factory=dict)
    rounds: int | None = None
    seconds: float | None = None
    spread: float | None = None


@dataclass(frozen=True)
class Tuning:
    """A search for parameters.

    Args:
        metric: What was looked at.
        higher: Whether more of it is better.
        trials: All trials in their order.
        best: Number of the trial that was taken.
        about: How the search went, in a few words.
    """

    metric: str
    higher: bool
    trials: Sequence[Trial]
    best: int | None = None
    about: str = ""


@dataclass(frozen=True)
class Modelling:
    """All that is said of the model itself; parts that are empty are left out of the page.

    Args:
        features: In the order of the model.
        history: One entry per round or epoch; keys end in a metric's name ("valid_log_loss").
        best_round: The round the model was cut to, from 1.
        importance: Weight by feature and kind: "gain", "split", "permutation".
        permuted: The metric that permutation importance is the loss of.
        classes: Names of the outputs of a model that has several.
        contributions: By feature, the largest first.
        explained: Rows that contributions are of, in a few words.
        dependence: By feature.
        tuning: The search that found the parameters.
    """

    features: Sequence[Feature] = ()
    history: Sequence[Mapping[str, float]] = ()
    best_round: int | None = None
    importance: Mapping[str, Mapping[str, Weight]] = field(default_factory=dict)
    permuted: str = ""
    classes: Sequence[str] = ()
    contributions: Sequence[Contribution] = ()
    explained: str = ""
    dependence: Sequence[Dependence] = ()
    tuning: Tuning | None = None
