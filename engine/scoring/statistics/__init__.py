"""Statistics of what a model read and said, gathered while rows are scored, for drift later.

Looking closely at every cell would cost more than scoring does. So each cell of a scored row is
counted (rows, missing, infinite, least and largest value: exact), and the rest is told of a sample
of the rows, which row numbers alone decide. A part's state is staged with the part; states merge to
the same bytes however the rows were cut, and whoever was interrupted.
"""

from engine.scoring.statistics.gathering import Gathering
from engine.scoring.statistics.merged import merged
from engine.scoring.statistics.state import State

__all__ = ["Gathering", "State", "merged"]
