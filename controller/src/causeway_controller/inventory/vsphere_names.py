"""What the inventory calls things of a vSphere host: its endpoint and its switches. Pure.

All else is by the ids of vSphere's API (managed object ids, such as datastore-11 and network-7), which
`causeway host check` lists where one is not there. A switch is `dvs-7`, a distributed one, or `vswitch:NAME`,
a standard one, which has no id and is on every host of a cluster.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_DISTRIBUTED: Final = re.compile(r"dvs-[0-9]{1,18}")
_STANDARD: Final = re.compile(r"vswitch:([A-Za-z0-9_.-]([A-Za-z0-9_. -]{0,29}[A-Za-z0-9_.-])?)")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_HTTPS: Final = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A distributed switch by its id, or a standard one by its name."""

    distributed: bool
    name: str


def endpoint(text: str) -> tuple[str, int]:
    """Return the host and port of this endpoint. Raises ValueError."""
    hint = "say https://HOST/sdk"
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{text} has no port of TCP; {hint}") from error
    host = parts.netloc if port is None else parts.netloc.removesuffix(f":{port}")
    if parts.scheme != "https" or parts.path not in {"/sdk", "/sdk/"} or parts.query or parts.fragment:
        raise ValueError(f"{text} is no endpoint of vSphere; {hint}")
    if _HOST.fullmatch(host) is None:
        raise ValueError(f"{text} names no host, or a user, who is in the secret of its login; {hint}")
    return host, _HTTPS if port is None else port


def switch(text: str) -> Switch:
    """Return the switch of this name. Raises ValueError."""
    if _DISTRIBUTED.fullmatch(text):
        return Switch(distributed=True, name=text)
    if (found := _STANDARD.fullmatch(text)) is not None:
        return Switch(distributed=False, name=found[1])
    raise ValueError(f"{text} is neither dvs-NUMBER, a distributed switch, nor vswitch:NAME, a standard one")


def login(text: str) -> tuple[str, str]:
    """Return the user and password in a secret of two lines. Raises ValueError, which does not repeat it."""
    user, newline, password = text.partition("\n")
    password = password.removesuffix("\n").removesuffix("\r")
    user = user.removesuffix("\r")
    if not newline or not user or not password or "\n" in password:
        raise ValueError("the secret of its login is to be two lines: the user, then the password")
    return user, password
