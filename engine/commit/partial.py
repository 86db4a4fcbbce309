"""A result as far as it is there: parts that readers have, or that are staged so far."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.commit.apart import APART, apart, begun, opened
from engine.commit.layout import Layout, located
from engine.commit.manifest import PartRecord, StagedFile
from engine.commit.staging import Run
from engine.commit.versions import manifest_of
from engine.storage import PLAIN, Access


@dataclass(frozen=True)
class Partial:
    """What there is of a run's result.

    Attributes:
        run: The run that makes or made it.
        committed: Whether all of it is there, and counts.
        parts: Records of the parts that are done, in order.
        planned: Parts of the whole result.
    """

    run: Run
    committed: bool
    parts: tuple[PartRecord, ...]
    planned: int

    @property
    def rows(self) -> int:
        """Rows that are there."""
        return sum(part.scored for part in self.parts)

    def files(self) -> Iterator[tuple[StagedFile, io.BufferedIOBase]]:
        """Yield each file with rows, in the order of the parts, as a seekable stream.

        A file that is gone is left out: the output was replaced or deleted.
        """
        place, target = self.run.layout.place, self.run.layout.target("data")
        for file in (file for part in self.parts for file in part.data if file.rows):
            # The stage loses its files once readers have them.
            for name in (f"{target}/{file.name}", self.run.folder.file(file)):
                if place.size(name) == file.bytes:
                    with place.open(name) as stream:
                        yield file, stream
                    break


def partial(
    location: str | Path, access: Access = PLAIN, name: str | None = None
) -> Partial | None:
    """Look at a result, committed or not.

    Args:
        location: The folder that readers see or will see: a path or URL.
        access: How an object store is reached.
        name: The run; left out, that which came last, or before the first one the run that was
            begun last.

    Returns:
        What there is; None when nothing was begun.

    Raises:
        MillraceError: A record is damaged or cannot be read.
    """
    base = located(location, access)
    with base.refusals():
        layouts = _of_run(base, name) if name else opened(location, access)[1]
        layout = layouts[-1] if layouts else _newest(base)
        if layout is None:
            return None
        name = name or next(reversed(layout.versions()), None) or _begun(layout)[1]
        run, manifest = Run(layout, name), manifest_of(layout, name)
        if manifest is not None:
            return Partial(run, True, manifest.parts, len(manifest.parts))
        done = run.done()
        return Partial(run, False, tuple(done[i] for i in sorted(done)), len(run.plan().planned))


def _of_run(base: Layout, name: str) -> list[Layout]:
    """Return where a run of this name was begun: at the output, or in a folder of its own."""
    ways = [base, *(apart(base, kind, name) for kind in APART)]
    return [layout for layout in ways if base.place.size(layout.run(name).plan) is not None]


def _newest(base: Layout) -> Layout | None:
    """Return where the run that was begun last is, when nothing was committed yet."""
    found = [layout for layout in (base, *begun(base)) if _begun(layout)[1]]
    return max(found, key=lambda layout: _begun(layout)[0], default=None)


def _begun(layout: Layout) -> tuple[float, str]:
    """Return when the last run was begun, in seconds since the epoch, and its name."""
    entries = layout.place.entries(layout.runs)
    plans = [(e.changed, e.name.split("/")[-2]) for e in entries if e.name.endswith("/plan.json")]
    return max(plans, default=(0.0, ""))
