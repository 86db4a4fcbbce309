"""Files in one: what was fitted and is kept until the training that it belongs to has ended.

The first line is the SHA-256 of all that follows: JSON of each file's bytes in base 64, by name.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

from engine.errors import ModelError


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return files by name as the content of one."""
    texts = {name: base64.b64encode(data).decode() for name, data in files.items()}
    body = json.dumps(texts, sort_keys=True).encode()
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unpacked(content: bytes, where: str) -> dict[str, bytes]:
    """Return the files that `packed` put together.

    Raises:
        ModelError: The content is damaged.
    """
    digest, _, body = content.partition(b"\n")
    if digest != hashlib.sha256(body).hexdigest().encode():
        raise ModelError("what was fitted before is damaged: its digest differs", where=where)
    return {name: base64.b64decode(text) for name, text in json.loads(body).items()}
