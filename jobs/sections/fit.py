"""What comes of fitting an estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.models import Learned


@dataclass(frozen=True)
class Fit:
    """A fitted estimator.

    Attributes:
        model: What it has learned.
        told: What the bundle tells of its training: the history, importances; JSON values.
        summary: What is said of it when the step ends; JSON values.
    """

    model: Learned
    told: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
