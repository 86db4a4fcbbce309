"""LightGBM's model text: the names of features in it, and how often each is split at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def splits(model: str, features: int) -> npt.NDArray[np.int32]:
    """Return how often each feature of a model text is split at, shape (features,)."""
    counts = np.zeros(features, np.int32)
    for line in model.splitlines():
        if line.startswith("split_feature="):
            used = line.partition("=")[2].split()
            counts += np.bincount(np.array(used, int), minlength=features).astype(np.int32)
    return counts


def named(model: str, names: Sequence[str]) -> str:
    """Return a model text whose features have these names, where LightGBM's format can hold them.

    LightGBM writes names side by side with spaces between them, and refuses JSON's characters.
    """
    if any(set(name) & set(' \t\n",:[]{}') or not name for name in names):
        return model
    head, _, tail = model.partition("\nfeature_names=")
    return f"{head}\nfeature_names={' '.join(names)}\n{tail.partition(chr(10))[2]}"
