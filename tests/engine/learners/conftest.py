"""The place of the row source that tests of learners share."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # workers take over the path: passes_rows
