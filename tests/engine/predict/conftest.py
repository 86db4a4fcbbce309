"""Model texts written by hand: every decision type, any shape, whatever LightGBM accepts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

FEATURES = 5
# Around everything that is special: zeros, LightGBM's zero band, float32 limits, neighbours.
BAND = float(np.float32(1e-35))
THRESHOLDS = [
    *(0.0, -0.0, BAND, -BAND, 1e-36, -1e-36, 5e-36, 1e-40, 1e300, -1e300, 3.4e38, -3.4e38),
    *(0.1, 0.5, -0.5, 1.0, 2.5, 1 / 3, -1 / 3, 1e-3, 16777217.0, float(np.float32(0.1))),
]
CELLS = np.array(
    [
        *(np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, 1e-40, 2e-35, -2e-35),
        *(0.1, 0.5, -0.5, 1.0, 2.5, 1 / 3, 3.4e38, -3.4e38, -0.9, -1.0, 31.0, 31.9, 32.0, 63.0),
        *(64.0, 700.0, 5000.0, 2147483520.0, 2147483648.0, 1e10, 16777216.0, 16777218.0, 7.0, 3.0),
    ],
    np.float32,
)

Writer = Callable[..., str]


def _words(values: object) -> str:
    return " ".join(repr(v) for v in np.asarray(values).tolist())


def _tree(rng: np.random.Generator, leaves: int, share: float, codes: int) -> str:
    nodes = leaves - 1
    left, right = np.empty(nodes, int), np.empty(nodes, int)
    where: list[tuple[np.ndarray, int]] = []
    for node in range(nodes):  # split a random leaf, as LightGBM numbers it
        leaf = int(rng.integers(0, node + 1))
        if node:
            side, parent = where[leaf]
            side[parent] = node
        left[node], right[node] = ~leaf, ~(node + 1)
        where[leaf : leaf + 1] = [(left, node)]
        where.append((right, node))
    categorical = rng.random(nodes) < share
    threshold = rng.choice(THRESHOLDS, nodes)
    sets = int(categorical.sum())
    threshold[categorical] = np.arange(sets)
    missing = rng.integers(0, 3, nodes) << 2
    decision = categorical | (rng.integers(0, 2, nodes) << 1) | missing
    widths = rng.integers(1, codes // 32 + 2, sets)
    lines = {
        "num_leaves": str(leaves),
        "num_cat": str(sets),
        "split_feature": _words(rng.integers(0, FEATURES, nodes)),
        "split_gain": _words(np.ones(nodes)),
        "threshold": _words(threshold),
        "decision_type": _words(decision),
        "left_child": _words(left),
        "right_child": _words(right),
        "leaf_value": _words(rng.standard_normal(leaves)),
    }
    if sets:
        lines["cat_boundaries"] = _words(np.concatenate([[0], np.cumsum(widths)]))
        lines["cat_threshold"] = _words(rng.integers(0, 2**32, widths.sum()))
    lines |= {"is_linear": "0", "shrinkage": "1"}
    return "".join(f"{key}={value}\n" for key, value in lines.items()) + "\n\n"


@pytest.fixture(scope="session")
def write_model() -> Writer:
    """Return a writer of random but valid models."""

    def write(seed: int, leaves: list[int], share: float, outputs: int = 1, codes: int = 64) -> str:
        rng = np.random.default_rng(seed)
        trees = [f"Tree={i}\n" + _tree(rng, n, share, codes) for i, n in enumerate(leaves)]
        names = " ".join(f"f{i}" for i in range(FEATURES))
        head = [
            *("tree", "version=v4", f"num_class={outputs}", f"num_tree_per_iteration={outputs}"),
            *("label_index=0", f"max_feature_idx={FEATURES - 1}", "objective=regression"),
            *(f"feature_names={names}", "feature_infos=" + " ".join(["[-1:1]"] * FEATURES)),
            "tree_sizes=" + " ".join(str(len(tree)) for tree in trees),
        ]
        tail = "end of trees\n\nfeature_importances:\n\nparameters:\nend of parameters\n"
        return "\n".join(head) + "\n\n" + "".join(trees) + tail

    return write


@pytest.fixture(scope="session")
def cells() -> np.ndarray:
    """Return rows whose cells are all the odd numbers, in random company."""
    rng = np.random.default_rng(7)
    return rng.choice(CELLS, (700, FEATURES)).astype(np.float32)
