"""The certificates of a session: read once, then in memory only, here and on the hosts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from distributed import Security

from cluster.security.certificates import make
from cluster.security.material import security

DAYS = 30
"""How long certificates hold that are made for a session."""

_FILES = (
    "tls_ca_file",
    *(f"tls_{r}_{k}" for r in ("scheduler", "worker", "client") for k in ("cert", "key")),
)


def keys(folder: Path | None) -> Security:
    """Return Dask's security with the content of the files instead of their paths.

    Args:
        folder: Of the certificates; None = new ones are made, and no file of them stays.

    Raises:
        ClusterError: They cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="millrace-") as own:  # 0700
        where = folder or Path(own) / "tls"
        if folder is None:
            make(where, days=DAYS)
        files = security(where)
        content = {name: Path(getattr(files, name)).read_text() for name in _FILES}
    return Security(require_encryption=True, **content)


def of_worker(whole: Security) -> dict[str, str]:
    """Return what a worker needs of it: no key of the scheduler or of a client."""
    names = ("tls_ca_file", "tls_worker_cert", "tls_worker_key")
    return {name: str(getattr(whole, name)) for name in names}
