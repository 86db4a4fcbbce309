"""Rows with folds for the tests of trials: those of the tests of boosting."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "boosting"))

from boosting_rows import Drawn
from folded_rows import Dealt, Queries

__all__ = ["Dealt", "Drawn", "Queries"]
