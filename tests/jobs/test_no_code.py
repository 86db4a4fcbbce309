"""A job file that somebody sent runs no code of its own, wherever it may name something."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from engine.errors import MillraceError
from tests.jobs.input_jobs import files, run, table, trained, write_job

EXPRESSIONS = [
    "__import__('os').system('touch MARK')",
    "eval('1')",
    "map_elements(x)",
    "read_csv('MARK') > 0",
    "(select * from read_csv('MARK'))",
    "x in (select x from read_parquet('MARK'))",
    "x = any(SeLeCt * from read_csv('MARK'))",
    "(with a as (select * from read_csv('MARK')) select * from a)",
    "x > 1 or $$'$$ = (\u017felect * from read_csv('MARK')) or $$'$$ = ''",
    "x > 1 -- '\\n or x = (select * from read_csv('MARK')) -- '",
    "pg_read_file('MARK') = ''",
    "x; copy t to program 'touch MARK'",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("trained"))


def _refused(job: Path, mark: Path) -> None:
    with pytest.raises(MillraceError):
        run(job)
    assert not mark.exists()
    assert not (job.parent / "out").exists()


PLACES = ["where = {}", "contract.checks = [{}]"]


@pytest.mark.parametrize("place", PLACES)
def test_where_they_stand_expressions_are_computed(tmp_path: Path, model: Path, place: str) -> None:
    """Else the test below shows nothing."""
    files(tmp_path, table(20))
    run(write_job(tmp_path, "score", data=place.format('"x < 100"'), model=model))


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("place", PLACES)
def test_expressions_are_expressions_only(
    tmp_path: Path, model: Path, place: str, expression: str
) -> None:
    mark = tmp_path / "mark"
    text = '"' + expression.replace("MARK", str(mark)) + '"'
    files(tmp_path, table(20))
    _refused(write_job(tmp_path, "score", data=place.format(text), model=model), mark)


@pytest.mark.parametrize("verb", ["call", "foreign"])
def test_steps_that_hold_code_are_pythons_alone(tmp_path: Path, verb: str) -> None:
    files(tmp_path, table(20))
    job = write_job(tmp_path, "train")
    step = f'{{ {verb} = ["x"], with = "function", function = "os:system" }}'
    job.write_text(job.read_text().replace("steps = [", f"steps = [{step}, "))
    _refused(job, tmp_path / "mark")


@pytest.mark.parametrize(
    "key",
    [
        'preload = "mark.py"',
        'preload = ["mark.py"]',
        'scheduler_kwargs = { preload = "mark.py" }',
        'security_loader = "mark.load"',
        'python = "mark.py"',
        'env = { LD_PRELOAD = "mark.so" }',
    ],
)
def test_a_cluster_takes_no_code(tmp_path: Path, key: str) -> None:
    """Dask's own settings name modules to import; none of them can be given."""
    mark = tmp_path / "mark"
    (tmp_path / "mark.py").write_text(f"open({str(mark)!r}, 'w')")
    files(tmp_path, table(20))
    job = write_job(tmp_path, "train")
    job.write_text(job.read_text().replace("[cluster]", f"[cluster]\n{key}"))
    _refused(job, mark)


class _Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> object:
        return open, (str(self.mark), "w")


def test_a_pickle_beside_a_model_is_not_loaded(tmp_path: Path, model: Path) -> None:
    mark = tmp_path / "mark"
    files(tmp_path, table(20))
    job = write_job(tmp_path, "score", model=model)
    version = tmp_path / "models/m/v1"
    for file in [path for path in version.rglob("*") if path.is_file()]:
        file.write_bytes(pickle.dumps(_Hostile(mark)))
    _refused(job, mark)
    pickle.loads((next(version.iterdir())).read_bytes()).close()
    assert mark.exists()  # it would have
