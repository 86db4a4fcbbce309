"""Tables outside of the output folder that get the rows of a committed run, exactly once.

A run is committed as files first (`engine.commit`); a target then takes all of them in one
transaction of its own, which carries the key of the run. A driver that dies in between finds the
files committed when it is run again, and the target without its key, or with it.
"""

from __future__ import annotations

from engine.targets.delta import DeltaTarget
from engine.targets.postgres import PostgresTarget
from engine.targets.target import IfExists, Rows, Target

__all__ = ["DeltaTarget", "IfExists", "PostgresTarget", "Rows", "Target"]
