"""An error as the user gets it: a message and an exit code, no traceback."""

from __future__ import annotations

from cluster.errors import ClusterError
from engine.errors import Cancelled, MillraceError, SpecError

CANCELLED = 130
"""128 + SIGINT, as shells have it."""


def failure(error: BaseException) -> tuple[str, int]:
    """Return what to tell the user, and the exit code.

    Args:
        error: What ended the command.
    """
    if isinstance(error, ClusterError):
        error = SpecError(error.what, where="[cluster]", hint=error.hint)
    if isinstance(error, Cancelled):
        return str(error), CANCELLED
    if isinstance(error, MillraceError):
        return f"error: {error}", error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "cancelled", CANCELLED
    first = (str(error).strip().splitlines() or [""])[0]
    kind = type(error).__name__
    what = f"error: {kind}: {first}" if first else f"error: {kind}"
    return f"{what}\n  this is a defect in millrace; --debug shows the traceback", 1
