"""The check of clocks: nothing in a run depends on them, but who compares logs should know."""

from __future__ import annotations

import time
from collections.abc import Mapping

from cluster.preflight.asking import Asking
from cluster.preflight.verdict import Finding, Verdict

SECONDS = 2.0
"""From which difference on it is told: less does not confuse the order of a log's lines."""

ROUNDS = 3
"""Measurements of each worker; the one with the shortest way counts."""


async def now(server: object) -> float:
    """Return the time of this machine in seconds since 1970.

    Args:
        server: The Dask worker; not used.
    """
    return time.time()


async def checked(asking: Asking) -> Verdict:
    """Compare the workers' clocks with that of this machine.

    The answer is taken to have been given in the middle of the time that the question took, as NTP
    does (RFC 5905, section 8); it may be wrong by half of that, which is taken off.

    Args:
        asking: The workers.
    """
    skews: dict[str, float] = {}
    silent: dict[str, Finding] = {}
    for worker in asking.workers:  # one at a time, or they would measure each other's waiting
        best = float("inf")
        for _ in range(ROUNDS):
            before, started = time.time(), time.perf_counter()
            answers = await asking.each(now, {worker: ()})
            way = time.perf_counter() - started
            if worker in answers.failed:
                silent[worker] = answers.silent[0]
                break
            if way < best:
                best = way
                skew = answers.found[worker] - (before + way / 2)
                skews[worker] = max(0.0, abs(skew) - way / 2) * (1 if skew > 0 else -1)
    return verdict(skews, list(silent.values()))


def verdict(skews: Mapping[str, float], silent: list[Finding]) -> Verdict:
    """Judge differences of clocks.

    Args:
        skews: Seconds that a worker's clock is ahead by at least; negative = behind.
        silent: Who did not answer.
    """
    late = [
        Finding(worker, f"{abs(skew):,.1f} s {'ahead' if skew > 0 else 'behind'}", refused=False)
        for worker, skew in skews.items()
        if abs(skew) > SECONDS
    ]
    most = max(map(abs, skews.values()), default=0.0)
    hint = "let NTP set the clocks there; no result depends on them, times in logs do"
    return Verdict.of("clocks", [*silent, *late], fine=f"within {most:.1f} s", hint=hint)
