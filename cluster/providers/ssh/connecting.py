"""SSH connections to hosts, and what is wrong where there is none, in words."""

from __future__ import annotations

import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.errors import ClusterError
from cluster.spec.ssh import Host, SshCluster

if TYPE_CHECKING:
    from asyncssh import SSHClientConnection

CONNECT_SECONDS = 15
LOGIN_SECONDS = 30

KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")

ALIVE_SECONDS, ALIVE_COUNT = 15, 3
"""A connection that does not answer is given up after a minute (`ServerAliveInterval` of ssh)."""


async def connected(spec: SshCluster, host: Host) -> SSHClientConnection:
    """Connect to a host.

    Args:
        spec: Says which keys count.
        host: The host.

    Raises:
        ClusterError: It cannot be reached, is not known, or does not let us in.
    """
    import asyncssh

    # Only what the job file says; `~/.ssh/config` says the rest.
    given: dict[str, Any] = {"port": host.port, "username": host.user}
    if spec.identity is not None:
        given["client_keys"] = [str(spec.identity)]
    try:
        return await asyncssh.connect(
            host.name,
            # Always given: with `UserKnownHostsFile none` in its configuration, asyncssh would
            # connect to whoever answers.
            known_hosts=_known(spec),
            preferred_auth="publickey",
            connect_timeout=CONNECT_SECONDS,
            login_timeout=LOGIN_SECONDS,
            keepalive_interval=ALIVE_SECONDS,
            keepalive_count_max=ALIVE_COUNT,
            **{name: value for name, value in given.items() if value is not None},
        )
    except (asyncssh.Error, asyncssh.KeyImportError, OSError, ValueError) as error:
        raise _refused(spec, host, error) from error


def _known(spec: SshCluster) -> list[str] | bytes:
    named = [spec.known_hosts] if spec.known_hosts else map(Path, KNOWN_HOSTS)
    files = [str(file.expanduser()) for file in named if file.expanduser().is_file()]
    return files or b""


def _refused(spec: SshCluster, host: Host, error: Exception) -> ClusterError:
    import asyncssh

    here = f"host {host.text}"
    match error:
        case asyncssh.HostKeyNotVerifiable():
            file = spec.known_hosts or KNOWN_HOSTS[0]
            return ClusterError(
                f"{here}: its host key is not the one in {file}, or none is there",
                f"compare the fingerprint that `{_by_hand(spec, host)}` shows with the host's own, "
                "and say yes if they are the same",
            )
        case asyncssh.PermissionDenied():
            return ClusterError(
                f"{here}: authentication failed: {error.reason}",
                f"`{_by_hand(spec, host)}` must work without a password: give the key as "
                "`identity`, or load it into the SSH agent; check the user name",
            )
        case asyncssh.KeyImportError() | asyncssh.KeyEncryptionError():
            file = spec.identity or "a key in ~/.ssh"
            return ClusterError(
                f"{here}: {file} cannot be used: {error}",
                "a key with a passphrase is loaded into the SSH agent with `ssh-add`",
            )
        case FileNotFoundError() if spec.identity is not None and not spec.identity.exists():
            return ClusterError(f"no key at {spec.identity}", "change `identity` in [cluster]")
        case socket.gaierror():
            reason = f"the name is not known ({error.strerror})"
        case TimeoutError():
            reason = f"no answer within {CONNECT_SECONDS} s"
        case OSError():
            reason = error.strerror or str(error)
        case _:
            reason = str(error)
    return ClusterError(
        f"{here}: cannot connect: {reason}",
        f"check name and port, and that the host runs: `{_by_hand(spec, host)}`",
    )


def _by_hand(spec: SshCluster, host: Host) -> str:
    """Return the line that tries the same with OpenSSH."""
    words = ["ssh"]
    words += ["-p", str(host.port)] if host.port else []
    words += ["-i", str(spec.identity)] if spec.identity else []
    words += ["-o", f"UserKnownHostsFile={spec.known_hosts}"] if spec.known_hosts else []
    where = f"{host.user}@{host.name}" if host.user else host.name
    return shlex.join([*words, where, "true"])
