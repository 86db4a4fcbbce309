"""The one text of a value: equal values have equal digests."""

from __future__ import annotations

import json


def canonical(value: object) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8, no NaN.

    Args:
        value: Anything that `json` can write.

    Raises:
        ValueError: A float is NaN or infinite.
        TypeError: A part of the value has no JSON form.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()
