"""Exactly once: parts are staged by workers, committed together, published whole, checked later."""

from __future__ import annotations

from engine.commit.audit import Problem, Verified, verify
from engine.commit.deciding import Summary
from engine.commit.garbage import Leftover, garbage
from engine.commit.manifest import BadPart, Manifest, PartRecord, StagedFile, Unread
from engine.commit.output import IfExists, Output, run_key
from engine.commit.partial import Partial, partial
from engine.commit.staging import Encoded, Run, Staged

__all__ = [
    "BadPart",
    "Encoded",
    "IfExists",
    "Leftover",
    "Manifest",
    "Output",
    "PartRecord",
    "Partial",
    "Problem",
    "Run",
    "Staged",
    "StagedFile",
    "Summary",
    "Unread",
    "Verified",
    "garbage",
    "partial",
    "run_key",
    "verify",
]
