"""Workers on hosts that SSH reaches; the scheduler runs here, in the process of the session.

One SSH connection a host carries everything: the program that starts the workers (`program`, sent
as text), their settings and keys, and a beat that says that the session lives. Nothing has to be
copied to the hosts before, and nothing stays there. The workers connect back to the scheduler, with
TLS in both directions.
"""

from cluster.providers.ssh.opening import opened

__all__ = ["opened"]
