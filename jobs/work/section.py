"""What all sections have in common."""

from __future__ import annotations

from typing import TypeVar

from engine.errors import SpecError

S = TypeVar("S")


def there(section: S | None) -> S:
    """Return a section that must be there."""
    if section is None:
        raise SpecError("the job file has no such section", hint="add [train] or [score]")
    return section
