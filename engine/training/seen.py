"""Which rows a model has learned from, as its bundle tells it, and whether rows are among them.

Rows are known by their files, the filter and the split. A copy of a file under another path is
taken for another file; a file that was written anew under its old path for the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Self

from engine.reserved import TARGET
from engine.split import Split

KEY = "seen"
"""Where a bundle tells it, in its provenance."""


class Overlap(IntEnum):
    """What a model knows of rows, the better the lower."""

    NONE = 0
    """It has learned from other files."""
    HELD_OUT = 1
    """It has learned from the same files; the rows that are held out were held out from it too."""
    UNKNOWN = 2
    """Nothing tells, or the same files were filtered in another way."""
    SOME = 3
    """It has learned from rows that are held out here."""


@dataclass(frozen=True)
class Seen:
    """Where the rows of a training come from, and which of them it holds out.

    Attributes:
        files: A short digest of the path of each file.
        listing: A digest of all that is known of the files but their times.
        where: The filter, if there is one.
        split: How rows are held out, as JSON values.
    """

    files: tuple[str, ...]
    listing: str
    where: str | None
    split: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        listing: Sequence[Mapping[str, Any]],
        where: str | None,
        split: Split,
        target: str | None,
    ) -> Self:
        """Return what a bundle tells of its training.

        Args:
            listing: The files, as `engine.data.dataset.Dataset.listing` tells them.
            where: The filter of the rows.
            split: How rows are held out.
            target: Expression of the label, which a split may look at.
        """
        known = [{k: v for k, v in one.items() if k != "mtime_ns"} for one in listing]
        told: dict[str, Any] = {**asdict(split), "cuts": None, "strata": None}
        if split.by == "time" and not _shares(split):
            told["cuts"] = split.cuts
        label = {"target": target} if TARGET in split.columns else {}
        return cls(
            tuple(sorted(_digest(one["path"])[:16] for one in listing)),
            _digest(known),
            where,
            json.loads(json.dumps({**told, **label})),
        )

    def told(self) -> dict[str, Any]:
        """Return it as JSON values; see `overlap`."""
        return {**vars(self), "files": list(self.files)}

    def after(self, told: Mapping[str, Any]) -> Overlap:
        """Return what a model knows of the rows that are held out here.

        Args:
            told: What its bundle tells of its own training.
        """
        if not set(self.files) & set(told["files"]):
            return Overlap.NONE
        if self.where != told["where"]:
            return Overlap.UNKNOWN
        alike = (self.listing, self.split) == (told["listing"], told["split"])
        return Overlap.HELD_OUT if alike else Overlap.SOME


def overlap(here: Seen, provenance: Mapping[str, Any]) -> Overlap:
    """Return what a bundle knows of the rows that are held out here, with all that it is made of.

    Args:
        here: The rows.
        provenance: That of the bundle.
    """
    found = here.after(provenance[KEY]) if KEY in provenance else Overlap.UNKNOWN
    if "base" in provenance:  # of what that has learned from, nothing is told
        found = max(found, Overlap.UNKNOWN)
    members = (overlap(here, one) for one in provenance.get("members", {}).values())
    return max((found, *members))


def _shares(split: Split) -> bool:
    return any(isinstance(one, float) and one > 0 for one in (split.valid, split.test))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
