"""A process on a worker, and how it reaches the scheduler that the worker belongs to.

The worker's own material is used: nothing has to lie on its machine beside what the worker has. It
goes to the process through its standard input, since keys may be texts in the worker's memory, and
an environment can be read.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Security

PROCESS_BYTES = 300 * 2**20
"""Memory of such a process: a driver's peak was 210 MiB while it trained and scored (measured on
360,000 rows); it grows with the plan's partitions, not with the rows."""


@dataclass(frozen=True)
class Hosted:
    """The way from a process on a worker to its scheduler.

    Attributes:
        address: Of the scheduler, as the worker knows it.
        ca: The certificate authority, a file or PEM text; None without TLS.
        certificate: The worker's certificate.
        key: The worker's key.
    """

    address: str
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    def security(self) -> Security | None:
        """Return Dask's security with this material; None without TLS."""
        if self.ca is None:
            return None
        from distributed import Security

        return Security(
            require_encryption=True,
            tls_ca_file=self.ca,
            tls_client_cert=self.certificate,
            tls_client_key=self.key,
        )

    def line(self) -> bytes:
        """Return the first line of the process's standard input."""
        return json.dumps(asdict(self)).encode() + b"\n"


_ways: list[Hosted] = []


def take(line: bytes) -> None:
    """Learn the way to the scheduler, in such a process, before anything connects."""
    _ways.append(Hosted(**json.loads(line)))


def hosted() -> Hosted | None:
    """Return the way to the scheduler, if this process runs on a worker."""
    return _ways[-1] if _ways else None
