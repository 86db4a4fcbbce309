"""Tables beside the files that get the rows of a section: which, and when."""

from __future__ import annotations

from pathlib import Path

from engine.commit import Manifest, Output
from engine.targets import DeltaTarget, PostgresTarget, Rows, Target
from jobs.spec.output import FilesSpec


def targets_of(spec: FilesSpec, key: str) -> list[Target]:
    """Return the tables that get the rows of a section.

    Args:
        spec: The section.
        key: Key of the run.
    """
    found: list[Target] = []
    if spec.format == "delta":
        assert spec.if_exists != "version"  # the section was checked
        found.append(DeltaTarget(Path(spec.output), key, spec.partition_by, spec.if_exists))
    if spec.database is not None:
        schema, _, table = spec.database.table.partition(".")
        how = spec.database.if_exists
        found.append(PostgresTarget(spec.database.server, schema, table, key, how))
    return found


def publish(targets: list[Target], output: Output, manifest: Manifest) -> bool:
    """Give the rows of a committed run to all tables that do not have them.

    Returns:
        Whether a table did not have them.

    Raises:
        OutputRefused: A table is not ours to write.
        CommitUnknown: Whether a table has them cannot be told.
        MillraceError: A table has them not; the files are committed, and are not made again.
    """
    rows = Rows.of(output, manifest)
    return any([target.publish(rows) for target in targets])
