"""LightGBM, imported without what it does not need here."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

UNUSED = ("dask", "distributed", "sklearn", "pandas", "pyarrow", "matplotlib", "graphviz")
"""LightGBM imports these when they are there: seconds and 130 MB more (measured, 4.7)."""


def lightgbm() -> Any:
    """Return the module; the first call must come before anything imports Dask or pandas.

    The other packages can be imported afterwards: readers of data may need them.
    """
    if "lightgbm" not in sys.modules:
        hidden = [name for name in UNUSED if name not in sys.modules]
        blocked: dict[str, ModuleType | None] = dict.fromkeys(hidden)
        sys.modules.update(blocked)  # type: ignore[arg-type]
        try:
            importlib.import_module("lightgbm")
        finally:
            for name in hidden:
                del sys.modules[name]
    return sys.modules["lightgbm"]
