"""A bundle is text and digests: it comes back as it was, and damage is told before it is parsed."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from engine import registry
from engine.bundle import Bundle, digested, load
from engine.contract import Rule
from engine.errors import ModelError
from engine.features import encode, impute, scale
from engine.features.pipeline import Pipeline
from engine.models import Trees
from engine.models.additive import Additive, Line, Steps
from tests.engine.features.stepping import fit_pipeline

FRAME = pl.DataFrame({"x": [0.1, None, 1 / 3], "c": ["a", "ü", "b"]})
STEPS = (
    impute.Mean(("x",), indicator=True),
    scale.Standard(("d",)),
    encode.Category(("c",), min_count=1),
)

BUNDLE = Bundle(
    model=Trees("tree\nversion=v4\n"),
    pipeline=fit_pipeline(Pipeline({"d": "x * 2"}, STEPS), FRAME),
    types={"x": "float32", "c": "string"},
    rules={"x": Rule("float32", min=-1.5), "c": Rule(values=("a", "ü"))},
    task="binary",
    target="y > 1",
    metrics={"results": {"test": {"auc": 0.75}}},
    provenance={"fingerprint": "f"},
)


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    found = load(registry.save(BUNDLE.files(), tmp_path / "m"))
    assert found.files() == BUNDLE.files()
    assert found.pipeline.transform(FRAME).equals(BUNDLE.pipeline.transform(FRAME))
    assert found.digest == BUNDLE.digest


def test_it_holds_text_and_nothing_that_could_be_unpickled(tmp_path: Path) -> None:
    folder = registry.save(BUNDLE.files(), tmp_path / "m")
    assert {path.suffix for path in folder.iterdir()} == {".txt", ".json", ".arrow"}
    for path in folder.iterdir():
        if path.suffix == ".arrow":
            assert pl.read_ipc(path).height
        else:
            path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(BUNDLE.files()))
def test_every_damaged_or_missing_file_is_told(tmp_path: Path, name: str) -> None:
    folder = registry.save(BUNDLE.files(), tmp_path / "m")
    path = folder / name
    path.write_bytes(b"{" + path.read_bytes())
    with pytest.raises(ModelError):
        load(folder)
    path.unlink()
    with pytest.raises(ModelError, match="not a complete"):
        load(folder)


def test_the_digest_is_of_what_decides_predictions() -> None:
    other = {**vars(BUNDLE), "metrics": {}, "provenance": {}}
    assert Bundle(**other).digest == BUNDLE.digest
    assert Bundle(**{**other, "model": Trees("tree\n")}).digest != BUNDLE.digest


def test_baselines_are_kept_beside_the_model(tmp_path: Path) -> None:
    parts = (
        Line(0, 0.1, 1 / 3, (2.0,), (0.5,)),
        Steps(1, True, (0.0, 3.0), ((1.0,), (2.0,), (3.0,), (4.0,))),
    )
    baselines = {
        "constant": Additive(2, (0.1,)),
        "linear": Additive(2, (1e-300,), parts, "logistic", (0.0, 1 / 3)),
    }
    bundle = Bundle(**{**vars(BUNDLE), "baselines": baselines})
    assert load(registry.save(bundle.files(), tmp_path / "m")).baselines == baselines
    assert bundle.digest == BUNDLE.digest  # they decide no prediction
    assert not BUNDLE.baselines and "baselines.json" not in BUNDLE.files()


def test_classes_keep_their_type_and_the_task_is_told(tmp_path: Path) -> None:
    for classes in (("ü", "b"), (3, -1), (False, True)):
        more = {"task": "multiclass", "objective": "multiclassova", "classes": classes}
        bundle = Bundle(**{**vars(BUNDLE), **more, "query": "q"})
        found = load(registry.save(bundle.files(), tmp_path / "m"))
        assert (found.classes, found.objective, found.query) == (classes, "multiclassova", "q")
        assert [type(one) for one in found.classes or ()] == [type(one) for one in classes]
        assert found.digest != BUNDLE.digest


def test_a_bundle_of_an_older_millrace_still_loads(tmp_path: Path) -> None:
    contents = BUNDLE.files()
    del contents["digests.json"]
    contents["task.json"] = b'{"target": "y > 1", "task": "binary"}'
    found = load(registry.save(digested(contents), tmp_path / "m"))
    assert (found.task, found.target) == ("binary", "y > 1")
    assert (found.objective, found.classes, found.query) == (None, None, None)


def test_versions_are_numbered_and_found_by_reference(tmp_path: Path) -> None:
    root = tmp_path / "m"
    for _ in range(10):
        registry.save(BUNDLE.files(), root)
    assert registry.versions(root) == list(range(1, 11))
    assert registry.resolve(f"{root}@latest").name == "v10"
    assert registry.resolve(str(root)).name == "v10"
    assert registry.resolve(f"{root}@3").name == "v3"
    for wrong in ("@11", "@0", "@newest"):
        with pytest.raises(ModelError, match="no version"):
            registry.resolve(f"{root}{wrong}")
    with pytest.raises(ModelError, match="no model"):
        registry.resolve(str(tmp_path / "none"))


def test_writers_at_once_get_versions_of_their_own(tmp_path: Path) -> None:
    root = tmp_path / "m"
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: registry.save(BUNDLE.files(), root), range(24)))
    assert len(set(folders)) == 24
    assert all(load(folder).files() == BUNDLE.files() for folder in folders)
    assert sorted(p.name for p in root.iterdir()) == sorted(f.name for f in folders)


def test_half_a_version_is_never_seen(tmp_path: Path) -> None:
    folder = registry.save(BUNDLE.files(), tmp_path / "m")
    digests = json.loads((folder / "digests.json").read_text())
    assert set(digests) == set(BUNDLE.files()) - {"digests.json"}
    shutil.rmtree(folder)
    assert registry.versions(tmp_path / "m") == []
