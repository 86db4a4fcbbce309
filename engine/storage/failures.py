"""What a store's refusal means to the user, in words that cannot hold a credential.

obstore's own messages repeat the request with its URL, which may be signed. So nothing of them is
passed on but the HTTP status and the store's error code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.errors import (
    InputChanged,
    InputRefused,
    MillraceError,
    Outage,
    OutputRefused,
    SpecError,
)
from engine.storage.secrets import redact

_STATUS = re.compile(r"status code: (\d{3} [A-Za-z' -]+)")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
_REFUSED = ("PermissionDeniedError", "UnauthenticatedError")
_METADATA = ("169.254.169.254", "metadata.google.internal", "/latest/api/token", "/computeMetadata")
"""Where the library looks when it was given no credentials: the machine's own identity."""

_OUT_OF_RANGE = "status code: 416"
"""Only bytes within the listed size are asked for: the object has shrunk."""

_UNREACHED = "cannot reach the store"
_HINTS: Mapping[str, str] = {
    "the store has no such bucket": "check the name; endpoint and region say which store is asked",
    "no credentials were found for the store": "give them as storage options by ${secret:NAME} or "
    'in the environment; skip_signature = "true" for public data',
    "the store refuses the credentials": "check the key and what it may read; secrets are given "
    "by ${secret:NAME}, and for a public bucket skip_signature",
    "the store holds the bucket in another region": "give its region as a storage option",
    "the store's certificate is not trusted": "give its authority as ca_file, a PEM file",
    _UNREACHED: "check the endpoint, the network and the proxy; then run the job again",
    "the server does not give parts of a file": "copy the file to a local path or an object store",
    "a key of this place has an empty part, or one of dots": "name a prefix without such keys",
    "the store fails to answer": "run the job again",
}

_PASSING = (_UNREACHED, "the store fails to answer")
"""Causes that may be gone when the job is run again."""

_LASTING = re.compile(r"status code: 4(?!08|29)\d\d")
"""The store does not like the request, and will not like it later; but for a time-out (408; S3 has
a code of its own for it) and too many requests (429)."""

_TIMED_OUT = "<Code>RequestTimeout</Code>"


def failure(error: Exception, url: str) -> InputChanged | InputRefused | Outage | SpecError:
    """Return what to raise for an error of obstore; the URL is the place it is about."""
    text = str(error)
    if type(error).__name__ == "PreconditionError" or _OUT_OF_RANGE in text:
        return changed(url)
    cause = _cause(type(error).__name__, text)
    kind: type[SpecError | Outage | InputRefused]
    if cause.startswith("the server does not"):
        kind = SpecError
    else:
        kind = Outage if _passes(cause, text) else InputRefused
    return kind(cause + _detail(text), where=redact(url), hint=_HINTS[cause])


def unwritten(error: Exception, url: str) -> MillraceError:
    """Return what to raise when a store does not write, or does not tell what was written."""
    text = str(error)
    cause = _cause(type(error).__name__, text)
    kind: type[MillraceError] = MillraceError if cause in _PASSING else OutputRefused
    if _passes(cause, text):
        kind = Outage
    return kind(cause + _detail(text), where=redact(url), hint=_HINTS[cause])


def _passes(cause: str, text: str) -> bool:
    return cause in _PASSING and (_TIMED_OUT in text or not _LASTING.search(text))


def changed(where: str) -> InputChanged:
    """Return the error of a file that is not the one of the plan."""
    return InputChanged(
        "an input file was changed during the run",
        where=redact(where),
        hint="run the job again when its inputs are at rest; nothing was committed",
    )


def vanished(where: str) -> InputChanged:
    """Return the error of a file that is gone."""
    return InputChanged(
        "an input file vanished during the run", where=redact(where), hint="run the job again"
    )


def _cause(kind: str, text: str) -> str:
    """Return the key of `_HINTS` that an error falls under; the first that fits."""
    tests = {
        "the store has no such bucket": any(word in text for word in _NO_BUCKET),
        "no credentials were found for the store": any(word in text for word in _METADATA),
        "the store refuses the credentials": kind in _REFUSED or " 401 " in text or " 403 " in text,
        "the store holds the bucket in another region": "redirect" in text.lower(),
        "the store's certificate is not trusted": "certificate" in text.lower(),
        _UNREACHED: _STATUS.search(text) is None and "HTTP error" in text,
        "the server does not give parts of a file": kind == "NotSupportedError",
        "a key of this place has an empty part, or one of dots": kind == "InvalidPathError",
    }
    return next((cause for cause, fits in tests.items() if fits), "the store fails to answer")


def _detail(text: str) -> str:
    """Return the HTTP status and the store's code, where the message holds them."""
    parts = [match[1].strip() for pattern in (_STATUS, _CODE) if (match := pattern.search(text))]
    return f" ({', '.join(parts)})" if parts else ""
