"""A prefix of a bucket as a place: put-if-absent is a conditional PUT (``If-None-Match: *``).

The store is obstore, with its retries and its back-off. A store may do what it was asked and lose
the answer: then a repeated PUT is refused by our own object. So a refusal never says whose object
is there; whoever needs to know reads it back.
"""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from engine.cores import lent
from engine.errors import MillraceError, OutputRefused
from engine.place import durable
from engine.place.place import Entry
from engine.storage import Access
from engine.storage.failures import unwritten
from engine.storage.places import Place, placed
from engine.storage.stores import store

if TYPE_CHECKING:
    from obstore.store import ObjectStore

T = TypeVar("T")

_AT_ONCE = 16
"""Requests at a time: one takes 10-50 ms, of which this machine does nothing."""

_LIST_CHUNK = 1000
"""Keys a step: the most that one answer of S3 holds."""

_WAITS = (0.0, 0.2, 0.5, 1.0)
"""Seconds before each PUT of one object: the answer was lost and it did not land, or there was a
conflict. What a store refuses because it is busy, obstore repeats by itself."""


@dataclass(frozen=True)
class ObjectPlace:
    """A prefix of a bucket.

    Attributes:
        bucket: The bucket.
        prefix: Keys start with it and a slash; empty for the bucket itself.
        access: How it is reached; secrets by reference.
    """

    bucket: Place
    prefix: str
    access: Access

    @classmethod
    def of(cls, url: str, access: Access) -> tuple[ObjectPlace, str]:
        """Return the place that holds an output, and the output's name in it.

        Raises:
            OutputRefused: The URL names a whole bucket, or a web server.
            SpecError: The URL cannot be.
        """
        bucket, key = placed(url)
        prefix, _, name = key.strip("/").rpartition("/")
        if not name or bucket.kind == "https":
            raise OutputRefused(
                "The output is no folder of an object store.",
                where=bucket.base,
                hint="write s3://bucket/folder, gs://bucket/folder or az://container/folder",
            )
        return cls(bucket, prefix, access), name

    @classmethod
    def below(cls, url: str, access: Access) -> ObjectPlace:
        """Return the place of everything below a URL.

        Raises:
            OutputRefused: The URL names a web server.
            SpecError: The URL cannot be.
        """
        place, _ = cls.of(f"{url.rstrip('/')}/-", access)
        return place

    @property
    def at_once(self) -> int:
        """A few: a request is mostly waiting."""
        return _AT_ONCE

    def told(self, name: str) -> str:
        """Return the URL of a name."""
        return self.bucket.url(self._key(name))

    def mark(self, run: str) -> str:
        """Return the run: what an old version's late publisher removes, no new one may be called.

        There is no rename of a folder: files of two versions may lie side by side for a moment.
        """
        return run

    def refusals(self, name: str) -> AbstractContextManager[None]:
        """Change nothing: each request says itself what its refusal means."""
        return nullcontext()

    def assert_fit(self, name: str) -> None:
        """Accept every name: `of` has looked at it."""

    def probe(self, temp: str, output: str) -> None:
        """Put one name twice: the second put must be refused.

        Raises:
            OutputRefused: The store, or a proxy in front of it, drops the condition; or it does
                not let us write.
            MillraceError: It cannot be reached.
        """
        name = f"{temp}/probe-{uuid.uuid4().hex}"
        try:
            self.put_if_absent(name, b"first")
            doubled = self.put_if_absent(name, b"second")
            if doubled or self.read(name) != b"first":
                raise OutputRefused(
                    "This store lets two writers create the same object: it, or a proxy in front "
                    "of it, drops the header If-None-Match.",
                    where=self.told(output),
                    hint="use a store with conditional writes (S3, Google Cloud Storage, Azure, "
                    "a recent MinIO), or a local folder",
                )
        finally:
            self.remove(name)

    def put_if_absent(self, name: str, data: bytes | memoryview) -> bool:
        """Create an object with these bytes, unless the key is taken.

        Returns:
            True when it was created by the last request that we sent.

        Raises:
            OutputRefused: The store does not let us write.
            MillraceError: It cannot be reached, and whether the object landed cannot be told.
        """
        durable.step(f"put {name.rpartition('/')[2]}")
        failed: MillraceError | None = None
        for seconds in _WAITS:
            time.sleep(seconds)
            try:
                if self._created(name, data):
                    return True
                failed = None
            except OutputRefused:
                raise
            except MillraceError as error:
                failed = error
            if self.size(name) is not None:
                return False
        raise failed or MillraceError(
            "Other writers keep this object from being made.",
            where=self.told(name),
            hint="run again: the finished parts are kept",
        )

    def _created(self, name: str, data: bytes | memoryview) -> bool:
        """Send one PUT; False when it is refused: the key is taken, or another PUT is on its way.

        S3 answers the latter with 409, which obstore does not tell from 412.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        def create(connection: ObjectStore) -> bool:
            key, octets = self._key(name), memoryview(data).cast("B")  # Arrow's are signed
            try:
                # One request: the parts of a multipart upload have no condition.
                obstore.put(connection, key, octets, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            return True

        return self._asked(name, create) or False

    def replace(self, name: str, data: bytes) -> None:
        """Put an object, whatever was there; for what can be made again at any time.

        Raises:
            OutputRefused: The store does not let us write.
            MillraceError: It cannot be reached.
        """
        import obstore

        durable.step(f"point {name.rpartition('/')[2]}")
        self._asked(name, lambda store: obstore.put(store, self._key(name), data))

    def read(self, name: str) -> bytes | None:
        """Return all bytes of an object; None when there is none."""
        import obstore

        key = self._key(name)
        return self._asked(name, lambda store: bytes(obstore.get(store, key).bytes()))

    def open(self, name: str) -> io.BufferedIOBase:
        """Return an object as a stream: read whole, once.

        Raises:
            FileNotFoundError: There is none.
        """
        data = self.read(name)
        if data is None:
            raise FileNotFoundError(self.told(name))
        return io.BytesIO(data)

    def size(self, name: str) -> int | None:
        """Return the bytes of an object; None when there is none."""
        import obstore

        key = self._key(name)
        return self._asked(name, lambda store: obstore.head(store, key)["size"])

    def entries(self, folder: str) -> list[Entry]:
        """Return all objects below a folder, by name."""
        import obstore

        def listed(connection: ObjectStore) -> list[Entry]:
            stream = obstore.list(connection, self._key(folder), chunk_size=_LIST_CHUNK)
            return [
                Entry(meta["path"][skip:], meta["size"], meta["last_modified"].timestamp())
                for chunk in stream
                for meta in chunk
            ]

        skip = len(self._key(""))
        return sorted(self._asked(folder, listed) or [])

    def folders(self, folder: str) -> list[str]:
        """Return the first parts of the names below a folder, sorted."""
        import obstore

        prefix = self._key(folder)
        found = self._asked(
            folder, lambda store: obstore.list_with_delimiter(store, prefix)["common_prefixes"]
        )
        return sorted(one.rstrip("/").rpartition("/")[2] for one in found or ())

    def copy(self, source: str, target: str) -> bool:
        """Copy an object within the store; False when there is none to copy."""
        import obstore

        def copied(connection: ObjectStore) -> bool:
            obstore.copy(connection, self._key(source), self._key(target))
            return True

        durable.step(f"copy {target.rpartition('/')[2]}")
        return self._asked(target, copied) or False

    def remove(self, name: str) -> None:
        """Delete an object; one that is gone already is no error."""
        import obstore

        durable.step(f"delete {name.rpartition('/')[2]}")
        self._asked(name, lambda store: obstore.delete(store, self._key(name)))

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _asked(self, name: str, call: Callable[[ObjectStore], T]) -> T | None:
        """Return what the store answers, ``None`` where it has no such object.

        Our error is raised outside the handler: the library's, with its signed URL, must not hang
        on ours as its context.
        """
        from obstore.exceptions import BaseError

        connection = store(self.bucket, self.access)
        try:
            with lent():
                return call(connection)
        except FileNotFoundError:
            return None
        except (BaseError, ValueError) as error:
            failed = unwritten(error, self.told(name))
        raise failed
