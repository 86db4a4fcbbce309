"""Objects of a store: listed, and read only while they are what the listing says they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from engine.cores import lent
from engine.errors import Outage, SpecError
from engine.storage.access import Access
from engine.storage.failures import changed, failure, vanished
from engine.storage.places import Place, placed
from engine.storage.secrets import redact
from engine.storage.stores import store

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta

T = TypeVar("T")

_LIST_CHUNK = 1000
"""Keys a step: the most that one answer of S3 holds."""


class Stamp(NamedTuple):
    """What tells one content of an object from another.

    Attributes:
        size: Bytes.
        mtime_ns: Time of the last change, nanoseconds since the epoch.
        etag: The store's own name of the content, with its quotes.
    """

    size: int
    mtime_ns: int
    etag: str | None

    def same(self, other: Stamp) -> bool:
        """Return whether both name the same content: by etag, by whole seconds where none is.

        A listing tells milliseconds, the answer to a request only seconds.
        """
        if self.etag is not None and other.etag is not None:
            return (self.size, self.etag) == (other.size, other.etag)
        return (self.size, self.mtime_ns // 10**9) == (other.size, other.mtime_ns // 10**9)


class Found(NamedTuple):
    """One object of a listing: its key and its stamp."""

    key: str
    stamp: Stamp


def head(place: Place, key: str, access: Access) -> Found | None:
    """Return one object, or ``None`` where the store has none of this key.

    Raises:
        Outage: The store cannot be reached.
        InputRefused: It refuses the credentials.
        SpecError: The options cannot be.
    """
    import obstore

    connection = store(place, access)
    meta = _asked(lambda: obstore.head(connection, key), place.url(key))
    return None if meta is None else Found(key, _stamp(meta))


def below(place: Place, prefix: str, access: Access) -> list[Found]:
    """Return all objects whose keys start with a prefix of whole parts (``"a/b"``, not ``"a/b*"``).

    Raises:
        Outage: The store cannot be reached.
        InputRefused: It has no such bucket, or refuses the credentials.
        SpecError: The options cannot be.
    """
    import obstore

    stream = obstore.list(store(place, access), prefix or None, chunk_size=_LIST_CHUNK)
    metas = _asked(lambda: [meta for chunk in stream for meta in chunk], place.url(prefix))
    return [Found(meta["path"], _stamp(meta)) for meta in metas or []]


def read(url: str, start: int, stop: int, stamp: Stamp, access: Access) -> bytes:
    """Return bytes of exactly the object that a listing found.

    Args:
        url: The object.
        start: First byte.
        stop: Last byte + 1; not after its end.
        stamp: Its stamp in the listing.
        access: How it is reached.

    Raises:
        InputChanged: It is gone, or is another one by now.
        Outage: It cannot be reached.
        InputRefused: The store refuses the credentials.
    """
    import obstore

    place, key = placed(url)
    options: GetOptions = {"range": (start, stop)}
    if stamp.etag is not None and not stamp.etag.startswith("W/"):
        # A weak etag never satisfies If-Match (RFC 9110, 13.1.1); the answer's is compared below.
        options["if_match"] = stamp.etag
    connection = store(place, access)
    data = _asked(lambda: _bytes(obstore.get(connection, key, options=options), stamp, url), url)
    if data is None:
        raise vanished(url)
    if len(data) != stop - start:
        raise Outage(
            f"the store sent {len(data)} bytes, {stop - start} were asked for",
            where=redact(f"{url}, bytes {start}-{stop}"),
            hint="run the job again; if it stays, look at what lies between here and the store",
        )
    return data


def assert_unchanged(url: str, stamp: Stamp, access: Access) -> None:
    """Raise `InputChanged` when an object is gone, or is not the one that a listing found."""
    place, key = placed(url)
    found = head(place, key, access)
    if found is None:
        raise vanished(url)
    if not stamp.same(found.stamp):
        raise changed(url)


def assert_ranges(place: Place, found: Found, access: Access) -> None:
    """Raise `SpecError` when a web server cannot give parts of this file, or cannot name it."""
    if found.stamp.etag is None and found.stamp.mtime_ns == 0:
        raise SpecError(
            "this server tells neither an ETag nor a time of change",
            where=place.base,
            hint="nobody could tell if the file changes during the run; copy it to a local path",
        )
    if found.stamp.size > 0:
        read(place.base, 0, 1, found.stamp, access)


def _asked(call: Callable[[], T], url: str) -> T | None:
    """Return what a store answers, ``None`` where it has no such object.

    Its errors become ours, which cannot hold a credential. They are raised outside the handler:
    the library's error, with its signed URL, must not hang on ours as its context.
    """
    from obstore.exceptions import BaseError

    try:
        with lent():
            return call()
    except FileNotFoundError:
        return None
    except (BaseError, ValueError) as error:
        told = failure(error, url)
    raise told


def _bytes(answer: GetResult, stamp: Stamp, url: str) -> bytes:
    """Return the bytes of an answer that is about the listed content."""
    if not stamp.same(_stamp(answer.meta)):
        raise changed(url)
    return bytes(answer.bytes())


def _stamp(meta: ObjectMeta) -> Stamp:
    moment: datetime = meta["last_modified"]
    etag = meta["e_tag"]
    if etag and not etag.endswith('"'):
        etag = f'"{etag}"'  # a listing of Azure leaves out the quotes that a request needs
    seconds = int(moment.timestamp())
    return Stamp(meta["size"], seconds * 10**9 + moment.microsecond * 1000, etag or None)
