"""A model in the ONNX format, run by onnxruntime on the processor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from engine.errors import SpecError
from engine.scoring.foreign.files import content, digest
from engine.scoring.foreign.loader import Loaded
from engine.scoring.foreign.matrix import matrix
from engine.scoring.foreign.returned import Misfit

if TYPE_CHECKING:
    import onnxruntime as ort

_CELLS: Mapping[str, npt.DTypeLike] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}
"""NumPy's type of each type of input (ONNX IR, "Tensor Element Types")."""

_OUTPUT = re.compile(r"(?P<name>.+?)(?:\[(?P<key>[^\[\]]+)\])?")


@dataclass(frozen=True)
class Onnx:
    """An ONNX model.

    Attributes:
        path: The file; weights in files beside it are not read.
        tensors: Columns of each input of the model; left out, all columns are one matrix for a
            model with one input, else each is the input of its name.
        outputs: Output of the model for each column: ``name``, or ``name[1]`` for one column of a
            matrix or one key of a map. Left out: the output of that name.
    """

    path: str
    tensors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Name the file."""
        return f"the ONNX model {self.path}"

    @property
    def section(self) -> str:
        """Its part of the job file."""
        return "score.onnx"

    def options(self) -> dict[str, Any]:
        """Return how columns become inputs, and outputs columns."""
        tensors = {name: list(columns) for name, columns in self.tensors.items()}
        return {"tensors": tensors, "outputs": dict(self.outputs)}

    def load(self, inputs: tuple[str, ...], columns: tuple[str, ...], threads: int) -> Loaded:
        """Open a session; check that all inputs and outputs are there."""
        model = content(self.path)
        session = _session(model, threads)
        fed = self._fed(session, inputs)
        there = [output.name for output in session.get_outputs()]
        taken = {column: _place(self.outputs.get(column, column)) for column in columns}
        for column, (name, _) in taken.items():
            if name not in there:
                hint = f"say in `outputs` which it is; the model has {', '.join(there)}"
                raise SpecError(f"has no output {name} for the column {column}", hint=hint)
        wanted = sorted({name for name, _ in taken.values()})

        def call(frame: pl.DataFrame) -> dict[str, Any]:
            feeds = {name: one.array(frame) for name, one in fed.items()}
            found = dict(zip(wanted, session.run(wanted, feeds), strict=True))
            return {c: _column(found[name], name, key) for c, (name, key) in taken.items()}

        identity = {"file": digest(model), "onnxruntime": version("onnxruntime")}
        return Loaded(call, identity)

    def _fed(self, session: ort.InferenceSession, inputs: tuple[str, ...]) -> dict[str, _Input]:
        """Return the columns of each input of the model."""
        there = {one.name: one for one in session.get_inputs()}
        if self.tensors:
            columns = dict(self.tensors)
        elif len(there) == 1:
            columns = {next(iter(there)): inputs}
        else:
            columns = {name: (name,) for name in inputs}
        if set(columns) != set(there):
            raise SpecError(
                f"has the inputs {', '.join(there)}, and is given {', '.join(columns)}",
                hint="say in `tensors` which columns each input takes",
            )
        return {name: _Input.of(there[name], tuple(taken)) for name, taken in columns.items()}


@dataclass(frozen=True)
class _Input:
    """One input of a model: its columns, the type of its cells, and whether it is a vector."""

    columns: tuple[str, ...]
    cell: npt.DTypeLike
    flat: bool

    @classmethod
    def of(cls, input: Any, columns: tuple[str, ...]) -> _Input:
        """Look at an input of a session (``NodeArg``)."""
        name, shape = input.name, list(input.shape or ())
        if input.type not in _CELLS or len(shape) not in (1, 2):
            what = f"has the input {name} of type {input.type} and shape {shape}"
            raise SpecError(what, hint="it should take a vector or a matrix with a row each")
        if isinstance(shape[0], int):
            hint = "export it with a dynamic first axis"
            raise SpecError(f"takes exactly {shape[0]} rows at once in {name}", hint=hint)
        width = shape[1] if len(shape) == 2 else 1
        if isinstance(width, int) and width != len(columns):
            what = f"takes {width} columns in {name}, and is given {len(columns)}"
            raise SpecError(what, hint=f"it is given {', '.join(columns)}, in this order")
        return cls(columns, _CELLS[input.type], len(shape) == 1)

    def array(self, frame: pl.DataFrame) -> npt.NDArray[Any]:
        """Return what the input is fed for a batch."""
        made = matrix(frame.select(self.columns), self.cell)
        return made[:, 0] if self.flat else made


def _session(model: bytes, threads: int) -> ort.InferenceSession:
    try:
        import onnxruntime
    except ImportError as error:
        hint = "pip install 'millrace[onnx]', on the workers too"
        raise SpecError("needs the package onnxruntime", hint=hint) from error
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # errors
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common base
        told = str(error).splitlines()[0][:300]
        hint = "is it a whole ONNX model, with its weights in the same file?"
        raise SpecError(f"cannot be opened: {told}", hint=hint) from error


def _place(output: str) -> tuple[str, str | None]:
    match = _OUTPUT.fullmatch(output)
    assert match is not None  # an output has a character at least
    return match["name"], match["key"]


def _column(found: Any, name: str, key: str | None) -> Any:
    """Return one column of an output: a vector, a column of a matrix, or a key of maps."""
    if isinstance(found, list) and found and isinstance(found[0], Mapping):
        return [_of_map(row, name, key) for row in found]
    array = np.asarray(found)
    if key is None:
        return array
    if array.ndim != 2 or not key.isdecimal() or int(key) >= array.shape[1]:
        raise Misfit(f"has an output {name} of shape {array.shape}, which has no [{key}]")
    return array[:, int(key)]


def _of_map(row: Mapping[Any, Any], name: str, key: str | None) -> Any:
    for known, value in row.items():
        if str(known) == key:
            return value
    known = ", ".join(f"{name}[{one}]" for one in row)
    raise Misfit(f"has an output {name} that is a map", f"say one of {known} in `outputs`")
