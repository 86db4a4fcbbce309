"""The driver as a process of its own, started by `detached` and `hosted`; what it does is `drive`.

``python -m jobs.driving STORE RUN [--after ENTRY] [--storage NAME=VALUE] [--held]``
"""

from __future__ import annotations

import argparse
import os
import sys
import threading

from cluster import hosting
from engine.storage import Access
from jobs.driving.drive import drive
from jobs.failure import failure
from jobs.runs.stopping import Stop
from jobs.runs.store import Store
from jobs.show.progress import PlainView


def main(arguments: list[str] | None = None) -> int:
    """Drive a run and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m jobs.driving", allow_abbrev=False)
    parser.add_argument("store")
    parser.add_argument("run")
    parser.add_argument("--after", type=int, help="Newest entry of the state log.")
    parser.add_argument("--storage", action="append", default=[])
    parser.add_argument("--held", action="store_true", help="On a worker, by its hand.")
    given = parser.parse_args(arguments)
    if given.held:
        hosting.take(sys.stdin.buffer.readline())
        threading.Thread(target=_end_with_parent, daemon=True).start()
    options = (pair.split("=", 1) for pair in given.storage)
    store = Store.at(given.store, Access(tuple((name, value) for name, value in options)))
    stop = Stop()
    try:
        with stop.listening():
            drive(store, store.find(given.run), PlainView(), stop, after=given.after)
    except BaseException as error:
        message, code = failure(error)
        print(message, file=sys.stderr)
        return code
    return 0


def _end_with_parent() -> None:
    """End at once when the process that started this one is gone: then stdin is at its end."""
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
