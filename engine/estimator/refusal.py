"""The error of an estimator that was given what cannot be."""

from __future__ import annotations

from engine.errors import SpecError


class Unfit(SpecError, ValueError):
    """Arguments or data that an estimator cannot take; a `ValueError`, as scikit-learn asks."""
