"""The wish to end: what a signal does, and where a run looks at it."""

from __future__ import annotations

import os
import signal

import pytest

from engine.errors import Cancelled
from jobs.failure import failure
from jobs.runs.stopping import SIGNALS, Stop, Stopping


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_a_note_and_the_second_ends(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    stop, before = Stop(), signal.getsignal(number)
    with stop.listening():
        os.kill(os.getpid(), number)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
    assert "once more to stop at once" in capfd.readouterr().err


def test_a_run_ends_before_a_step_and_between_partitions() -> None:
    stop = Stop()
    heard = Stopping(stop)
    heard.step_started("train")
    heard.progress(5)
    stop.asked = True
    with pytest.raises(Cancelled, match="before the step score"):
        heard.step_started("score")
    with pytest.raises(Cancelled, match="between two partitions") as caught:
        heard.progress(5)
    message, code = failure(caught.value)
    assert code == 130 and message.startswith("the run was cancelled") and "resume" in message


def test_what_is_done_is_told_and_written() -> None:
    heard = Stopping(Stop(asked=True))
    heard.round(1, 2, {})
    heard.step_done({})
    heard.skipped("train", "nothing has changed")
    heard.warning("careful")
