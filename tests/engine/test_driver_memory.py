"""What the driver holds: sampled rows, scores while they are merged, baselines."""

from dataclasses import replace

from engine.memory import Measured, Shape, driver, passes
from engine.plan import MIB, Partition, Plan, StepPlan, Term

PARTS = [Partition(n, (), 1_000_000, 64 * MIB, 32 * MIB, 32 * MIB) for n in range(50)]
SHAPE = Shape(PARTS, 16, 1)


def test_a_driver_is_a_process_libraries_and_what_comes_back() -> None:
    more = Term("sample", 5)
    assert driver.driving(SHAPE, more, Term("nothing", 0))[1:] == (more,)
    loaded = driver.driving(replace(SHAPE, loaded=True))
    assert sum(term.bytes for term in loaded) == driver.DRIVER + passes.LOADED


def test_a_sample_is_never_more_than_the_rows_that_there_are() -> None:
    some, all_of_them = (driver.sampled(PARTS, rows).bytes for rows in (5 * 10**6, 10**9))
    assert all_of_them == 10 * some == 50 * 64 * MIB * driver.SAMPLED
    assert driver.sampled([], 10).bytes == 0


def test_scores_are_bounded_whatever_the_rows() -> None:
    asked = Measured(told=4, parts=3)
    few = driver.measuring(PARTS[:1], asked).bytes
    assert few < driver.measuring(PARTS, asked).bytes == driver.measuring(PARTS * 9, asked).bytes
    several = Measured(told=4, parts=3, outputs=5)
    assert driver.measuring(PARTS, several).bytes > 4 * driver.measuring(PARTS, asked).bytes


def test_a_linear_baseline_is_fitted_to_so_many_cells_at_most() -> None:
    few, many = (driver.baseline(99, rows, 10**6).bytes for rows in (10**3, 10**5))
    assert few == 10**5 * (4 + 8 * driver.BASELINE_COPIES)
    assert many == 10**7 * 4 + 10**6 * 8 * driver.BASELINE_COPIES


def test_a_plan_tells_the_step_in_which_the_driver_holds_most() -> None:
    def step(name: str, *sizes: int) -> StepPlan:
        terms = tuple(Term(str(size), size) for size in sizes)
        return StepPlan(name, (), 1, 1, 1, (Term("worker", 1),), driver=terms)

    plan = Plan((step("a", 2, 3), step("b", 7), step("c")), 2, 10)
    assert plan.driver == plan.to_dict()["driver"] == 7
    assert Plan((), 2, 10).driver == 0
    plan.check()  # the driver has memory of its own, not that of a worker
