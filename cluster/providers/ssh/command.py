"""The line that an SSH server gives to the login shell of a host."""

from __future__ import annotations

import shlex

from cluster.providers.ssh.program import FOLDER, MARK

WAIT_SECONDS = 120
"""A Python that has not got its order until then is ended by the system."""

FIRST = (
    "import sys,json,signal;"
    f"signal.alarm({WAIT_SECONDS});"
    f"sys.stdout.write({MARK!r}+json.dumps(dict(python=list(sys.version_info[:3])))+chr(10));"
    "sys.stdout.flush();"
    "exec(json.loads(sys.stdin.readline()))"
)
"""What ``python -c`` runs: says its version, then runs the program that comes as a line of JSON."""

NOT_FOUND = (126, 127)
"""Exit status of a shell that cannot run a command (POSIX)."""


def command(python: str, workdir: str | None) -> str:
    """Return the line.

    Args:
        python: The interpreter there.
        workdir: Folder for what workers keep on disk. None = a temporary one; the shell removes
            it, because the shell outlives a Python that is killed.
    """
    run = f"{FOLDER}=$folder {shlex.quote(python)} -c {shlex.quote(FIRST)}"
    before: tuple[str, ...]
    if workdir is None:
        before = (
            "umask 077",
            "folder=$(mktemp -d -t millrace.XXXXXXXX) || exit 1",
            "trap 'rm -rf \"$folder\"' EXIT",
            # A shell that is told to end waits for Python first, which is told too.
            "trap : HUP TERM INT",
        )
    else:
        before = (f"folder={shlex.quote(workdir)}", 'mkdir -p "$folder" || exit 1')
    # A login shell may be of any kind.
    return f"exec /bin/sh -c {shlex.quote('; '.join([*before, run, 'exit $?']))}"
