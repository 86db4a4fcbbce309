"""Prediction with LightGBM models, by the fastest way that gives LightGBM's own bits.

>>> from engine.predict import predictor  # doctest: +SKIP
>>> predictor(model_text).predict(x)  # doctest: +SKIP
array([0.93, 0.08])
"""

from __future__ import annotations

import hashlib
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine.errors import ModelError
from engine.predict.outputs import link
from engine.predict.trees import Forest, parse

if TYPE_CHECKING:
    from engine.predict.tables import Tables

__all__ = ["Predictor", "Verdict", "predictor"]

Rows = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

_SAMPLE = 256  # rows of the first batch that are compared with LightGBM
_KEPT = 20  # predictors that a process keeps: those of one [score] and more, or each task makes all


@dataclass(frozen=True)
class Verdict:
    """Outcome of the comparison with LightGBM: ``reason`` is None if all bits were equal.

    It holds for ``key``, a digest of the model, the versions of numba and LightGBM, and the CPU. A
    process with another key ignores it.
    """

    key: str
    reason: str | None


_verdicts: dict[str, Verdict] = {}  # of this process
_laying_out = threading.Lock()


def predictor(model_text: str, *, threads: int = 1, verdict: Verdict | None = None) -> Predictor:
    """Return the predictor of a model; in one process the same object for the same arguments.

    Args:
        model_text: LightGBM model text (``Booster.model_to_string()``); all its trees are used.
        threads: Threads over which rows are spread; results do not depend on it.
        verdict: ``Predictor.verdict`` of another process, which saves the comparison here.

    Raises:
        ModelError: The text is damaged.
    """
    if verdict is not None:
        _verdicts.setdefault(verdict.key, verdict)
    with _laying_out:  # two threads that ask at once would each make one
        return _predictor(model_text, threads)


@lru_cache(maxsize=_KEPT)
def _predictor(model_text: str, threads: int) -> Predictor:
    return Predictor(model_text, threads)


