"""How a run goes, shown to a person on stderr: a line for each step.

On a terminal the lines are drawn anew a few times a second; elsewhere (a log file, CI) a plain line
comes out at most every few seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from jobs.runs.events import NOTHING, Reporter
from jobs.show.units import count, duration, size

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

PLAIN_SECONDS = 5.0
"""A plain line at most this often."""

Clock = Callable[[], float]


@dataclass
class StepLine:
    """What is known of one step, and the line that says it.

    Args:
        name: The step.
        started: When, seconds of the clock.
        rows: Rows that it will read, or None.
        note: What it does.
        bound: Projected peak bytes of a worker, or None.
    """

    name: str
    started: float
    rows: int | None = None
    note: str = ""
    bound: int | None = None
    done: int = 0
    quarantined: int = 0
    memory: dict[str, int] = field(default_factory=dict)
    boosting: str = ""
    ended: float | None = None
    summary: str = ""

    def add(self, rows: int, memory: Mapping[str, int], quarantined: int) -> None:
        """Count rows and keep the highest memory of each worker."""
        self.done += rows
        self.quarantined += quarantined
        for worker, peak in memory.items():
            self.memory[worker] = max(peak, self.memory.get(worker, 0))

    def text(self, now: float) -> str:
        """Return the line as it is at a time of the clock."""
        parts = [self._rows(), self._speed(now), self._memory(), self._refused()]
        parts += [self.boosting, self.summary or self.note]
        return f"{self.name:<9} " + "  ".join(part for part in parts if part)

    def _rows(self) -> str:
        if not self.done and not self.rows:
            return ""
        if self.rows is None or self.ended is not None:
            return f"{count(self.done)} rows"
        share = min(1.0, self.done / self.rows)
        return f"{count(self.done)} of {count(self.rows)} rows ({share:.0%})"

    def _speed(self, now: float) -> str:
        seconds = (now if self.ended is None else self.ended) - self.started
        rate = self.done / seconds if seconds > 0 else 0.0
        parts = [f"{count(round(rate))} rows/s"] if rate else []
        if self.ended is not None:
            parts.append(f"in {duration(seconds)}")
        elif rate and self.rows and self.done < self.rows:
            parts.append(f"{duration((self.rows - self.done) / rate)} left")
        elif not rate:
            parts.append(duration(seconds))
        return "  ".join(parts)

    def _memory(self) -> str:
        if not self.memory:
            return ""
        bound = f" of {size(self.bound)}" if self.bound else ""
        return f"peak {size(max(self.memory.values()))}{bound} a worker"

    def _refused(self) -> str:
        return f"{count(self.quarantined)} quarantined" if self.quarantined else ""


def trial_text(told: Mapping[str, Any]) -> str:
    """Write what a trial came to on one line; `Reporter.trial` says what is told."""
    value = "" if told["value"] is None else f"  {told['metric']} {told['value']:.5f}"
    params = (
        f"{name} {given:.4g}" if isinstance(given, float) else f"{name} {given}"
        for name, given in told["params"].items()
    )
    return f"trial {told['number']} {told['state']}{value}  {', '.join(params)}"


@dataclass
class View:
    """A reporter that keeps a line for each step and says when one has changed.

    Args:
        clock: Seconds, for rates.
    """

    clock: Clock = time.monotonic
    lines: list[StepLine] = field(default_factory=list)

    def step_started(
        self, name: str, rows: int | None = None, note: str = "", bound: int | None = None
    ) -> None:
        """Begin a line."""
        self.lines.append(StepLine(name, self.clock(), rows, note, bound))
        self.changed(urgent=True)

    def progress(
        self,
        rows_done: int,
        memory: Mapping[str, int] = NOTHING,
        quarantined: int = 0,
        parts: int = 0,
    ) -> None:
        """Count rows."""
        self.lines[-1].add(rows_done, memory, quarantined)
        self.changed(urgent=False)

    def round(self, round: int, rounds: int, metrics: Mapping[str, float]) -> None:
        """Show the round and its metrics."""
        values = "  ".join(f"{name} {value:.5f}" for name, value in metrics.items())
        self.lines[-1].boosting = f"round {round} of {rounds}  {values}".rstrip()
        self.changed(urgent=False)

    def trial(self, number: int, trials: int, told: Mapping[str, Any]) -> None:
        """Show how many there were, and say what this one came to."""
        best = "" if told["best"] is None else f"  best {told['metric']} {told['best']:.5f}"
        self.lines[-1].boosting = f"{number} of {trials} trials{best}"
        self.say(f"{self.lines[-1].name:<9} {trial_text(told)}")
        self.changed(urgent=False)

    def step_done(self, result: Mapping[str, Any]) -> None:
        """End the line."""
        line = self.lines[-1]
        line.ended, line.summary = self.clock(), str(result.get("summary", ""))
        self.changed(urgent=True)

    def skipped(self, name: str, why: str) -> None:
        """Say why there is nothing to do."""
        self.say(f"{name:<9} skipped: {why}")

    def warning(self, text: str) -> None:
        """Say it at once."""
        self.say(f"warning: {text}")

    def changed(self, *, urgent: bool) -> None:
        """The last line has changed; urgent when it began or ended."""

    def say(self, text: str) -> None:
        """Show a line of its own."""


@dataclass
class PlainView(View):
    """Plain lines.

    Args:
        stream: Where they go.
    """

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _shown: float = field(default=float("-inf"), init=False)

    def changed(self, *, urgent: bool) -> None:
        """Print the last line, unless one came out a moment ago and this one can wait."""
        now = self.clock()
        if urgent or now - self._shown >= PLAIN_SECONDS:
            self._shown = now
            self.say(self.lines[-1].text(now))

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, file=self.stream, flush=True)


@dataclass
class LiveView(View):
    """Lines that are drawn anew in place; ``rich`` calls it for every frame.

    Args:
        console: The terminal.
    """

    console: Console | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines as they are now."""
        from rich.text import Text

        now = self.clock()
        for line in self.lines:
            mark, style = ("✓ ", "green") if line.ended is not None else ("• ", "cyan")
            yield Text.assemble((mark, style), line.text(now), overflow="ellipsis", no_wrap=True)

    def say(self, text: str) -> None:
        """Print a line above the others."""
        if self.console is not None:
            self.console.print(text, markup=False, highlight=False)


@contextmanager
def watching(stream: TextIO | None = None, clock: Clock = time.monotonic) -> Iterator[Reporter]:
    """Show a run on stderr while the body runs.

    Args:
        stream: Where to show it; default stderr.
        clock: Seconds, for rates.

    Yields:
        The reporter to tell what happens.
    """
    out = stream or sys.stderr
    if not out.isatty():
        yield PlainView(clock, stream=out)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=out)
    view = LiveView(clock, console=console)
    with Live(view, console=console, refresh_per_second=4, redirect_stdout=False):
        yield view
