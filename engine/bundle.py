"""A model on disk: text, JSON, Arrow and a list of digests. Nothing in it is ever unpickled.

The digests are checked before a byte of the model is parsed: LightGBM's parser is memory-unsafe on
damaged text. They protect against damage, not against somebody who can rewrite the list too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.calibration import Calibration, restored
from engine.classes import Class
from engine.contract import Rule
from engine.errors import ModelError
from engine.features.fitted import FittedPipeline
from engine.models.additive import Additive
from engine.models.learned import Learned
from engine.models.stored import kept
from engine.models.stored import restored as restored_model

DIGESTS = "digests.json"
CALIBRATION = "calibration.json"
BASELINES = "baselines.json"
TASK = ("task", "objective", "classes", "target", "query")
"""What ``task.json`` says; older bundles say only ``task`` and ``target``."""

DECIDES = 0.5
"""Probability above which a row is of the second class where nothing else was chosen."""

ALPHA = 0.9
"""LightGBM's quantile when ``alpha`` is not given (LightGBM 4.7, Parameters.rst)."""


@dataclass(frozen=True)
class Bundle:
    """All that scoring needs, and where the model came from.

    Attributes:
        model: What predicts the features' matrix.
        pipeline: The fitted features.
        types: Type name of each input column after the contract.
        rules: Contract of the input columns.
        task: One of `engine.learners.estimator.Task`.
        target: SQL expression of the label; ``None``: there is none.
        metrics: Metrics by part, and the baseline's.
        provenance: Job, data digests, versions, seed, rows.
        objective: LightGBM's objective; ``None``: the task's own.
        classes: Values of the label in the order of their codes; ``None``: the label is a number.
        query: Column that said which rows were ranked against each other, if any did.
        calibration: What makes probabilities of those that the model says, if anything does.
        threshold: Probability above which a row is of the second class; ``None``: 0.5.
        baselines: What the model had to beat, by name, as fitted on its training rows; none where
            it was not evaluated.
    """

    model: Learned
    pipeline: FittedPipeline
    types: Mapping[str, str]
    rules: Mapping[str, Rule]
    task: str
    target: str | None
    metrics: Mapping[str, Any]
    provenance: Mapping[str, Any]
    objective: str | None = None
    classes: tuple[Class, ...] | None = None
    query: str | None = None
    calibration: Calibration | None = None
    threshold: float | None = None
    baselines: Mapping[str, Additive] = field(default_factory=dict)

    def files(self) -> dict[str, bytes]:
        """Return the content of the bundle's files by name, with the digest list."""
        rules = {
            name: {k: v for k, v in vars(rule).items() if v is not None}
            for name, rule in self.rules.items()
        }
        contents = {
            **kept(self.model),
            **self.pipeline.files(),
            "contract.json": _json({"types": dict(self.types), "rules": rules}),
            "task.json": _json(self._task()),
            "metrics.json": _json(self.metrics),
            "provenance.json": _json(self.provenance),
        }
        if self.calibration:
            contents[CALIBRATION] = _json(self.calibration.told())
        if self.baselines:
            told = {name: one.told() for name, one in self.baselines.items()}
            contents[BASELINES] = _json(told)
        return digested(contents)

    def _task(self) -> dict[str, Any]:
        """Return ``task.json``; of models without a threshold as it was before there were any."""
        told = {name: getattr(self, name) for name in TASK}
        return told if self.threshold is None else {**told, "threshold": self.threshold}

    @property
    def outputs(self) -> int:
        """Numbers that the model says of a row, where its task does not tell: components."""
        return int(getattr(self.model, "outputs", 1))

    def calibrated(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return predictions of the model as they are told: calibrated, if they are."""
        return self.calibration.apply(scores) if self.calibration else scores

    def deciding(self, asked: float | None = None) -> float:
        """Return the probability above which a row is of the second class.

        Args:
            asked: What a job says; ``None``: what was chosen in training, or 0.5.
        """
        own = DECIDES if self.threshold is None else self.threshold
        return own if asked is None else asked

    @property
    def quantile(self) -> float | None:
        """Which quantile of the label it predicts; None: its objective is another."""
        if self.objective != "quantile":
            return None
        return float(self.provenance.get("params", {}).get("alpha", ALPHA))

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what decides predictions.

        That is the model, its features, contract, task and calibration.
        """
        contents = self.files()
        parts = [*kept(self.model), *self.pipeline.files(), "contract.json", "task.json"]
        parts += [CALIBRATION] if self.calibration else []
        return hashlib.sha256(b"\0".join(contents[name] for name in parts)).hexdigest()


def digested(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """Add the list of digests to the files of a bundle, or of a pipeline that is kept alone."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    return {**contents, DIGESTS: _json(digests)}


def load(folder: Path) -> Bundle:
    """Read a bundle and check every file against its digest first.

    Raises:
        ModelError: The folder is not a bundle, or a file is missing or damaged.
    """
    contents = checked(folder)
    parsed = {n: json.loads(data) for n, data in contents.items() if n.endswith(".json")}
    contract, task = parsed["contract.json"], parsed["task.json"]
    rules = {name: _rule(fields) for name, fields in contract["rules"].items()}
    return Bundle(
        restored_model(contents),
        FittedPipeline.of_files(contents),
        contract["types"],
        rules,
        task["task"],
        task["target"],
        parsed["metrics.json"],
        parsed["provenance.json"],
        task.get("objective"),
        None if task.get("classes") is None else tuple(task["classes"]),
        task.get("query"),
        restored(parsed[CALIBRATION]) if CALIBRATION in parsed else None,
        task.get("threshold"),
        {name: Additive.restored(told) for name, told in parsed.get(BASELINES, {}).items()},
    )


def checked(folder: Path) -> dict[str, bytes]:
    """Return the content of a bundle's files, each checked against its digest.

    Raises:
        ModelError: The folder is not a bundle, or a file is missing or damaged.
    """
    try:
        digests = json.loads((folder / DIGESTS).read_bytes())
        contents = {name: (folder / name).read_bytes() for name in digests}
    except (OSError, ValueError) as error:
        raise ModelError(
            "this is not a complete bundle of a model or a pipeline",
            where=str(folder),
            hint="train the model again",
        ) from error
    for name, data in contents.items():
        if hashlib.sha256(data).hexdigest() != digests[name]:
            raise ModelError(
                "a file of this model bundle was changed or damaged",
                where=str(folder / name),
                hint="restore the bundle from a copy, or train the model again",
            )
    return contents


def _rule(fields: Mapping[str, Any]) -> Rule:
    values = fields.get("values")
    return Rule(**{**fields, "values": None if values is None else tuple(values)})


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
