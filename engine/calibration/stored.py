"""Calibrations as JSON, and one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from engine.calibration.classes import TEMPERATURE, ByClass, Temperature
from engine.calibration.lines import CONFORMAL, Isotonic, Shift, Sigmoid, Vector
from engine.calibration.prior import Prior
from engine.errors import ModelError


@dataclass(frozen=True)
class Chain:
    """Calibrations one after the other.

    Attributes:
        links: The first is applied to what the model says.
    """

    links: tuple[Calibration, ...]

    def apply(self, p: Vector) -> Vector:
        """Return what the last one makes of it; shape as given."""
        for link in self.links:
            p = link.apply(p)
        return p

    def told(self) -> dict[str, Any]:
        """Return it as JSON; see `restored`."""
        return {"kind": "chain", "links": [link.told() for link in self.links]}


Calibration: TypeAlias = Isotonic | Sigmoid | Shift | Prior | ByClass | Temperature | Chain


def restored(told: Mapping[str, Any]) -> Calibration:
    """Return the calibration that was told as JSON.

    Raises:
        ModelError: Its kind is unknown.
    """
    match told["kind"]:
        case "isotonic":
            return Isotonic(tuple(told["predicted"]), tuple(told["observed"]))
        case "sigmoid":
            return Sigmoid(told["slope"], told["intercept"])
        case kind if kind == CONFORMAL:
            return Shift(told["amount"])
        case "prior":
            return Prior(tuple(told["kept"]))
        case kind if kind == TEMPERATURE:
            return Temperature(told["sharpness"])
        case "by_class":
            lines = (None if one is None else restored(one) for one in told["lines"])
            return ByClass(cast(tuple[Isotonic | Sigmoid | None, ...], tuple(lines)))
        case "chain":
            return Chain(tuple(map(restored, told["links"])))
    raise ModelError(
        f"the model has a calibration that this version does not know: {told['kind']!r}",
        hint="use the version of millrace that trained it",
    )
