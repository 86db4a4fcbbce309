"""Whether a scheduler can be reached, found out in seconds and said in words.

Dask tries again until its timeout and then tells that. Here one connection is made by hand before,
with the same TLS, and what fails is named: the name, the port, the certificates.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import ExitStack
from urllib.parse import SplitResult

from cluster.errors import ClusterError

SECONDS = 5.0
"""How long a scheduler may take to answer; one that lives does so in milliseconds."""


def reach(url: SplitResult, context: ssl.SSLContext | None) -> None:
    """Connect to a scheduler and hear the first byte of it.

    Args:
        url: Its address, with host and port.
        context: TLS of a client; none for plain ``tcp``.

    Raises:
        ClusterError: It cannot be reached, or one side refuses the other.
    """
    where = url.geturl()
    try:
        _hear(url, context)
    except socket.gaierror:
        raise ClusterError(
            f"no machine is known by the name {url.hostname!r} of {where}",
            "check the host name, or give the IP address",
        ) from None
    except ConnectionRefusedError:
        raise ClusterError(
            f"nothing listens at {where}",
            "is the scheduler running, and is this its port?",
        ) from None
    except TimeoutError:
        raise ClusterError(
            f"{where} does not respond ({SECONDS:.0f} s)",
            "is the machine up, and does a firewall let this port through?",
        ) from None
    except _SilentError:
        raise ClusterError(
            f"{where} takes the connection and says nothing ({SECONDS:.0f} s)",
            "a scheduler with certificates waits like that for TLS: give tls://, and its "
            "certificates; or it is frozen"
            if context is None
            else "is it frozen? `kill -CONT`, or start it anew",
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise ClusterError(
            f"the scheduler at {where} has a certificate that is not good here: "
            f"{error.verify_message}",
            "give the certificates of this cluster: the folder that `millrace cluster certs` made "
            "for it",
        ) from None
    except ssl.SSLError as error:
        raise _refused(where, error) from None
    except OSError as error:
        # A scheduler may close on a client that it does not take without a word.
        raise ClusterError(
            f"{where} ended the connection: {error}",
            "is this a Dask scheduler, with these certificates, and reachable from here?",
        ) from None


def _hear(url: SplitResult, context: ssl.SSLContext | None) -> None:
    assert url.hostname and url.port
    with ExitStack() as stack:
        plain = socket.create_connection((url.hostname, url.port), timeout=SECONDS)
        heard = stack.enter_context(plain)
        if context is not None:
            heard = stack.enter_context(context.wrap_socket(plain))
        # A scheduler speaks first. In TLS 1.3 this is also where its refusal arrives.
        try:
            if not heard.recv(1):
                raise ConnectionResetError("it closed at once")
        except TimeoutError:
            raise _SilentError from None


class _SilentError(Exception):
    """The connection came about, and nothing came through it."""


def _refused(where: str, error: ssl.SSLError) -> ClusterError:
    if error.reason in (
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
        "UNEXPECTED_EOF_WHILE_READING",
    ):
        return ClusterError(
            f"the scheduler at {where} does not speak TLS",
            "start it with certificates: `dask scheduler --tls-ca-file ca.pem --tls-cert "
            "scheduler.pem --tls-key scheduler-key.pem`",
        )
    return ClusterError(
        f"the scheduler at {where} refuses this certificate: {error.reason}",
        "give the certificates of this cluster: the folder that `millrace cluster certs` made for "
        "it",
    )
