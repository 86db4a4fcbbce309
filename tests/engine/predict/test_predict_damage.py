"""A damaged model text ends in ``ModelError``, never in a crash or in silence of the reader."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import ModelError
from engine.predict import predictor
from engine.predict.booster import reference_scores
from engine.predict.kernel import score
from engine.predict.tables import lay_out
from engine.predict.trees import parse


@pytest.fixture(scope="module")
def model(write_model: Callable[..., str]) -> str:
    return write_model(11, [6, 40, 80], 0.4, codes=64)


def edited(text: str, tree: int, key: str, change: Callable[[list[str]], list[str]]) -> str:
    """Change one line of one tree and keep ``tree_sizes`` right."""
    head, *blocks = re.split(r"(?=Tree=\d+\n)", text)
    before = len(blocks[tree].partition("end of trees")[0])
    lines = blocks[tree].split("\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(f"{key}="))
    lines[at] = f"{key}=" + " ".join(change(lines[at].partition("=")[2].split()))
    blocks[tree] = "\n".join(lines)
    sizes = re.search(r"tree_sizes=(.*)", head)
    assert sizes
    new = sizes[1].split()
    new[tree] = str(int(new[tree]) + len(blocks[tree].partition("end of trees")[0]) - before)
    return head.replace(sizes[0], "tree_sizes=" + " ".join(new)) + "".join(blocks)


def replaced(value: str, at: int = 0) -> Callable[[list[str]], list[str]]:
    return lambda words: [*words[:at], value, *words[at:][1:]]


EDITS: dict[str, tuple[str, Callable[[list[str]], list[str]]]] = {
    "child out of range": ("left_child", replaced("99999")),
    "leaf out of range": ("right_child", replaced("-99999")),
    "child twice": ("left_child", lambda words: [words[1], *words[1:]]),
    "cycle": ("left_child", replaced("0", 3)),
    "child missing": ("left_child", lambda words: words[:-1]),
    "child too many": ("right_child", lambda words: [*words, "1"]),
    "feature too large": ("split_feature", replaced("5")),
    "feature negative": ("split_feature", replaced("-1")),
    "feature overflows": ("split_feature", replaced("99999999999999")),
    "threshold not a number": ("threshold", replaced("x1")),
    "threshold nan": ("threshold", replaced("nan")),
    "category set unknown": ("threshold", lambda words: ["1000000"] * len(words)),
    "leaf infinite": ("leaf_value", replaced("inf")),
    "leaf lost": ("leaf_value", lambda words: words[:-1]),
    "decision unknown": ("decision_type", replaced("13")),
    "decision overflows": ("decision_type", replaced("300")),
    "bit set boundary": ("cat_boundaries", replaced("77777", 1)),
    "bit set backwards": ("cat_boundaries", replaced("-5", 1)),
    "bit set cut": ("cat_threshold", lambda words: words[:-1]),
    "bit set overflows": ("cat_threshold", replaced("4294967296")),
    "leaves too many": ("num_leaves", replaced("1000000")),
    "leaves enormous": ("num_leaves", replaced("99999999999")),
    "no leaves": ("num_leaves", replaced("0")),
    "sets too many": ("num_cat", replaced("4000")),
    "gain lost": ("split_gain", lambda words: words[:-1]),
}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("tree", [1, 2])
def test_each_structural_damage_is_named(model: str, name: str, tree: int) -> None:
    key, change = EDITS[name]
    with pytest.raises(ModelError) as caught:
        predictor(edited(model, tree, key, change))
    assert caught.value.where and caught.value.where.startswith(f"tree {tree}")
    assert caught.value.hint


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: "not a model",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("version=v4", "version=v9"),
        lambda text: text.replace("max_feature_idx=4", "max_feature_idx=3"),
        lambda text: text.replace("max_feature_idx=4", "max_feature_idx=-1"),
        lambda text: text.replace("num_tree_per_iteration=1", "num_tree_per_iteration=2"),
        lambda text: text.replace("num_tree_per_iteration=1", "num_tree_per_iteration=0"),
        lambda text: text.replace("tree_sizes=", "tree_sizes=1"),
        lambda text: text.replace("tree_sizes=", "tree_sizes=-"),
        lambda text: text.replace("Tree=1\n", "Tree=7\n"),
        lambda text: text.replace("end of trees", "end of tree"),
        lambda text: re.sub(r"tree_sizes=.*", "tree_sizes=", text),
    ],
)
def test_damaged_frame_is_refused(model: str, change: Callable[[str], str]) -> None:
    damaged = change(model)
    assert damaged != model
    with pytest.raises(ModelError):
        predictor(damaged)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_random_damage_never_crashes(model: str, cells: np.ndarray, data: st.DataObject) -> None:
    """What the reader accepts, the kernels score within bounds; the rest is ``ModelError``."""
    at = data.draw(st.integers(0, len(model) - 1))
    width = data.draw(st.integers(0, 3))
    put = data.draw(st.text("0123456789-. \n=eEnaif\x00é", max_size=4))
    try:
        forest = parse(model[:at] + put + model[at + width :])
    except ModelError:
        return
    out = np.zeros((len(cells), forest.outputs))
    if forest.features == cells.shape[1]:
        score(cells, *lay_out(forest), out)
        assert np.isfinite(out).all()


def test_cycle_that_uses_each_child_once_is_refused(model: str) -> None:
    """A node becomes its own child, in exchange for a leaf: out of reach, but not a tree."""
    tree = parse(model).trees[1]
    inner = next(i for i, c in enumerate(tree.left) if c > 0 and tree.left[c] < 0)
    child = int(tree.left[inner])

    def exchange(words: list[str]) -> list[str]:
        words[inner], words[child] = words[child], words[inner]
        return words

    with pytest.raises(ModelError, match="cycle"):
        parse(edited(model, 1, "left_child", exchange))


def test_crash_of_lightgbm_stays_in_its_process(model: str, cells: np.ndarray) -> None:
    """A child out of bounds, which our reader would refuse."""
    wild = edited(model, 1, "left_child", replaced("99999999"))
    with pytest.raises(ModelError, match="crashed"):
        reference_scores(wild, cells)


def test_refusal_of_lightgbm_is_passed_on(model: str, cells: np.ndarray) -> None:
    with pytest.raises(ModelError, match="cannot use the model"):
        reference_scores(model.replace("feature_names=f0 ", "feature_names="), cells)
