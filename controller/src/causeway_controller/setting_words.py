"""How the texts of settings are read that are names, URLs, lists, numbers and choices.

Each raises ValueError in words.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from causeway_wire.seed import AuthorizedKey
from causeway_wire.types import NAME_PATTERN, IPAddress, IPNetwork, Name, Secret

KEYS_OCTETS: Final = 8192
"""Of all SSH keys together: they go into the seed, which has 16 KiB."""
_SERVERS: Final = 8
_GROUP: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
"""As groupadd(8) takes them."""


def name(text: str) -> Name:
    """Return a name as documents have them."""
    if re.fullmatch(NAME_PATTERN, text) is None:
        raise ValueError(f"{json.dumps(text)} is no name; say a lower-case DNS name of at most 63 characters")
    return text


def store(text: str) -> Secret:
    """Return the URL of a database, which may have a password in it."""
    if not text.startswith(("sqlite:", "postgresql:", "postgresql+psycopg:")):
        raise ValueError(
            "of no database that Causeway knows; say sqlite:////PATH or postgresql://USER@HOST/NAME"
        )
    return Secret(text)


def group(text: str) -> str:
    """Return the name of a group of this host."""
    if _GROUP.fullmatch(text) is None:
        raise ValueError(f"{json.dumps(text)} is no group's name; say one of this host, such as causeway")
    return text


def one_of(known: tuple[str, ...]) -> Callable[[str], str]:
    """Read one of these words."""

    def read(text: str) -> str:
        if text not in known:
            raise ValueError(f"{json.dumps(text)} is none of {', '.join(known)}")
        return text

    return read


def number(lowest: int, highest: int, of: str = "of seconds ") -> Callable[[str], float]:
    """Read a whole number within these."""

    def read(text: str) -> float:
        if not (text.isascii() and text.isdecimal() and lowest <= int(text) <= highest):
            raise ValueError(f"{json.dumps(text)} is no whole number {of}from {lowest} to {highest}")
        return float(text)

    return read


def networks(text: str) -> tuple[IPNetwork, ...]:
    """Return addresses and prefixes."""
    found = []
    for word in text.replace(",", " ").split():
        try:
            found.append(ipaddress.ip_network(word))
        except ValueError as error:
            hint = "say addresses or prefixes, such as 192.0.2.10, 2001:db8::/64"
            raise ValueError(f"{json.dumps(word)} is neither ({error}); {hint}") from error
    return tuple(found)


def time_servers(text: str) -> tuple[IPAddress, ...]:
    """Return addresses: an appliance has no name server when it first needs the time."""
    found: list[IPAddress] = []
    for word in text.replace(",", " ").split():
        try:
            found.append(ipaddress.ip_address(word))
        except ValueError as error:
            hint = "say the addresses of NTP servers, such as 192.0.2.123, 2001:db8::123"
            raise ValueError(f"{json.dumps(word)} is no IP address; {hint}") from error
    if len(found) > _SERVERS:
        raise ValueError(f"{len(found)} time servers; say at most {_SERVERS}")
    return tuple(found)


def ssh_keys(text: str) -> tuple[str, ...]:
    """Return the lines that are SSH public keys; empty ones and comments are left out."""
    found = tuple(_keys(text))
    if (octets := sum(map(len, found))) > KEYS_OCTETS:
        hint = "say fewer, or ed25519 keys, which are short"
        raise ValueError(f"the keys have {octets} octets together, and {KEYS_OCTETS} fit; {hint}")
    return found


def _keys(text: str) -> Iterator[str]:
    for number_, line in enumerate(text.splitlines(), 1):
        key = line.strip()
        if not key or key.startswith("#"):
            continue
        try:
            yield msgspec.convert(key, AuthorizedKey)
        except msgspec.ValidationError as error:
            hint = "say it as in a .pub file, `ssh-ed25519 AAAA... name`, a line each and without options"
            raise ValueError(f"line {number_} is no SSH public key; {hint}") from error
