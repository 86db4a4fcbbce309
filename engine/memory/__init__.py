"""Bytes that each operation holds at its peak: fixed, per row and per cell terms.

The figures are measured by ``benchmarks/memory.py`` and rounded up; a test asserts that measured
peaks stay below the sums made here.
"""

from engine.memory.columns import profiling, survey
from engine.memory.models import Answers, evaluation, foreign, gathering, scoring
from engine.memory.passes import Shape, encoding, writing
from engine.memory.ranges import sorting
from engine.memory.ranks import Boosting, training

__all__ = [
    "Answers",
    "Boosting",
    "Shape",
    "encoding",
    "evaluation",
    "foreign",
    "gathering",
    "profiling",
    "scoring",
    "sorting",
    "survey",
    "training",
    "writing",
]
