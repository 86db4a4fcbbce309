"""Certificates from a folder, looked through before anything connects with them.

What is wrong with a certificate shows in TLS only as a connection that does not come about, often
after a timeout; here it is said in words.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.errors import ClusterError
from cluster.security.files import AUTHORITY, LEAST, ROLES, certificate, key

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from distributed import Security

NEW = "`millrace cluster certs FOLDER` makes new ones; the whole cluster must then start anew"
WHOLE = "give the folder that `millrace cluster certs` made, or a whole copy of it"


def security(folder: Path, roles: Sequence[str] = ROLES) -> Security:
    """Return Dask's security with the certificates of a folder; it refuses unencrypted peers.

    Args:
        folder: What `cluster.security.certificates.make` made, or a copy of it that holds at least
            the authority's certificate and the files of the roles.
        roles: Roles that are played: of ``scheduler``, ``worker`` and ``client``.

    Raises:
        ClusterError: A file is missing or damaged, a key can be read by others, a certificate has
            ended or soon will, or is not of this authority.
    """
    check(folder, roles)
    from distributed import Security

    files = {f"tls_{role}_cert": str((folder / certificate(role)).absolute()) for role in roles}
    files |= {f"tls_{role}_key": str((folder / key(role)).absolute()) for role in roles}
    authority = str((folder / AUTHORITY).absolute())
    return Security(require_encryption=True, tls_ca_file=authority, **files)


def check(folder: Path, roles: Sequence[str] = ROLES) -> None:
    """Look through a folder of certificates.

    Args:
        folder: The folder.
        roles: Roles whose files are looked at.

    Raises:
        ClusterError: As `security` does.
    """
    authority = _certificate(folder / AUTHORITY)
    _valid_now(folder / AUTHORITY, authority)
    for role in roles:
        issued = _certificate(folder / certificate(role))
        _issued_by(authority, folder, role, issued)
        _valid_now(folder / certificate(role), issued)
        _key_of(issued, folder / key(role))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise ClusterError(f"the certificates lack {file}", WHOLE) from None
    except OSError as error:
        raise ClusterError(f"{file} cannot be read: {error.strerror}", WHOLE) from None


def _certificate(file: Path) -> Certificate:
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(_read(file))
    except ValueError:
        raise ClusterError(f"{file} is not a certificate in PEM format", WHOLE) from None


def _issued_by(authority: Certificate, folder: Path, role: str, issued: Certificate) -> None:
    from cryptography.exceptions import InvalidSignature

    try:
        issued.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        raise ClusterError(
            f"{folder / certificate(role)} was not issued by {folder / AUTHORITY}",
            f"files of two clusters are mixed; {WHOLE}",
        ) from None


def _valid_now(file: Path, found: Certificate) -> None:
    now = datetime.now(UTC)
    begin, end = found.not_valid_before_utc, found.not_valid_after_utc
    if now < begin:
        raise ClusterError(
            f"{file} is valid from {begin:%Y-%m-%d %H:%M} UTC, and this machine's clock says "
            f"{now:%Y-%m-%d %H:%M}",
            "set the clock; NTP keeps it right",
        )
    if now > end:
        raise ClusterError(f"{file} ended on {end:%Y-%m-%d %H:%M} UTC", NEW)
    if now + LEAST > end:
        raise ClusterError(f"{file} ends on {end:%Y-%m-%d %H:%M} UTC, in less than a day", NEW)


def _key_of(issued: Certificate, file: Path) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _read(file)
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        raise ClusterError(
            f"others than its owner may read or change {file} (mode {mode:o})",
            f"`chmod 600 {file}`; if others can have read it, make new certificates",
        )
    try:
        secret = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        raise ClusterError(f"{file} is not a private key without password in PEM", WHOLE) from None
    if secret.public_key() != issued.public_key():
        raise ClusterError(f"{file} is not the key of the certificate beside it", WHOLE)