class Predictor:
    """A model ready to predict; picklable, and safe to use from several threads.

    The first batch of rows is also scored by LightGBM in another process (up to 256 of its rows).
    If one bit differs, this predictor warns and from then on uses LightGBM itself.

    Attributes:
        features: Columns that the input must have.
        outputs: Scores per row.
        reason: Why LightGBM's own predictor is used, or None.
    """

    def __init__(self, model_text: str, threads: int) -> None:
        """See ``predictor``."""
        forest = parse(model_text)
        self.features, self.outputs = forest.features, forest.outputs
        self._text, self._threads = model_text, threads
        self._lock, self._checked = threading.Lock(), False
        self._link = link(forest.objective)
        self._iterations = len(forest.trees) // forest.outputs if forest.average else 1
        self._tables: Tables | None = None
        self.reason = self._lay_out(forest)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as the text; the receiving process lays it out once."""
        return _rebuilt, (self._text, self._threads, self.verdict)

    @property
    def engine(self) -> str:
        """``walk`` (our kernels) or ``lightgbm``."""
        return "walk" if self.reason is None else "lightgbm"

    @property
    def verdict(self) -> Verdict | None:
        """The outcome of the comparison, once there is one."""
        return _verdicts.get(self._key)

    def raw(self, x: Rows) -> Scores:
        """Return raw scores, bit for bit those of ``Booster.predict(x, raw_score=True)``.

        Args:
            x: (n, features) float32, in any memory order (columns that lie together are read
                fastest); NaN is missing, categories are codes.

        Returns:
            (n,) float64, or (n, outputs) if there are several outputs.

        Raises:
            ModelError: x does not fit the model, or LightGBM crashes on the model.
        """
        scores = self._scores(self._fitting(x))
        return scores if self.outputs > 1 else scores[:, 0]

    def predict(self, x: Rows) -> Scores:
        """Return predictions (probabilities, counts ...), as ``Booster.predict(x)`` does.

        Shapes and errors as for ``raw``; values within 2e-16 of LightGBM's, relative to them.
        """
        x = self._fitting(x)
        if self._link is None and len(x):  # only LightGBM knows what to do with raw scores
            self._check(x)
            result: Scores = self._booster.predict(x, num_threads=self._threads)
            return result
        return self.both(x)[1]

    def both(self, x: Rows) -> tuple[Scores, Scores]:
        """Return raw scores and predictions, of one walk; see ``raw`` and ``predict``."""
        found = self._scores(self._fitting(x))
        raw = found if self.outputs > 1 else found[:, 0]
        if self._link is None:
            return raw, self.predict(x) if len(x) else raw
        with np.errstate(over="ignore"):
            scores = self._link(found / self._iterations)
        return raw, scores if self.outputs > 1 else scores[:, 0]

    def _scores(self, x: Rows) -> Scores:
        """Return raw scores (n, outputs)."""
        if not len(x):
            return np.empty((0, self.outputs))
        self._check(x)
        if self.reason is None:
            return self._walk(x)
        raw = self._booster.predict(x, raw_score=True, num_threads=self._threads)
        return np.asarray(raw, np.float64).reshape(len(x), self.outputs)

    def _walk(self, x: Rows) -> Scores:
        from engine.predict.arrays import BLOCK
        from engine.predict.kernel import score

        tables, out = self._tables, np.zeros((len(x), self.outputs))
        assert tables is not None
        if self._threads == 1 or len(x) <= BLOCK:
            score(x, *tables, out)
            return out
        step = -(-len(x) // (self._threads * BLOCK)) * BLOCK
        with ThreadPoolExecutor(self._threads) as pool:
            spans = [slice(start, start + step) for start in range(0, len(x), step)]
            list(pool.map(lambda span: score(x[span], *tables, out[span]), spans))
        return out

    def _lay_out(self, forest: Forest) -> str | None:
        """Prepare our kernels, or return why that cannot be done."""
        if forest.linear:
            return "the model has linear trees"
        if self._link is None:
            return f"unknown objective {forest.objective!r}"
        try:
            from engine.predict.kernel import load
            from engine.predict.tables import lay_out

            load()
        except Exception as error:  # numba or its LLVM is missing, a version clash, ...
            return f"numba cannot be used: {error}"
        self._tables = lay_out(forest)
        return None

    def _check(self, x: Rows) -> None:
        """Compare some rows with LightGBM, unless this process knows the outcome."""
        if self._checked:
            return
        with self._lock:
            if self._checked:
                return
            known = self.verdict or Verdict(self._key, self._compared(x))
            _verdicts.setdefault(self._key, known)
            if self.reason is None and known.reason is not None:
                self.reason = known.reason
                warnings.warn(
                    f"predictions by LightGBM itself, which is slower: {self.reason}",
                    RuntimeWarning,
                    stacklevel=5,
                )
            self._checked = True

    def _compared(self, x: Rows) -> str | None:
        """Return why our kernels must not be used, or None."""
        from engine.predict.booster import ReferenceUnavailable, reference_scores

        chosen = np.linspace(0, len(x) - 1, min(len(x), _SAMPLE)).astype(np.int64)
        sample = np.ascontiguousarray(x[chosen])
        try:
            expected = reference_scores(self._text, sample)
        except ReferenceUnavailable as error:
            return f"the comparison with LightGBM failed: {error}"
        if self.reason is not None:
            return self.reason
        found = self._walk(sample)
        if found.tobytes() == expected.tobytes():
            return None
        rows = int((found != expected.reshape(found.shape)).any(axis=1).sum())
        return f"raw scores differ from LightGBM's in {rows} of {len(sample)} rows"

    def _fitting(self, x: Rows) -> Rows:
        """Refuse what would be misread; LightGBM casts and matches by position without a word."""
        if x.ndim != 2 or x.shape[1] != self.features or x.dtype != np.float32:
            raise ModelError(
                f"rows do not fit the model: {x.dtype} of shape {x.shape}",
                hint=f"give float32 of shape (n, {self.features}), columns in the model's order",
            )
        plain = x.flags.aligned and x.dtype.isnative and x.strides[0] > 0 and not x.strides[0] % 4
        return x if plain else np.ascontiguousarray(x, np.float32)

    @cached_property
    def _key(self) -> str:
        """What a verdict holds for."""
        parts = [self._text, "lightgbm", version("lightgbm")]
        if self._tables is not None:
            from engine.predict.kernel import key

            parts.append(key())
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    @cached_property
    def _booster(self) -> Any:
        """LightGBM's booster in this process."""
        from engine.predict.booster import load

        return load(self._text)


def _rebuilt(model_text: str, threads: int, verdict: Verdict | None) -> Predictor:
    return predictor(model_text, threads=threads, verdict=verdict)
