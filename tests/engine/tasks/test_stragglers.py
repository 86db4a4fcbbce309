"""When a partition is late: three times the median, in time and by rows, and never at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.tasks.stragglers import LEAST_SECONDS, MULTIPLE, Taken, late_after

taken = st.builds(Taken, st.integers(0, 10**6), st.floats(0, 10**5))


def test_nothing_is_late_while_nothing_is_finished() -> None:
    assert late_after([], 10) is None


def test_three_times_the_median_is_late() -> None:
    finished = [Taken(100, seconds) for seconds in (1.0, 20.0, 500.0)]
    assert late_after(finished, 100) == 60.0
    assert late_after(finished, 50) == 60.0
    assert late_after(finished, 1000) == 600.0, "ten times the rows"
    assert late_after([Taken(100, 0.1)], 100) == LEAST_SECONDS


@given(st.lists(taken, min_size=1), st.integers(0, 10**6))
def test_it_is_never_sooner_than_what_is_usual(finished: list[Taken], rows: int) -> None:
    after = late_after(finished, rows)
    assert after is not None and after >= LEAST_SECONDS
    assert sum(MULTIPLE * one.seconds <= after for one in finished) * 2 >= len(finished)
