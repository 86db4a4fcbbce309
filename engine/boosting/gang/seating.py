"""Who goes on with whose rows after a restart."""

from __future__ import annotations

from collections.abc import Sequence

from distributed.comm.addressing import get_address_host


def seated(before: Sequence[str], now: Sequence[str]) -> list[tuple[str, int | None]]:
    """Give ranks of the attempt before to the workers that have their binned rows on disk.

    A worker keeps its rank; one that was started anew gets a lost rank of its host, whose disk it
    shares. So the same number of workers gives the same ranks in the same order, and with them the
    same model.

    Args:
        before: Addresses of the workers of the attempt before, by rank.
        now: Addresses of the workers that there are.

    Returns:
        Each worker with the rank that it goes on with, in the order of ranks; those that have
        none come last.
    """
    kept: dict[str, int | None] = dict.fromkeys(now)
    lost: dict[str, list[int]] = {}
    for number, worker in enumerate(before):
        if worker in kept:
            kept[worker] = number
        else:
            lost.setdefault(get_address_host(worker), []).append(number)
    for worker, rank in kept.items():
        if rank is None and lost.get(get_address_host(worker)):
            kept[worker] = lost[get_address_host(worker)].pop(0)
    return sorted(kept.items(), key=lambda seat: len(before) if seat[1] is None else seat[1])
