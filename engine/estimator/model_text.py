"""LightGBM's model text, with the names of features in it."""

from __future__ import annotations

from collections.abc import Sequence


def named(model: str, names: Sequence[str]) -> str:
    """Return a model text whose features have these names, where LightGBM's format can hold them.

    LightGBM writes names side by side with spaces between them, and refuses JSON's characters.
    """
    if any(set(name) & set(' \t\n",:[]{}') or not name for name in names):
        return model
    head, _, tail = model.partition("\nfeature_names=")
    return f"{head}\nfeature_names={' '.join(names)}\n{tail.partition(chr(10))[2]}"
