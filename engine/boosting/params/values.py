"""What each parameter of LightGBM may be: kind and range, as its documentation states them.

Source: LightGBM 4.7, docs/Parameters.rst (made from include/LightGBM/config.h).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Final, Protocol

_INT32: Final = 2**31 - 1


class Wanted(Protocol):
    """What a value should be; ``str`` says it in words."""

    def __contains__(self, value: object) -> bool:
        """Return whether a value is one."""


@dataclass(frozen=True)
class Number:
    """A number of a range.

    Attributes:
        low: Least value.
        high: Greatest value.
        whole: Whether it has no fraction.
        above: Whether `low` itself is too small.
        below: Whether `high` itself is too large.
    """

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    above: bool = False
    below: bool = False

    def __contains__(self, value: object) -> bool:
        """Return whether a value is such a number."""
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real):
            return False
        number = float(value)
        low = number > self.low if self.above else number >= self.low
        return low and math.isfinite(number) and self._fits_below(number)

    def _fits_below(self, number: float) -> bool:
        return number < self.high if self.below else number <= self.high

    def __str__(self) -> str:
        """Return it in words, such as ``a number above 0 and at most 1``."""
        ends = []
        if self.low > -math.inf:
            ends.append(f"above {self.low:g}" if self.above else f"{self.low:g} or more")
        if self.high < math.inf and not (self.whole and self.high == _INT32):
            ends.append(f"below {self.high:g}" if self.below else f"at most {self.high:.0f}")
        return " ".join(
            ["a whole number" if self.whole else "a number", " and ".join(ends)]
        ).strip()


@dataclass(frozen=True)
class OneOf:
    """One of a few words; LightGBM does not tell capitals apart."""

    words: tuple[str, ...]

    def __contains__(self, value: object) -> bool:
        """Return whether a value is one of them."""
        return isinstance(value, str) and value.lower() in self.words

    def __str__(self) -> str:
        """Return them all."""
        return " or ".join(map(repr, self.words))


@dataclass(frozen=True)
class Flag:
    """True or false; 1 and 0 mean the same to LightGBM."""

    def __contains__(self, value: object) -> bool:
        """Return whether a value is one."""
        # By the class's name: NumPy's is no bool, and NumPy is not needed here.
        return isinstance(value, bool) or type(value).__name__ == "bool" or value in (0, 1)

    def __str__(self) -> str:
        """Return it in words."""
        return "true or false"


@dataclass(frozen=True)
class ListOf:
    """A list, of a value for each feature or for each label."""

    each: Number

    def __contains__(self, value: object) -> bool:
        """Return whether a value is one, with at least one entry."""
        return (
            isinstance(value, list | tuple) and bool(value) and all(v in self.each for v in value)
        )

    def __str__(self) -> str:
        """Return it in words."""
        return f"a list, each {self.each}"


def _whole(low: float = -_INT32, high: float = _INT32) -> Number:
    return Number(low, high, whole=True)


_FLAG: Final = Flag()
_SEED: Final = _whole()
_COUNT: Final = _whole(1)
_FROM_ZERO: Final = Number(0)
_ABOVE_ZERO: Final = Number(0, above=True)
_SHARE: Final = Number(0, 1, above=True)
_RATE: Final = Number(0, 1)

VALUES: Final[Mapping[str, Wanted]] = {
    "alpha": _ABOVE_ZERO,
    "bagging_by_query": _FLAG,
    "bagging_fraction": _SHARE,
    "bagging_freq": _whole(0),
    "bagging_seed": _SEED,
    "boost_from_average": _FLAG,
    "boosting": OneOf(("gbdt", "gbrt", "rf", "random_forest", "dart", "goss")),
    "cat_l2": _FROM_ZERO,
    "cat_smooth": _FROM_ZERO,
    "cegb_penalty_feature_coupled": ListOf(Number()),
    "cegb_penalty_feature_lazy": ListOf(Number()),
    "cegb_penalty_split": _FROM_ZERO,
    "cegb_tradeoff": _FROM_ZERO,
    "data_random_seed": _SEED,
    "data_sample_strategy": OneOf(("bagging", "goss")),
    "drop_rate": _RATE,
    "drop_seed": _SEED,
    "enable_bundle": _FLAG,
    "extra_seed": _SEED,
    "extra_trees": _FLAG,
    "fair_c": _ABOVE_ZERO,
    "feature_contri": ListOf(Number()),
    "feature_fraction": _SHARE,
    "feature_fraction_bynode": _SHARE,
    "feature_fraction_seed": _SEED,
    "force_col_wise": _FLAG,
    "force_row_wise": _FLAG,
    "histogram_pool_size": Number(),
    "is_enable_sparse": _FLAG,
    "is_unbalance": _FLAG,
    "label_gain": ListOf(Number()),
    "lambda_l1": _FROM_ZERO,
    "lambda_l2": _FROM_ZERO,
    "lambdarank_norm": _FLAG,
    "lambdarank_truncation_level": _COUNT,
    "learning_rate": _ABOVE_ZERO,
    "max_bin": _whole(2),
    "max_bin_by_feature": ListOf(_whole(2)),
    "max_cat_threshold": _COUNT,
    "max_cat_to_onehot": _COUNT,
    "max_delta_step": Number(),
    "max_depth": _whole(),
    "max_drop": _whole(),
    "min_data_in_bin": _COUNT,
    "min_data_in_leaf": _whole(0),
    "min_data_per_group": _COUNT,
    "min_gain_to_split": _FROM_ZERO,
    "min_sum_hessian_in_leaf": _FROM_ZERO,
    "monotone_constraints_method": OneOf(("basic", "intermediate", "advanced")),
    "monotone_penalty": _FROM_ZERO,
    "neg_bagging_fraction": _SHARE,
    # A gradient is kept in a signed byte, a hessian takes all of its bins (gradient_discretizer).
    "num_grad_quant_bins": _whole(2, 127),
    "num_leaves": _whole(2, 131072),
    "objective_seed": _SEED,
    "other_rate": _RATE,
    "path_smooth": _FROM_ZERO,
    "poisson_max_delta_step": _ABOVE_ZERO,
    "pos_bagging_fraction": _SHARE,
    "quant_train_renew_leaf": _FLAG,
    "refit_decay_rate": _RATE,
    "reg_sqrt": _FLAG,
    "scale_pos_weight": _ABOVE_ZERO,
    "sigmoid": _ABOVE_ZERO,
    "skip_drop": _RATE,
    "stochastic_rounding": _FLAG,
    "top_rate": _RATE,
    "tweedie_variance_power": Number(1, 2, below=True),
    "uniform_drop": _FLAG,
    "use_missing": _FLAG,
    "use_quantized_grad": _FLAG,
    "xgboost_dart_mode": _FLAG,
    "zero_as_missing": _FLAG,
}
"""By main name: every parameter that a user may give."""


def is_on(value: object) -> bool:
    """Return whether a flag is set, given as LightGBM takes it."""
    return value in (True, 1)
