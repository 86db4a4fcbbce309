"""Events are kept and read back; the view says how it goes."""

from __future__ import annotations

import io
import os
import pty
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.place.local import LocalPlace
from jobs.runs.events import Event, EventLog, Reporter, Together, decoded
from jobs.runs.journal import Journal, journal
from jobs.show.progress import PlainView, StepLine, View, watching
from jobs.show.units import count, duration, size


def log_in(folder: Path, name: str = "events.jsonl") -> Journal:
    return journal(LocalPlace(folder, folder), name)


def read_events(found: Journal) -> list[Event]:
    return list(decoded(found.read()[0]))


def tell(reporter: Reporter) -> None:
    reporter.skipped("prepare", "nothing has changed")
    reporter.step_started("train", 2000, "two passes", bound=2**30)
    reporter.progress(500, {"a": 100 * 2**20}, parts=1)
    reporter.progress(700, {"a": 50 * 2**20, "b": 200 * 2**20}, quarantined=3, parts=2)
    reporter.round(1, 10, {"auc": 0.75})
    reporter.warning("mind [this]")
    reporter.step_done({"summary": "10 rounds", "rows": 1200})


def test_events_read_back(tmp_path: Path) -> None:
    log = EventLog(log_in(tmp_path))
    tell(log)
    events = list(read_events(log.journal))
    assert [(e.name, e.step) for e in events] == [
        ("skipped", "prepare"),
        ("step_started", "train"),
        ("progress", "train"),
        ("round", "train"),
        ("warning", "train"),
        ("step_done", "train"),
    ]
    assert events[2].fields == {
        "rows_done": 500,
        "parts_done": 1,
        "quarantined": 0,
        "memory": {"a": 100 * 2**20},
    }
    assert events[3].fields == {"round": 1, "rounds": 10, "metrics": {"auc": 0.75}}
    assert events[-1].fields["rows_done"] == 1200
    assert events[-1].fields["parts_done"] == 3
    assert events[-1].fields["quarantined"] == 3
    assert events[-1].fields["memory"] == {"a": 100 * 2**20, "b": 200 * 2**20}
    assert events[0].time <= events[-1].time


def test_progress_is_written_now_and_then(tmp_path: Path) -> None:
    log = EventLog(log_in(tmp_path))
    log.step_started("score")
    for _ in range(1000):
        log.progress(1)
    log.step_done({})
    events = list(read_events(log.journal))
    assert 1 <= sum(e.name == "progress" for e in events) <= 3
    assert events[-1].fields["rows_done"] == 1000


def test_a_torn_line_costs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    EventLog(log_in(tmp_path)).warning("one")
    path.write_bytes(path.read_bytes() + b'{"time": "20')
    assert len(list(read_events(log_in(tmp_path)))) == 1
    EventLog(log_in(tmp_path)).warning("two")
    assert [e.fields["text"] for e in read_events(log_in(tmp_path))] == ["one", "two"]


def test_no_events(tmp_path: Path) -> None:
    assert list(read_events(log_in(tmp_path, "none"))) == []


def test_together(tmp_path: Path) -> None:
    logs = [EventLog(log_in(tmp_path, name)) for name in "ab"]
    tell(Together(logs))
    both = [[(e.name, e.step, e.fields) for e in read_events(log.journal)] for log in logs]
    assert both[0] == both[1] and len(both[0]) == 6


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_under_way() -> None:
    line = StepLine("score", 100.0, rows=10_000, bound=2**30)
    line.add(2500, {"a": 300 * 2**20, "b": 10}, 7)
    assert line.text(105.0) == (
        "score     2,500 of 10,000 rows (25%)  500 rows/s  15 s left  "
        "peak 300 MiB of 1.0 GiB a worker  7 quarantined"
    )


def test_a_line_that_has_ended() -> None:
    line = StepLine("train", 100.0, rows=10_000, boosting="round 9 of 9", ended=110.0)
    line.add(10_000, {}, 0)
    assert line.text(500.0) == "train     10,000 rows  1,000 rows/s  in 10 s  round 9 of 9"


def test_a_line_without_rows() -> None:
    assert StepLine("train", 100.0, note="bins").text(103.0) == "train     3.0 s  bins"


def test_more_rows_than_expected_are_no_more_than_all() -> None:
    line = StepLine("train", 100.0, rows=10)
    line.add(20, {}, 0)
    assert "(100%)" in line.text(101.0) and "left" not in line.text(101.0)


def test_plain_lines_come_now_and_then() -> None:
    stream, clock = io.StringIO(), Clock()
    view = PlainView(clock=clock, stream=stream)
    view.step_started("score", 1000)
    for _ in range(100):
        clock.now += 0.125
        view.progress(10)
    view.step_done({"summary": "done"})
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4  # begun, twice under way in 12.5 seconds, ended
    assert lines[-1] == "score     1,000 rows  80 rows/s  in 12 s  done"


def test_plain_when_it_is_no_terminal() -> None:
    stream = io.StringIO()
    with watching(stream) as reporter:
        tell(reporter)
    text = stream.getvalue()
    assert "prepare   skipped: nothing has changed" in text
    assert "warning: mind [this]" in text
    assert "round 1 of 10  auc 0.75000  10 rounds" in text


def shown(terminal: int) -> str:
    """Read what was written to a terminal whose other side is closed."""
    text = b""
    with suppress(OSError):  # how Linux says that there is no more
        while block := os.read(terminal, 65536):
            text += block
    os.close(terminal)
    return text.decode()


def test_live_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream, watching(stream) as reporter:
        assert isinstance(reporter, View) and not isinstance(reporter, PlainView)
        tell(reporter)
    text = shown(ours)
    assert "✓" in text and "1,200 rows" in text and "200 MiB of 1.0 GiB" in text
    assert "warning: mind [this]" in text


def test_a_body_that_raises_leaves_the_terminal_alone() -> None:
    ours, theirs = pty.openpty()
    stream = os.fdopen(theirs, "w")
    with stream, pytest.raises(KeyboardInterrupt), watching(stream) as reporter:
        reporter.step_started("train")
        raise KeyboardInterrupt
    assert "\x1b[?25h" in shown(ours), "the cursor is back"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KiB"), (2**20, "1.0 MiB"), (300 * 2**20, "300 MiB")],
)
def test_sizes(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.2 s"), (42, "42 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts() -> None:
    assert count(1234567) == "1,234,567"
