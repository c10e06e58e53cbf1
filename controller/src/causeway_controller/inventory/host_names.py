"""What hosts of several kinds call alike: endpoints over HTTPS, and logins of a user and a password. Pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")

_PASSWORD: Final = re.compile(r"(?<=://)[^@/]*:.*(?=@)")
"""A user with a password, up to the last sign that may end it."""


def endpoint(text: str, *, path: str, what: str, port: int) -> tuple[str, int]:
    """Return the host, an address of IPv6 in brackets, and the port of this endpoint. Raises ValueError.

    `path`: what it must end with; `what` it is an endpoint of, in words; `port`: where it says none.
    """
    hint = f"say https://HOST{path}"
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise ValueError(f"{shown(text)} has no address in its brackets; {hint}") from error
    try:
        said = parts.port
    except ValueError as error:
        raise ValueError(f"{shown(text)} has no port of TCP; {hint}") from error
    host = parts.netloc if said is None else parts.netloc.removesuffix(f":{said}")
    named = host.rpartition("@")[2]
    if parts.scheme != "https" and _HOST.fullmatch(named):
        hint = f"say https://{named}{path}"
    if parts.scheme.startswith("qemu"):
        hint = "say kind: libvirt for a host that libvirt commands"
    if parts.scheme != "https" or parts.path.removesuffix("/") != path or parts.query or parts.fragment:
        raise ValueError(f"{shown(text)} is no endpoint of {what}; {hint}")
    if _HOST.fullmatch(host) is None:
        raise ValueError(f"{shown(text)} names no host, or a user, who is in the secret of its login; {hint}")
    return host, port if said is None else said


def shown(endpoint: str) -> str:
    """Return it without what may be a password, which is never part of an endpoint and may be typed there."""
    return _PASSWORD.sub("***", endpoint)


def login(text: str) -> tuple[str, str]:
    """Return the user and password in a secret of two lines. Raises ValueError, which does not repeat it."""
    user, newline, password = text.partition("\n")
    password = password.removesuffix("\n").removesuffix("\r")
    user = user.removesuffix("\r")
    if not newline or not user or not password or "\n" in password:
        raise ValueError("the secret of its login is to be two lines: the user, then the password")
    return user, password
