"""The section ``[profile]``: one pass over the data, and the files that it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine import profiling
from engine.contract.inferred import infer
from engine.errors import ContractRefused
from engine.place import durable
from engine.place.refusals import refusals
from engine.profile.request import Target
from engine.uniqueness import look
from jobs.fingerprint import profile_digest
from jobs.profile.page import write_profile
from jobs.runs.folder import list_runs
from jobs.runs.whole import write_whole
from jobs.sections.context import Context
from jobs.spec.contract_toml import contract_toml
from jobs.work.profiling import Profiling

CONTRACT = "contract.toml"
_TOLD = ("location", "format", "files", "bytes")


def profiled_before(context: Context, work: Profiling) -> Path | None:
    """Return the ``profile.json`` of an earlier run that looked at the same, if it is there."""
    wanted = profile_digest(work)
    for run in reversed(list_runs(context.folder.parent)):
        step = run.step("profile") or {}
        if step.get("fingerprint") == wanted and Path(step["profile"]).is_file():
            return Path(step["profile"])
    return None


def profile(context: Context, work: Profiling) -> Path:
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
    folder = Path(work.spec.output or context.folder / "profile")
    with refusals(folder):
        durable.make_folder(folder)
        path, _ = write_profile(folder, results)
        if work.spec.contract:
            _write_contract(folder, work, results)
    context.reporter.step_done({"rows": results["rows"], "suspects": len(results["suspects"])})
    return path


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


def _write_contract(folder: Path, work: Profiling, results: dict[str, Any]) -> None:
    text = contract_toml(work.spec.data, infer(results["columns"]))
    write_whole(folder / CONTRACT, text.encode())


def read(path: Path) -> dict[str, Any]:
    """Return a profile as it was written."""
    profile: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return profile
