"""The section ``[sort]``: rows sorted on disk, committed once."""

from __future__ import annotations

from engine.commit import Manifest, run_key
from engine.sorting.sort import Sort, sort_dataset
from engine.uniqueness import assert_unique
from jobs.fingerprint import sorting_spec
from jobs.sections.context import Context
from jobs.work.sorting import Sorting, passes


def sort_rows(context: Context, work: Sorting) -> tuple[Manifest, bool]:
    """Write all rows in order, or find that this was done before.

    Returns:
        The manifest, and whether nothing had to be done.
    """
    spec, dataset, parts = work.spec, work.dataset, context.planned.sort_partitions
    depends = context.depending(sorting_spec(work))
    key = run_key(depends, [part.rows for part in parts])
    output = spec.output_of(key)
    output.preflight(context.began)
    if (before := output.committed()) is not None:
        return before, True
    session = context.session()
    threads = session.resources.slots
    assert_unique(session.client, dataset, threads=threads)
    fail = context.fails(spec.data, spec.on_bad_rows)
    sort = Sort(dataset, spec.by, parts, fail, context.planned.job.data[spec.data].max_bad)
    context.start("sort", dataset.rows * passes(parts))
    watch = context.watch("sort")
    scratch = output.scratch(context.folder)
    run = sort_dataset(
        session.client, sort, output, depends, scratch, threads=threads, progress=watch
    )
    with context.committing():
        manifest = output.commit(run)
    context.reporter.step_done({"rows": manifest.rows_in, "sorted": manifest.scored})
    return manifest, False
