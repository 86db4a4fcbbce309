"""The model of ``[score]`` that is not LightGBM's: allowed, opened, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import SpecError
from engine.features.call import VARIABLE, is_allowed
from engine.schema import named_type
from engine.scoring.foreign import Function, Isolated, Limits, Onnx, Skops
from engine.scoring.foreign.loader import Loader
from jobs.foreign_spec import ForeignSpec, FunctionSpec, IsolatedSpec, OnnxSpec, SkopsSpec
from jobs.work.scorer import Scorer
from jobs.work.wanted import Wanted


@dataclass(frozen=True)
class Beside:
    """Processes beside a worker, for the plan.

    Attributes:
        memory: Bytes of each of them; 0 where there are none.
        batch: Rows that go to one at once.
    """

    memory: int = 0
    batch: int = 0

    @classmethod
    def of(cls, spec: ForeignSpec) -> Beside:
        """Return what a section needs."""
        return next((cls(one.memory, one.batch) for one in spec.foreign.values()), cls())


def open_foreign(spec: ForeignSpec) -> dict[str, Scorer]:
    """Open the models of a section that are not LightGBM's, by their key.

    Each is loaded once, in a process of its own on this machine: what is wrong with it is told
    before anything runs.

    Raises:
        SpecError: It may not run here, or cannot be loaded.
    """
    return {key: _opened(key, one) for key, one in spec.foreign.items()}


def _opened(key: str, spec: IsolatedSpec) -> Scorer:
    loader = _loader(spec)
    types = {name: named_type(kind, f"score.{key}.columns") for name, kind in spec.columns.items()}
    limits = Limits(spec.batch, spec.threads, spec.memory, spec.max_seconds)
    model = Isolated(loader, spec.inputs, types, limits, spec.missing).opened()
    return Scorer(loader.path, Wanted(spec.inputs, 0, 0, {}), model, loader.path)


def _loader(spec: IsolatedSpec) -> Loader:
    if isinstance(spec, FunctionSpec):
        _assert_allowed(spec.path.partition(":")[0], f"the function {spec.path}", "function.import")
        return Function(spec.path, spec.setup, spec.files)
    if isinstance(spec, OnnxSpec):
        return Onnx(spec.path, spec.tensors, spec.outputs)
    assert isinstance(spec, SkopsSpec)
    for name in spec.trusted:
        _assert_allowed(name.rpartition(".")[0], f"the type {name}", "skops.trusted")
    return Skops(spec.path, spec.trusted)


def _assert_allowed(module: str, what: str, key: str) -> None:
    """Refuse code that only the job file names: a file that somebody sent must not run any."""
    if not is_allowed(module):
        raise SpecError(
            f"{what} is not allowed here",
            where=f"score.{key}",
            hint=f"if you trust that module, set the environment variable {VARIABLE}={module}",
        )
