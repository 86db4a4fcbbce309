"""What ``[track]`` needs, looked for before the work and not after it."""

from __future__ import annotations

from importlib.util import find_spec

from engine.errors import SpecError


def assert_tracking() -> None:
    """Assert that MLflow is installed, without loading it.

    Raises:
        SpecError: It is not.
    """
    if find_spec("mlflow") is None:
        raise SpecError(
            "[track] needs MLflow, which is not installed",
            where="track",
            hint="pip install 'millrace[mlflow]'",
        )
