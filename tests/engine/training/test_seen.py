"""What a bundle tells of the rows that it has learned from, held against others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.reserved import TARGET
from engine.split import Split
from engine.training.seen import KEY, Overlap, Seen, overlap

SPLIT = Split("random", 0.2, 0.2)


def seen(
    paths: str = "ab",
    where: str | None = None,
    split: Split = SPLIT,
    target: str = "y",
    size: int = 1,
) -> Seen:
    listing = [{"path": one, "size": size, "mtime_ns": id(one), "digest": "d"} for one in paths]
    return Seen.of(listing, where, split, target)


def told(one: Seen, **more: Any) -> dict[str, Any]:
    """Return the provenance of a bundle as it is read from its file."""
    return json.loads(json.dumps({KEY: one.told(), **more}))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("other", "known"),
    [
        (seen(), Overlap.HELD_OUT),
        (seen("cd"), Overlap.NONE),
        (seen("bc"), Overlap.SOME),
        (seen(size=2), Overlap.SOME),
        (seen(split=Split("random")), Overlap.SOME),
        (seen(split=Split("random", 0.2, 0.2, seed=43)), Overlap.SOME),
        (seen(where="x > 1"), Overlap.UNKNOWN),
        (seen("cd", where="x > 1"), Overlap.NONE),
        (seen(target="z"), Overlap.HELD_OUT),
    ],
)
def test_rows_are_known_by_files_filter_and_split(other: Seen, known: Overlap) -> None:
    assert overlap(seen(), told(other)) == known


def test_strata_of_the_label_are_those_of_one_label() -> None:
    split = Split("stratified", 0.2, 0.2, (TARGET,))
    resolved = Split("stratified", 0.2, 0.2, (TARGET,), strata={"a": (0.1, 0.2)})
    assert overlap(seen(split=split), told(seen(split=resolved))) == Overlap.HELD_OUT
    assert overlap(seen(split=split), told(seen(split=split, target="z"))) == Overlap.SOME


def test_cuts_count_where_they_were_asked_for() -> None:
    early, late = (Split("time", columns=("t",), cuts=(one, one)) for one in (1.0, 2.0))
    assert overlap(seen(split=early), told(seen(split=late))) == Overlap.SOME
    open_, known = (Split("time", 0.2, 0.2, ("t",), cuts=one) for one in (None, (1.0, 2.0)))
    assert overlap(seen(split=open_), told(seen(split=known))) == Overlap.HELD_OUT


def test_what_a_bundle_is_made_of_counts_too() -> None:
    elsewhere = seen("cd")
    assert overlap(seen(), {}) == Overlap.UNKNOWN
    assert overlap(seen(), told(elsewhere, base={"model": "m"})) == Overlap.UNKNOWN
    for inner, known in ((seen("bc"), Overlap.SOME), (elsewhere, Overlap.NONE)):
        assert overlap(seen(), told(elsewhere, members={"a": told(inner)})) == known
