"""The benchmarks are scripts, not a package: their folder goes onto the path, behind all others."""

import sys
from pathlib import Path

# Behind, because it has a profile.py and so has the standard library.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
