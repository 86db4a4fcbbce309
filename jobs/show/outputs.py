"""What `millrace verify` and `millrace gc` do with an output, and what they print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.commit import garbage, verify
from engine.storage import Access
from jobs.show.text import table
from jobs.show.units import count, size


def verified(output: str, access: Access) -> dict[str, Any]:
    """Return what reading every byte of an output came to, as JSON values.

    Args:
        output: A folder or URL.
        access: How its store is reached.

    Raises:
        MillraceError: A record is damaged, or the storage cannot be read.
    """
    found = verify(output, access)
    problems = [{"file": problem.file, "problem": problem.what} for problem in found.problems]
    told = {"output": found.location, "run": found.run, "files": found.files}
    return {**told, "rows": found.rows, "bytes": found.bytes, "problems": problems}


def verified_text(found: Mapping[str, Any]) -> str:
    """Write what `verified` returns for a person."""
    problems = found["problems"]
    if not problems:
        files = f"{count(found['files'])} files, {size(found['bytes'])}"
        rows = f"{count(found['rows'])} rows in the output"
        return f"{found['output']}: {files}, {rows}: every byte is as the manifest says"
    wrong = [(problem["problem"], problem["file"]) for problem in problems]
    return "\n".join(table([("problem", "file"), *wrong]))


def collected(output: str, access: Access, days: float, delete: bool) -> dict[str, Any]:
    """Delete, or only list, what dead processes have left beside an output; as JSON values.

    Args:
        output: A folder or URL.
        access: How its store is reached.
        days: Younger files are left alone.
        delete: Whether to delete what is listed.

    Raises:
        MillraceError: A record is damaged, or the storage cannot be read or written.
    """
    found = garbage(output, access, delete=delete, days=days)
    files = [{"file": left.where, "bytes": left.bytes} for left in found]
    return {"output": output, "deleted": delete, "files": files}


def collected_text(found: Mapping[str, Any]) -> str:
    """Write what `collected` returns for a person."""
    files = found["files"]
    if not files:
        return "nothing to delete"
    rows = [(size(left["bytes"]), left["file"]) for left in files]
    done = "deleted" if found["deleted"] else "would be deleted"
    total = f"{count(len(files))} {done}, {size(sum(left['bytes'] for left in files))}"
    return "\n".join([*table([("size", "file"), *rows]), total])
