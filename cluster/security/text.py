"""How to use new certificates, as the one who made them is told."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cluster.elsewhere import variables
from cluster.security.files import AUTHORITY, AUTHORITY_KEY, certificate, key
from cluster.settings import THREAD_VARIABLES

LOCAL = "--no-dashboard --dashboard-address 127.0.0.1:0"
"""Without an address Dask serves metrics in plain HTTP on all interfaces, dashboard or not."""


def use_text(folder: Path, days: int) -> str:
    """Return the commands that start a scheduler and workers with new certificates.

    Args:
        folder: Where they are.
        days: Days until they end.
    """
    end = datetime.now(UTC) + timedelta(days=days)
    wanted = variables() | dict.fromkeys(THREAD_VARIABLES, "1")
    settings = "\n".join(f"  export {name}={shlex.quote(it)}" for name, it in wanted.items())
    return f"""\
made certificates in {folder}, good until {end:%Y-%m-%d}

A cluster with them, with the settings that jobs are tested with:

{settings}
  dask scheduler {LOCAL} \\
    {_options(folder, "scheduler")}
  dask worker tls://HOST:8786 --nthreads 1 --memory-limit 4GiB {LOCAL} \\
    {_options(folder, "worker")}

A job on it:

  [cluster]
  kind = "address"
  address = "tls://HOST:8786"
  tls = "{folder.absolute()}"

Other machines need {AUTHORITY} and the two files of their role, and nothing else.
Keep {AUTHORITY_KEY} here: who has it can make more certificates of this cluster."""


def _options(folder: Path, role: str) -> str:
    where = folder.absolute()
    pair = f"--tls-cert {where / certificate(role)} --tls-key {where / key(role)}"
    return f"--tls-ca-file {where / AUTHORITY} {pair}"
