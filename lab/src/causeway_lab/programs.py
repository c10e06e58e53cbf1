"""Where the programs of the system are found, whatever the caller's PATH says.

Debian keeps `ip`, `nft`, `openvpn` and `haproxy` in /usr/sbin, off the path of ordinary users and services.
Imports the standard library only: the sandbox does this before anything else.
"""

from __future__ import annotations

import os

SYSTEM = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Debian's path of root (login(1), ENV_SUPATH)."""


def find_system_programs() -> None:
    """Add the system's directories to the PATH of this process and its children, behind the caller's own."""
    own = [name for name in os.environ.get("PATH", "").split(os.pathsep) if name]
    os.environ["PATH"] = os.pathsep.join((*own, *(name for name in SYSTEM if name not in own)))
