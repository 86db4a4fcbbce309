"""The models of ``[score]`` that are not LightGBM's: allowed, opened, and what they need."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from engine.errors import SpecError
from engine.features.call import VARIABLE, is_allowed
from engine.schema import named_type
from engine.scoring.foreign import Function, Isolated, Limits, Onnx, Skops, Xgboost
from engine.scoring.foreign.loader import Loader
from jobs.spec.foreign import FunctionSpec, IsolatedSpec, OnnxSpec, SkopsSpec, XgboostSpec
from jobs.spec.predicting import PredictingSpec
from jobs.work.scorer import Scorer
from jobs.work.wanted import Wanted


@dataclass(frozen=True)
class Beside:
    """Processes beside a worker, for the plan.

    Attributes:
        memory: Bytes of those that one thread asks in turn; 0 where there are none.
        batch: Rows that go to one at once, at most.
    """

    memory: int = 0
    batch: int = 0

    @classmethod
    def of(cls, spec: PredictingSpec) -> Beside:
        """Return what a section needs."""
        models = spec.isolated.values()
        return cls(sum(one.memory for one in models), max((one.batch for one in models), default=0))


def open_foreign(spec: PredictingSpec) -> dict[str, Scorer]:
    """Open the models of a section that are not LightGBM's, by their key.

    Each is loaded once, in a process of its own on this machine: what is wrong with it is told
    before anything runs.

    Raises:
        SpecError: It may not run here, or cannot be loaded.
    """
    opened = {place: _opened(place, one) for place, one in spec.isolated.items()}
    digests = " ".join(model.digest for model in opened.values())
    company = hashlib.sha256(digests.encode()).hexdigest()
    scorers = {}
    for place, model in opened.items():
        path, wanted = model.loader.path, Wanted(model.inputs, 0, 0, {})
        key = place.rpartition(".")[0] or place  # of one of several the name, not the kind
        scorers[key] = Scorer(path, wanted, replace(model, company=company), path)
    return scorers


def _opened(place: str, spec: IsolatedSpec) -> Isolated:
    where = f"score.{place}"
    loader = _loader(where, spec)
    types = {name: named_type(kind, f"{where}.columns") for name, kind in spec.columns.items()}
    limits = Limits(spec.batch, spec.threads, spec.memory, spec.max_seconds)
    return Isolated(loader, spec.inputs, types, limits, spec.missing, place=where).opened()


def _loader(where: str, spec: IsolatedSpec) -> Loader:
    if isinstance(spec, FunctionSpec):
        module = spec.path.partition(":")[0]
        _assert_allowed(module, f"the function {spec.path}", f"{where}.import")
        return Function(spec.path, spec.setup, spec.files)
    if isinstance(spec, OnnxSpec):
        return Onnx(spec.path, spec.tensors, spec.outputs)
    if isinstance(spec, XgboostSpec):
        return Xgboost(spec.path)
    assert isinstance(spec, SkopsSpec)
    for name in spec.trusted:
        _assert_allowed(name.rpartition(".")[0], f"the type {name}", f"{where}.trusted")
    return Skops(spec.path, spec.trusted)


def _assert_allowed(module: str, what: str, where: str) -> None:
    """Refuse code that only the job file names: a file that somebody sent must not run any."""
    if not is_allowed(module):
        raise SpecError(
            f"{what} is not allowed here",
            where=where,
            hint=f"if you trust that module, set the environment variable {VARIABLE}={module}",
        )
