"""Where an object lies, taken from its URL; a URL with a credential in it is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from engine.errors import SpecError
from engine.storage.secrets import without_references

_KINDS = {"s3": "s3", "gs": "gs", "az": "az", "abfs": "az", "abfss": "az", "https": "https"}
_OTHER_NAMES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "azure": "az", "wasb": "abfs", "adl": "abfs"}
_URL = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*)://([^/]*)/?(.*)$", re.DOTALL)
_CONTAINER = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._-]*")
_ACCOUNT = re.compile(r"([a-z0-9-]+)\.[a-z0-9.-]+")
_SIGNED = re.compile(r"sig|token|secret|passw|pwd|credential|auth|key", re.IGNORECASE)
"""Names of URL parameters that let the bearer in: ``sig``, ``X-Amz-Signature``, ``access_token``"""


@dataclass(frozen=True)
class Place:
    """One bucket, container or web file.

    Attributes:
        kind: ``"s3"``, ``"gs"``, ``"az"`` or ``"https"``.
        base: URL of the bucket, without a slash at its end; of the file itself for ``https``.
        container: Name of the bucket or container; empty for ``https``.
        account: Azure storage account, where the URL names it.
    """

    kind: str
    base: str
    container: str = ""
    account: str = ""

    def url(self, key: str) -> str:
        """Return the URL of an object."""
        return f"{self.base}/{key}" if key else self.base


def placed(url: str) -> tuple[Place, str]:
    """Return the place of a URL, and the key (or prefix, or glob) in it.

    Keys of object stores are taken as they are, not percent-decoded.

    Raises:
        SpecError: No such kind of place, a credential in the URL, or a name that cannot be.
    """
    match = _URL.match(url)
    scheme = match[1].lower() if match else ""
    if match is None or not (scheme in _KINDS or scheme == "http"):
        near = _OTHER_NAMES.get(scheme)
        raise SpecError(
            f"this kind of place cannot be read: {scheme}://",
            where=public(url),
            hint=f"write {near}:// instead" if near else "use a path, s3, gs, abfs, az or https",
        )
    user = match[2].rpartition("@")[0]
    if ":" in user or (user and scheme in ("http", "https")):
        raise SpecError(
            "this URL holds a user and a password",
            where=public(url),
            hint="take them out of the URL; give them as storage options, ${secret:NAME}",
        )
    if scheme in ("http", "https"):
        return _web(url), ""
    return _bucket(scheme, match[2], url), _key(match[3], url)


def in_store(location: str) -> bool:
    """Tell whether a location is a URL of an object store or a web server."""
    scheme, mark, _ = location.partition("://")
    return bool(mark) and scheme.lower() in {*_KINDS, "http"}


def public(url: str) -> str:
    """Return a URL without user, password, parameters and fragment: fit for a message."""
    head, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    path = re.split(r"[?#]", path)[0] if head.lower() in ("http", "https") else path
    return f"{head}{mark}{authority.rpartition('@')[2]}{slash}{path}"


def is_loopback(url: str) -> bool:
    """Return whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _bucket(scheme: str, authority: str, url: str) -> Place:
    container, at, host = authority.partition("@")
    account = _ACCOUNT.fullmatch(host)
    fits = _CONTAINER.fullmatch(container) and (account is not None if at else True)
    if not fits or (at and _KINDS[scheme] != "az"):
        raise SpecError(
            "this URL names no bucket",
            where=public(url),
            hint="write s3://bucket/key, gs://bucket/key, az://container/key or "
            "abfs://container@account.dfs.core.windows.net/key",
        )
    return Place(
        _KINDS[scheme], f"{scheme}://{authority}", container, account[1] if account else ""
    )


def _key(key: str, url: str) -> str:
    if any(part in ("", ".", "..") for part in key.rstrip("/").split("/") if key.rstrip("/")):
        raise SpecError(
            "a key has an empty part, or one of dots",
            where=public(url),
            hint="write one slash between names, and no . or ..",
        )
    return key


def _web(url: str) -> Place:
    parts = urlsplit(url)
    if not parts.hostname or parts.fragment:
        raise SpecError("this URL names no file", where=public(url), hint="write https://host/file")
    if parts.scheme.lower() == "http" and not is_loopback(url):
        raise SpecError(
            "http:// sends data in clear, and anyone on the way can change them",
            where=public(url),
            hint="use https://; http:// is for this machine only",
        )
    in_clear = parse_qsl(without_references(parts.query))
    if any(_SIGNED.search(name) for name, _ in in_clear):
        raise SpecError(
            "this URL holds a signature or a token in clear",
            where=public(url),
            hint="put everything after ? into a secret: https://host/file?${secret:NAME}",
        )
    return Place("https", urlunsplit(parts))
