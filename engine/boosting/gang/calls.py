"""Short calls to several workers at once, none of which can hold us up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from distributed import Client


def answers(
    client: Client,
    function: Callable[..., Any],
    *arguments: Any,
    workers: Iterable[str],
    seconds: float,
) -> dict[str, Any]:
    """Run a function in the event loops of workers, beside their tasks.

    Args:
        client: An open Dask client.
        function: Must be quick, or a coroutine.
        *arguments: Its arguments.
        workers: Addresses.
        seconds: How long to wait.

    Returns:
        Results by address; a worker that is gone, frozen or failed is left out.
    """
    found: dict[str, Any] = {}

    async def ask(worker: str) -> None:
        with suppress(Exception):
            call = client.run(function, *arguments, workers=[worker])
            found[worker] = (await asyncio.wait_for(call, seconds))[worker]

    async def ask_all() -> None:
        await asyncio.gather(*map(ask, workers))

    client.sync(ask_all)
    return found


def present(client: Client, seconds: float) -> list[str]:
    """Return the addresses of the workers that answer, in order."""
    known = client.scheduler_info(n_workers=-1)["workers"]
    return sorted(answers(client, str, workers=known, seconds=seconds))
