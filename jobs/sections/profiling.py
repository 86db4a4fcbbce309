"""The section ``[profile]``: one pass over the data, and the files that it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine import profiling
from engine.contract.inferred import infer
from engine.errors import ContractRefused
from engine.place.kept import Kept
from engine.profile.request import Target
from engine.storage import Access
from engine.uniqueness import look
from jobs.fingerprint import profile_digest
from jobs.profile.page import write_profile
from jobs.sections.context import Context
from jobs.spec.contract_toml import contract_toml
from jobs.work.profiling import Profiling

CONTRACT = "contract.toml"
_TOLD = ("location", "format", "files", "bytes")


def profiled_before(context: Context, work: Profiling) -> str | None:
    """Return the ``profile.json`` of an earlier run that looked at the same, if it is there."""
    wanted = profile_digest(work)
    for run in reversed(context.store.runs()):
        step = run.step("profile") or {}
        if step.get("fingerprint") == wanted:
            found = Kept.at(step["profile"], context.store.access)
            if found.read() is not None:
                return str(found)
    return None


def profile(context: Context, work: Profiling) -> str:
    """Look at every column and write ``profile.json`` and ``profile.html``.

    Returns:
        The JSON file.
    """
    dataset, partitions = work.dataset, context.planned.profile_partitions
    session = context.session()
    context.start("profile", dataset.rows)
    target = Target(work.target) if work.target else None
    bad = context.bad_rows("profile", work.spec.data)
    found = profiling.profile(
        session.client,
        dataset.source,
        partitions,
        profiling.request_for(
            dataset.schema,
            partitions,
            target=target,
            time=work.time,
            keys=work.key,
            split=work.split,
        ),
        bad=bad,
        threads=session.resources.slots,
        progress=context.watch("profile"),
    )
    found.state.ledger.check(dataset.rows_by_file())
    bad.gate(found.state.ledger, dataset.name)
    results = found.results(_about(work))
    results["warnings"] = [*dataset.notes, *_keys(context, work), *results["warnings"]]
    given = work.spec.output
    folder = Kept.of(Path(given)) if given else context.run.file("profile")
    with folder.place.refusals(folder.name):
        file = write_profile(folder, results)
        if work.spec.contract:
            _write_contract(folder, work, results)
    context.reporter.step_done({"rows": results["rows"], "suspects": len(results["suspects"])})
    return str(file)


def _about(work: Profiling) -> dict[str, Any]:
    told = work.dataset.summary()
    return {"name": work.dataset.name, **{key: told[key] for key in _TOLD}}


def _keys(context: Context, work: Profiling) -> list[str]:
    """Say of each declared key whether it repeats; here that is a finding and not the end."""
    session = context.session()
    found = look(session.client, work.dataset, threads=session.resources.slots)
    return [
        f"{one.what} ({one.where})" if isinstance(one, ContractRefused) else str(one)
        for one in found
    ]


def _write_contract(folder: Kept, work: Profiling, results: dict[str, Any]) -> None:
    text = contract_toml(work.spec.data, infer(results["columns"]))
    folder.below(CONTRACT).replace(text.encode())


def read(location: str, access: Access) -> dict[str, Any]:
    """Return a profile as it was written at a path or URL."""
    profile: dict[str, Any] = json.loads(Kept.at(location, access).read() or b"{}")
    return profile
