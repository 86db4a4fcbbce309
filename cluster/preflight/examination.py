"""All checks of a cluster, and what follows from them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cluster.errors import ClusterError
from cluster.preflight import clocks, code, folders, libraries, memory, pools, ports, scratch
from cluster.preflight.asking import PING_SECONDS, SCHEDULER, Asking
from cluster.preflight.needs import Needs, on_disk
from cluster.preflight.shipping import shipped
from cluster.preflight.verdict import Finding, Status, Verdict
from cluster.resources import Resources
from cluster.spec.base import Cluster

if TYPE_CHECKING:
    from distributed import Client


def examined(client: Client, spec: Cluster, resources: Resources, needs: Needs) -> list[Verdict]:
    """Ask all workers all questions; nothing is changed there.

    Args:
        client: An open client.
        spec: The cluster.
        resources: What it offers.
        needs: What the job needs.

    Returns:
        One verdict for each check. It takes about a minute at most, however many workers hang.
    """
    found: list[Verdict] = client.sync(_examined, client, spec, resources, needs)
    return found


def made_fit(client: Client, spec: Cluster, resources: Resources, needs: Needs) -> list[Verdict]:
    """See to it that a cluster can do a job: bring millrace where it is missing, refuse the rest.

    Args:
        client: An open client.
        spec: The cluster.
        resources: What it offers.
        needs: What the job needs.

    Returns:
        The verdicts, none of them a refusal.

    Raises:
        ClusterError: It is not fit; all reasons are named.
    """
    verdicts = examined(client, spec, resources, needs)
    refuse(verdicts)
    client.sync(_brought, client)
    return verdicts


def refuse(verdicts: Sequence[Verdict]) -> None:
    """Raise what keeps a cluster from doing a job, if anything does.

    Args:
        verdicts: Of all checks.

    Raises:
        ClusterError: A check refused.
    """
    refused = [verdict for verdict in verdicts if verdict.status is Status.REFUSED]
    if not refused:
        return
    lines = "".join(f"\n  - {verdict.name}: {verdict.what}" for verdict in refused)
    hints = "; ".join(dict.fromkeys(verdict.hint for verdict in refused if verdict.hint))
    raise ClusterError(
        f"the cluster is not fit for this job:{lines}",
        f"{hints} (`millrace doctor --cluster FILE` shows it worker by worker)",
    )


async def _examined(
    client: Client, spec: Cluster, resources: Resources, needs: Needs
) -> list[Verdict]:
    asking, presence = await _present(client)
    if not asking.workers:
        return [presence]
    together = [
        code.checked(asking),
        memory.checked(asking, resources.memory),
        scratch.checked(asking, needs.scratch),
        pools.checked(asking),
        folders.checked(asking, on_disk(needs.readable), on_disk(needs.writable)),
    ]
    if needs.training:
        together.append(ports.checked(asking, spec.network, spec.port_range))
    versions, found = await asyncio.gather(
        libraries.checked(asking, needs.libraries), asyncio.gather(*together)
    )
    # Last and alone: what else is asked would lengthen the ways that it measures.
    return [presence, *versions, *found, await clocks.checked(asking)]


async def _present(client: Client) -> tuple[Asking, Verdict]:
    """Return those that answer; the others would only hold up every question."""
    assert client.scheduler is not None  # it is open
    info = await client.scheduler.identity(n_workers=-1)
    known = sorted(info["workers"])
    answers = await Asking(client, known).all(_here, seconds=PING_SECONDS)
    there = [worker for worker in known if worker in answers.found]
    findings = answers.silent or ([] if known else [Finding(SCHEDULER, "has no workers")])
    hint = "look at the log of that worker: it may be frozen, cut off or busy; end it if need be"
    fine = f"all {len(known)} answer" if len(known) > 1 else "the only one answers"
    verdict = Verdict.of("workers", findings, fine=fine, hint=hint)
    return Asking(client, there), verdict


async def _here(server: object) -> bool:
    return True


async def _brought(client: Client) -> None:
    """Bring millrace to those that have none."""
    asking, _ = await _present(client)
    if code.lacking(await code.asked(asking)):
        await shipped(client, asking)
