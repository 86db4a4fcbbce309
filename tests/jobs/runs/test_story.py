from __future__ import annotations

from datetime import timedelta

import pytest

from jobs.runs.story import EVENTS_TOLD, Stage, Story
from tests.jobs.ui.made_runs import MIB, Told, boosted, done, events, progress, started


def heard(*told: Told) -> Story:
    story = Story()
    for event in events(told):
        story.hear(event)
    return story


def test_a_running_step_has_its_rows_its_rate_and_the_time_that_is_left() -> None:
    story = heard(started("score"), progress("score", 10, 400, 7, parts_done=3))
    step = story.steps["score"]
    assert step.started is not None
    now = step.started + timedelta(seconds=20)
    assert (step.stage, step.done, step.rows, step.parts) == (Stage.RUNNING, 400, 1000, 3)
    assert (step.quarantined, step.peak, step.share) == (7, 250 * MIB, 0.4)
    assert step.rate(now) == pytest.approx(20)
    assert step.left(now) == pytest.approx(30)


def test_a_step_that_is_done_has_the_rate_of_its_whole_time_and_nothing_left() -> None:
    step = heard(started("score"), done("score", 4, 1000, scored=1000)).steps["score"]
    assert step.ended is not None
    later = step.ended + timedelta(hours=1)
    assert (step.stage, step.share, step.left(later)) == (Stage.DONE, 1.0, None)
    assert step.rate(later) == pytest.approx(250)
    assert step.result == {"scored": 1000}


def test_boosting_is_told_by_rounds_not_by_the_rows_that_were_loaded_before() -> None:
    story = heard(started("train"), progress("train", 5, 1000), boosted(10, 10, 0.7))
    step = story.steps["train"]
    assert step.started is not None
    assert step.left(step.started) is None  # one round tells no speed
    for event in events([boosted(20, 30, 0.8)]):
        story.hear(event)
    # 20 rounds in 10 seconds, 70 to go
    assert step.left(step.started) == pytest.approx(35, rel=0.01)
    assert (step.rate(step.started), step.share) == (None, 0.3)
    assert step.curves == {"valid_auc": [(10, 0.7), (30, 0.8)]}


def test_a_curve_goes_back_when_the_ranks_go_back_to_a_checkpoint() -> None:
    told = [boosted(1, 10, 0.7), boosted(2, 20, 0.8), boosted(3, 30, 0.85), boosted(9, 20, 0.81)]
    step = heard(started("train"), *told).steps["train"]
    assert step.curves == {"valid_auc": [(10, 0.7), (20, 0.81)]}
    assert step.round == 20


def test_a_step_that_is_begun_again_begins_at_nothing() -> None:
    story = heard(started("score"), progress("score", 3, 400), started("score", 9))
    step = story.steps["score"]
    assert (step.tries, step.done, step.memory, step.stage) == (2, 0, {}, Stage.RUNNING)


def test_a_new_driver_has_not_begun_what_the_old_one_had_under_way() -> None:
    story = heard(started("score"), (5, "driver_started", "", {}))
    assert story.steps["score"].stage is Stage.STOPPED


def test_a_skipped_step_says_why() -> None:
    step = heard((0, "skipped", "train", {"why": "nothing has changed"})).steps["train"]
    assert (step.stage, step.note, step.tries) == (Stage.SKIPPED, "nothing has changed", 0)


def test_warnings_are_all_kept_and_other_events_up_to_a_bound() -> None:
    many = [(float(n), "warning", "score", {"text": f"w{n}"}) for n in range(EVENTS_TOLD + 5)]
    story = heard(*many, started("score"), progress("score", 1, 10))
    assert len(story.warnings) == EVENTS_TOLD + 5
    assert len(story.events) == EVENTS_TOLD
    assert [event.name for event in story.events][-1] == "step_started"  # progress is not kept


def test_a_copy_does_not_change_when_more_is_heard() -> None:
    story = heard(started("train"), progress("train", 1, 10), boosted(2, 10, 0.7))
    copy = story.steps["train"].copy()
    for event in events([progress("train", 3, 20, memory={"w": 1}), boosted(4, 20, 0.8)]):
        story.hear(event)
    assert (copy.done, copy.round, copy.curves) == (10, 10, {"valid_auc": [(10, 0.7)]})
    assert "w" not in copy.memory
