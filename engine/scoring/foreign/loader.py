"""What a kind of model is: something that a child loads, and that then answers batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl


@dataclass(frozen=True)
class Loaded:
    """A model that can be called, in the child.

    Attributes:
        call: Takes a batch and returns anything that `engine.scoring.foreign.returned.checked`
            understands.
        identity: What it was loaded from: digests and versions, the same in every child.
    """

    call: Callable[[pl.DataFrame], Any]
    identity: Mapping[str, str]


class Loader(Protocol):
    """A kind of model; it goes pickled to the workers, and from there to their children."""

    @property
    def path(self) -> str:
        """Import path or file."""

    @property
    def title(self) -> str:
        """What messages call it, such as ``the function shop.scoring:predict``."""

    @property
    def section(self) -> str:
        """Its part of the job file, such as ``score.function``."""

    def options(self) -> dict[str, Any]:
        """Return what it was given that decides what it predicts; plain JSON."""

    def load(self, inputs: tuple[str, ...], columns: tuple[str, ...], threads: int) -> Loaded:
        """Load it, in the child.

        Args:
            inputs: Columns of the batches, in order.
            columns: Names of the columns that it has to make.
            threads: Threads that it may use.

        Raises:
            SpecError: It cannot be used: it is not there, not installed, or does not fit.
        """
