"""What the report of a run shows, gathered from plan, bundle and manifest."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from engine.bundle import Bundle
from engine.classes import text_of
from engine.commit import Manifest
from jobs.fingerprint import versions
from jobs.planning.plan import Planned
from jobs.report.learned import modelling
from jobs.report.measured import BASELINE, PARTS, quality
from jobs.report.modelling import Modelling
from jobs.report.outcome import BadPart, DataSummary, Ledger, Provenance, Report, StepMemory
from jobs.report.quality import Quality
from jobs.report.reading import mapping
from jobs.runs.result import Result


def page(
    result: Result,
    planned: Planned,
    bundle: Bundle | None,
    manifest: Manifest | None,
    started: datetime,
) -> Report:
    """Return the content of the report.

    Args:
        result: What the run came to.
        planned: The plan, to stand beside what was measured.
        bundle: The model that was trained or evaluated.
        manifest: The scored rows.
        started: When the run began.
    """
    outputs = {
        "sorted rows": result.sorted,
        "prepared rows": result.prepared,
        "model": result.model,
        "evaluated model": result.evaluated,
        "predictions": result.predictions,
        "statistics of them": result.statistics,
        **{f"scored by {key}": version for key, version in result.scored_by.items()},
    }
    return Report(
        job=planned.job.name,
        run=result.run,
        when=started,
        duration=(datetime.now(UTC) - started).total_seconds(),
        task=bundle.task if bundle else None,
        metric=_metric(planned),
        data=_data(planned, bundle),
        memory=_memory(planned, result),
        ledger=_ledger(manifest) if manifest else None,
        outputs={name: str(path) for name, path in outputs.items() if path},
        quality=_quality(bundle) if bundle else Quality(),
        model=modelling(bundle) if bundle else Modelling(),
        provenance=_provenance(planned, bundle, result),
    )


def _metric(planned: Planned) -> str | None:
    """Return the metric that was asked for, of a model that was there already or is trained."""
    if planned.evaluating:
        return planned.evaluating.measure.metric
    return planned.job.train.metric if planned.job.train else None


def _quality(bundle: Bundle) -> Quality:
    return quality(bundle.metrics, bundle.classes or (), bundle.task)


def _provenance(planned: Planned, bundle: Bundle | None, result: Result) -> Provenance:
    job = json.dumps(planned.job.to_dict(), indent=2, ensure_ascii=False)
    if bundle is None:
        return Provenance(job=job, versions=versions())
    told = bundle.provenance
    digests = {"data": told.get("data"), "training": told.get("fingerprint")}
    digests |= {"model": bundle.digest, "features": bundle.pipeline.digest}
    earlier = result.model if "train" in result.skipped else result.evaluated
    facts = {
        "target": bundle.target,
        "estimator": told.get("estimator"),
        "objective": bundle.objective,
        "calibration": bundle.calibration.told().get("kind") if bundle.calibration else None,
        "seed": told.get("seed"),
        "trained by": f"an earlier run: {earlier}" if earlier else None,
    }
    return Provenance(
        job,
        {name: json.dumps(value) for name, value in told.get("params", {}).items()},
        {name: str(value) for name, value in digests.items() if value},
        {name: str(value) for name, value in facts.items() if value is not None},
        {**versions(), **told.get("versions", {})},
    )


def _data(planned: Planned, bundle: Bundle | None) -> DataSummary | None:
    work = planned.training or planned.evaluating
    if not (work and bundle):
        return None
    dataset = work.dataset
    rows, ledger = bundle.provenance["rows"], bundle.provenance.get("ledger", {})
    return DataSummary(
        rows={part: rows[part] for part in (*PARTS, *rows) if part in rows},
        files=len(dataset.source.files),
        bytes=dataset.stored_bytes,
        partitions=len(planned.train_partitions or planned.evaluate_partitions),
        features=len(bundle.pipeline.features),
        labels=_labels(bundle),
        ledger={name: rows for name, rows in ledger.items() if isinstance(rows, int)},
        reasons=ledger.get("reasons", {}),
        odd_files=ledger.get("files", {}),
    )


def _labels(bundle: Bundle) -> dict[str, dict[str, int]]:
    """Return rows by part and label, of a label with classes."""
    counted = mapping(bundle.metrics.get("by_class"))
    if bundle.classes and counted:
        names = [text_of(one) for one in bundle.classes]
        return {
            part: {name: counts[0] for name, counts in zip(names, found, strict=False)}
            for part, found in counted.items()
            if found
        }
    parts = {part: mapping(found) for part, found in mapping(bundle.metrics.get("results")).items()}
    return {
        part: {"negative": found["rows"] - found["positives"], "positive": found["positives"]}
        for part, found in parts.items()
        if {"rows", "positives"} <= set(found) and not part.startswith(BASELINE)
    }


def _memory(planned: Planned, result: Result) -> list[StepMemory]:
    return [
        StepMemory(
            step.name,
            step.peak,
            {term.name: term.bytes for term in step.terms},
            result.memory.get(step.name, {}).get("measured"),
            planned.plan.limit,
        )
        for step in planned.plan.steps
    ]


def _ledger(manifest: Manifest) -> Ledger:
    bad = [
        BadPart(part.part, part.rows_in, part.unreadable, part.bad.error)
        for part in manifest.bad_parts
        if part.bad
    ]
    return Ledger(manifest.rows_in, manifest.scored, manifest.reasons, manifest.filtered, bad)
