"""Dask's settings as environment variables: how they reach processes that others start for us."""

from __future__ import annotations

from collections.abc import Mapping

from cluster.resources import Resources
from cluster.settings import SETTINGS, worker_environment


def as_variables(settings: Mapping[str, object]) -> dict[str, str]:
    """Return variables that Dask reads back as these settings (``dask.config.collect_env``).

    Args:
        settings: Values of plain Python types, by dotted name.
    """
    return {
        f"DASK_{name.replace('.', '__').replace('-', '_').upper()}": _text(value)
        for name, value in settings.items()
    }


def environment_of(
    resources: Resources, settings: Mapping[str, object] | None = None
) -> dict[str, str]:
    """Return the variables of a scheduler or a worker that is not started by this process.

    Args:
        resources: What a worker may use.
        settings: More of Dask's settings.
    """
    # Dask merges a mapping with its own default, so that an empty one changes nothing; a variable
    # that is None is left out (distributed.nanny._get_env_variables).
    own: dict[str, object] = {
        "distributed.nanny.pre-spawn-environ": {"MALLOC_TRIM_THRESHOLD_": None}
    }
    return as_variables(SETTINGS | own | dict(settings or {})) | worker_environment(resources)


def _text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)
