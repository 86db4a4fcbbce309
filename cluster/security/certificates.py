"""Make the certificates of one cluster: its own authority, and one certificate for each role.

Each cluster has an authority of its own, so that a certificate of one cluster is worth nothing at
another. Dask does not check host names: whoever holds a key of a role plays that role, from any
machine, until the certificate ends.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cluster.errors import ClusterError
from cluster.security.files import AUTHORITY, AUTHORITY_KEY, LEAST, certificate, key

USAGES = {
    # Both open connections and take them.
    "scheduler": (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
    "worker": (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
    # Whoever connects to a scheduler or a worker refuses this one.
    "client": (ExtendedKeyUsageOID.CLIENT_AUTH,),
}
"""What the certificate of each role may be used for; peers check it (RFC 5280, 4.2.1.12)."""

EARLIER = timedelta(hours=1)
"""Certificates begin that much before now: clocks of a cluster's machines are not the same."""


def make(folder: Path, *, days: int = 365) -> None:
    """Make an authority and the certificates of scheduler, workers and clients.

    All files appear at once or not at all. Keys may be read by their owner only.

    Args:
        folder: Where to; absent or empty.
        days: Days until the certificates end, the authority's too; at least 2, for a certificate
            of less than a day is refused as one that ends while a job runs.

    Raises:
        ClusterError: There is something in the folder, or it cannot be written.
    """
    if timedelta(days=days) <= LEAST:
        raise ClusterError(
            f"certificates of {days} days would end while a job runs", "give 2 days or more"
        )
    with _appearing(folder) as new:
        own, authority = _authority(days)
        _write(new / AUTHORITY, authority.public_bytes(serialization.Encoding.PEM), 0o644)
        _write(new / AUTHORITY_KEY, _pem(own), 0o600)
        for role in USAGES:
            secret = ec.generate_private_key(ec.SECP256R1())
            issued = _issued(role, secret.public_key(), own, authority, days)
            _write(new / certificate(role), issued.public_bytes(serialization.Encoding.PEM), 0o644)
            _write(new / key(role), _pem(secret), 0o600)


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """Make a folder beside the wanted one; give it that name when the body is done."""
    hint = "name a folder that is not there yet"
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ClusterError(f"{folder} is not empty; certificates are never replaced", hint)
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))  # 0700
    except OSError as error:
        raise ClusterError(f"{folder} cannot be written: {error.strerror}", hint) from None
    try:
        yield new
        os.rename(new, folder)  # fails when something has come into the folder meanwhile
    except OSError as error:
        raise ClusterError(f"{folder} cannot be written: {error.strerror}", hint) from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _authority(days: int) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    own = ec.generate_private_key(ec.SECP256R1())
    # Two clusters' authorities have different names, or a peer would look for the wrong one's key.
    name = _name(f"millrace cluster {secrets.token_hex(8)}")
    identifier = x509.SubjectKeyIdentifier.from_public_key(own.public_key())
    return own, (
        _begun(days, own.public_key())
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(own, hashes.SHA256())
    )


def _issued(
    role: str,
    public: ec.EllipticCurvePublicKey,
    own: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    days: int,
) -> x509.Certificate:
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _begun(days, public)
        .subject_name(_name(f"millrace {role}"))
        .issuer_name(authority.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(USAGES[role]), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(own, hashes.SHA256())
    )


def _begun(days: int, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(secret: ec.EllipticCurvePrivateKey) -> bytes:
    return secret.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(file: Path, content: bytes, mode: int) -> None:
    # Made with its permissions: nobody can open it before they are set.
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
