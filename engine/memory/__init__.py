"""Bytes that each operation holds at its peak: fixed, per row and per cell terms.

The figures are measured by ``benchmarks/memory.py`` and rounded up; a test asserts that measured
peaks stay below the sums made here.
"""

from engine.memory.columns import profiling, survey
from engine.memory.evaluating import Measured, crossing, evaluation
from engine.memory.models import Answers, asking, explaining, foreign, gathering, scoring
from engine.memory.passes import Shape, encoding, writing
from engine.memory.ranges import sorting
from engine.memory.ranks import Boosting, marks, training
from engine.memory.trials import side_by_side, trials

__all__ = [
    "Answers",
    "Boosting",
    "Measured",
    "Shape",
    "asking",
    "crossing",
    "encoding",
    "evaluation",
    "explaining",
    "foreign",
    "gathering",
    "marks",
    "profiling",
    "scoring",
    "side_by_side",
    "sorting",
    "survey",
    "training",
    "trials",
    "writing",
]
