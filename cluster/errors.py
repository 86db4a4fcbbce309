"""What can go wrong between a cluster's spec and an open session."""

from __future__ import annotations


class ClusterError(Exception):
    """The cluster cannot be had as the spec asks for it.

    Args:
        what: One sentence: what went wrong.
        hint: What the user can do about it.
    """

    def __init__(self, what: str, hint: str) -> None:
        """Keep both parts; ``str(error)`` is ``what``."""
        super().__init__(what, hint)
        self.what, self.hint = what, hint

    def __str__(self) -> str:
        """Return what went wrong."""
        return self.what
