"""Models as files of a bundle, and back: ``model.json`` says of which kind one is.

A bundle without it holds LightGBM's model text. What a kind reads is decided by its name alone:
nothing in a file says which code is run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Final

from engine.canonical import canonical
from engine.errors import ModelError
from engine.models.learned import Learned
from engine.models.trees import Trees

KIND: Final = "model.json"

_KINDS: Final[Mapping[str, str]] = {
    "additive": "engine.models.additive:Additive",
    "calibrated": "engine.models.calibrated:Calibrated",
    "centres": "engine.models.centres:Centres",
    "ensemble": "engine.models.ensemble:Ensemble",
    "gaussian_bayes": "engine.models.naive_bayes:GaussianBayes",
    "lightgbm": "engine.models.trees:Trees",
    "linear": "engine.models.linear:Linear",
    "members": "engine.models.ensemble:Members",
    "narrow": "engine.models.narrow:Narrow",
    "neighbours": "engine.models.neighbours:Neighbours",
    "pooled": "engine.models.pooled:Pooled",
    "projection": "engine.models.projection:Projection",
    "sklearn": "engine.models.sklearn:Sklearn",
}
"""Class of each kind; it has ``of_files``."""


def kept(model: Learned) -> dict[str, bytes]:
    """Return the files of a model by name."""
    return {**model.files(), KIND: canonical({"kind": model.kind})}


def restored(contents: Mapping[str, bytes]) -> Learned:
    """Return the model that `kept` told as files; other files beside them are not looked at.

    Raises:
        ModelError: Its kind is unknown.
    """
    kind = json.loads(contents[KIND])["kind"] if KIND in contents else Trees.kind
    if kind not in _KINDS:
        raise ModelError(
            f"the model is of a kind that this version does not know: {kind!r}",
            hint=f"it knows {', '.join(_KINDS)}; use the version of millrace that trained it",
        )
    module, _, name = _KINDS[kind].partition(":")
    model: Learned = getattr(import_module(module), name).of_files(contents)
    return model


def above(prefix: str, model: Learned) -> dict[str, bytes]:
    """Return the files of a model that another one holds, each under a name that begins so."""
    return {prefix + name: data for name, data in kept(model).items()}


def below(prefix: str, contents: Mapping[str, bytes]) -> Learned:
    """Return the model that `above` told as files beside others."""
    own = {n.removeprefix(prefix): data for n, data in contents.items() if n.startswith(prefix)}
    return restored(own)
