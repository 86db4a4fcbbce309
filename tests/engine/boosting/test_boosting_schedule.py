from __future__ import annotations

import math
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.boosting.schedule import Cosine, Exponential, Step
from engine.errors import SpecError

rates = st.floats(1e-6, 10)
factors = st.floats(1e-3, 1)
rounds = st.integers(1, 5000)
schedules = st.one_of(
    st.builds(Exponential, rates, factors),
    st.builds(Step, rates, factors, st.integers(1, 500)),
    st.builds(
        lambda a, b, most: Cosine(max(a, b), min(a, b), most), rates, rates, st.integers(2, 3000)
    ),
)


@given(schedules, rounds)
def test_a_rate_is_above_zero_starts_at_start_and_never_rises(
    schedule: Callable[[int], float], number: int
) -> None:
    assert schedule(1) == pytest.approx(schedule.start)  # type: ignore[attr-defined]
    assert 0 < schedule(number + 1) <= schedule(number) * (1 + 1e-12)


@given(rates, factors, rounds)
def test_exponential_multiplies_each_round(start: float, factor: float, number: int) -> None:
    schedule = Exponential(start, factor)
    if schedule(number + 1) > 1e-300:
        assert schedule(number + 1) == pytest.approx(schedule(number) * factor)


@given(rates, factors, st.integers(1, 100), st.integers(0, 20))
def test_step_drops_after_so_many_rounds(
    start: float, factor: float, every: int, drops: int
) -> None:
    schedule = Step(start, factor, every)
    first = drops * every + 1
    assert len({schedule(number) for number in range(first, first + every)}) == 1
    assert schedule(first) == pytest.approx(start * factor**drops)


@given(rates, rates, st.integers(2, 1000), rounds)
def test_cosine_ends_at_end_and_is_symmetric(a: float, b: float, most: int, number: int) -> None:
    start, end = max(a, b), min(a, b)
    schedule = Cosine(start, end, most)
    assert schedule(most) == schedule(most + number) == pytest.approx(end)
    number = min(number, most)
    both = schedule(number) + schedule(most + 1 - number)
    assert both == pytest.approx(start + end)


def test_known_values() -> None:
    assert [Exponential(0.4, 0.5)(number) for number in (1, 2, 3)] == [0.4, 0.2, 0.1]
    assert [Step(0.4, 0.5, 2)(number) for number in (1, 2, 3, 4, 5)] == [0.4, 0.4, 0.2, 0.2, 0.1]
    assert Cosine(0.3, 0.1, 5)(3) == pytest.approx(0.2)


@pytest.mark.parametrize("schedule", [Exponential(0.1, 0.9), Step(0.1, 0.5, 3), Cosine(1, 0.1, 9)])
def test_it_reaches_the_ranks_as_it_was(schedule: Callable[[int], float]) -> None:
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule
    assert again(7) == schedule(7)
    with pytest.raises(ValueError, match="count from 1"):
        schedule(0)


@pytest.mark.parametrize(
    ("make", "place"),
    [
        (lambda: Exponential(0.0, 0.9), "start"),
        (lambda: Exponential(-1, 0.9), "start"),
        (lambda: Exponential(math.nan, 0.9), "start"),
        (lambda: Exponential(math.inf, 0.9), "start"),
        (lambda: Exponential(True, 0.9), "start"),
        (lambda: Exponential(0.1, 0), "factor"),
        (lambda: Exponential(0.1, 1.1), "factor"),
        (lambda: Exponential(0.1, "0.5"), "factor"),  # type: ignore[arg-type]
        (lambda: Step(0.1, 0.5, 0), "every"),
        (lambda: Step(0.1, 0.5, 2.0), "every"),  # type: ignore[arg-type]
        (lambda: Step(0.1, 2, 1), "factor"),
        (lambda: Cosine(0.1, 0.2, 10), "end"),
        (lambda: Cosine(0.1, 0, 10), "end"),
        (lambda: Cosine(0.1, 0.05, 1), "rounds"),
    ],
)
def test_what_is_no_schedule_is_refused(make: Callable[[], object], place: str) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert caught.value.where == f"train.schedule.{place}"
    assert caught.value.hint
