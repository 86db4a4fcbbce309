"""What a client of an open cluster has to show, put where later clients find it."""

from __future__ import annotations

import os
from pathlib import Path

from distributed import Security

from cluster.security.files import AUTHORITY, certificate, key


def copy(used: Security, folder: Path) -> Path | None:
    """Write the authority, and the certificate and key of the client, into a folder.

    Args:
        used: What a connected client uses; each item is a path, or is itself PEM text.
        folder: Where to; made for its owner alone.

    Returns:
        The folder; None when the client uses no certificate.
    """
    fields = {
        AUTHORITY: "tls_ca_file",
        certificate("client"): "tls_client_cert",
        key("client"): "tls_client_key",
    }
    items = {name: getattr(used, field, None) for name, field in fields.items()}
    if not all(items.values()):
        return None
    folder.mkdir(mode=0o700)
    for name, item in items.items():
        assert item is not None
        text = item if "\n" in item else Path(item).read_text()
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
    return folder
