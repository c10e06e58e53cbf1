"""Scalar types of the contract: names, addresses, secrets.

Addresses are `ipaddress` objects from the edge inward. msgspec allows one custom type per union, so at run
time each address alias is a single abstract class that both families are registered with; to the type
checker it is the plain union.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import socket
from abc import ABC
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from msgspec import Meta

from causeway_wire import limits

NAME_PATTERN = r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?(?!\n)$"
"""Names are DNS-like (RFC 1123 labels and dots), so that they fit certificates, file names and logs.

Without the look-ahead, Python's `$` would let a line feed at the end through.
"""

_MAC_PATTERN = r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}(?!\n)$"
SHA256_PATTERN = r"^[0-9a-f]{64}(?!\n)$"
WORDS = "words"
"""Member of `Meta.extra`: what a text is to be that does not match."""


def shaped(
    pattern: str, words: str, *, description: str | None = None, max_length: int | None = None
) -> Meta:
    """Return what a text must match, with what that is in words: few who write it read regular expressions.

    `words`: what follows "expected".
    """
    return Meta(pattern=pattern, description=description, max_length=max_length, extra={WORDS: words})


def sha256(description: str) -> Meta:
    """Return what a hash in hexadecimal must match, as `shaped`."""
    return shaped(SHA256_PATTERN, "a SHA-256: 64 lower-case hexadecimal digits", description=description)


Name = Annotated[
    str,
    shaped(
        NAME_PATTERN,
        "a name: 1 to 63 lower-case letters, digits, hyphens and dots, the first and the last of them a "
        "letter or a digit",
        description="lower-case DNS-like name, 1 to 63 characters",
    ),
]
ApplianceId = Name
TenantId = Name
NetworkId = Name
TunnelId = Name
NicName = Name
VmName = Name
ChangeId = Annotated[
    str, shaped(r"^[a-z0-9-]{1,64}(?!\n)$", "1 to 64 lower-case letters, digits and hyphens")
]
KeyName = Name

MacAddress = Annotated[
    str,
    shaped(
        _MAC_PATTERN,
        "a MAC address: six pairs of lower-case hexadecimal digits with colons between",
        description="EUI-48, lower case, colons",
    ),
]
VlanId = Annotated[int, Meta(ge=1, le=4094, description="IEEE 802.1Q VLAN identifier")]
Port = Annotated[int, Meta(ge=1, le=65535)]
UnprivilegedPort = Annotated[int, Meta(ge=1024, le=65535)]
Generation = Annotated[int, Meta(ge=1, le=2**53 - 1, description="numbered by the controller, only grows")]
Epoch = Annotated[
    int, Meta(ge=0, le=2**53 - 1, description="fence of the workflow that sent the document; only grows")
]
Mtu = Annotated[int, Meta(ge=1280, le=9216, description="octets; at least IPv6's minimum (RFC 8200, 5)")]
Timestamp = Annotated[datetime, Meta(tz=True)]
"""A moment, aware (RFC 3339)."""
KeyTag = Annotated[
    str,
    shaped(
        SHA256_PATTERN,
        "64 lower-case hexadecimal digits",
        description="the first 32 octets of a wrapped tls-crypt-v2 client key, lower-case hexadecimal",
    ),
]
SerialNumber = Annotated[
    str,
    shaped(
        r"^[1-9a-f][0-9a-f]{0,39}(?!\n)$",
        "a serial number: 1 to 40 lower-case hexadecimal digits, the first not 0, without colons",
        description="a certificate's serial number (RFC 5280, 4.1.2.2): lower-case hexadecimal, no leading "
        "zeros, no colons",
    ),
]
Pem = Annotated[str, Meta(max_length=limits.PEM, description="PEM text (RFC 7468)")]
Authority = Annotated[str, Meta(max_length=limits.AUTHORITY, description="PEM text (RFC 7468)")]

if TYPE_CHECKING:
    IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
    IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
    IPInterface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
else:

    class IPAddress(ABC):  # noqa: B024 - a registry of two classes, not an interface
        """An IPv4 or IPv6 address."""

    class IPNetwork(ABC):  # noqa: B024
        """An IPv4 or IPv6 prefix without host bits."""

    class IPInterface(ABC):  # noqa: B024
        """An IPv4 or IPv6 address with the length of its prefix."""

    IPAddress.register(ipaddress.IPv4Address)
    IPAddress.register(ipaddress.IPv6Address)
    IPNetwork.register(ipaddress.IPv4Network)
    IPNetwork.register(ipaddress.IPv6Network)
    IPInterface.register(ipaddress.IPv4Interface)
    IPInterface.register(ipaddress.IPv6Interface)


class Secret:
    """Text that must not reach a log or an answer: its repr is masked, `reveal` gives the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret text itself, for the one adapter that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(****)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@functools.lru_cache(maxsize=4096)
def parse_address(text: str) -> IPAddress:
    """The address in this text; raises ValueError. Tables name few addresses many times: one object each."""
    try:
        if ":" not in text:
            return ipaddress.IPv4Address(socket.inet_pton(socket.AF_INET, text))
        address = ipaddress.IPv6Address(socket.inet_pton(socket.AF_INET6, text))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{text[:_SHOWN]!r} is no IPv4 or IPv6 address; a zone is never part of one"
        ) from error
    return _unmapped(address)


def parse_network(text: str) -> IPNetwork:
    """The prefix in this text; raises ValueError."""
    _check_prefix(text)
    network = ipaddress.ip_network(text)
    _unmapped(network.network_address)
    return network


def parse_interface(text: str) -> IPInterface:
    """The address and the length of its prefix in this text; raises ValueError."""
    _check_prefix(text)
    interface = ipaddress.ip_interface(text)
    _unmapped(interface.ip)
    return interface


_PREFIX = re.compile(r"[0-9A-Fa-f:.]{2,45}/(0|[1-9][0-9]{0,2})", re.ASCII)
"""Python also takes netmasks, host masks, bare addresses, and zones (RFC 4007), which may be any text."""
_SHOWN = 60


def _check_prefix(text: str) -> None:
    if _PREFIX.fullmatch(text) is None:
        raise ValueError(f"{text[:_SHOWN]!r} is no address with a prefix length, such as 192.0.2.0/24")


Checked = TypeVar("Checked", bound=IPAddress)


def _unmapped(address: Checked) -> Checked:
    """Raises ValueError for an IPv4 address in IPv6's clothes: it would pass for another one than it is."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        raise ValueError(f"{address} is IPv4-mapped; write {address.ipv4_mapped}")
    return address


_PARSERS: dict[Any, Any] = {
    IPAddress: parse_address,
    IPNetwork: parse_network,
    IPInterface: parse_interface,
    Secret: Secret,
}


def parse_scalar(kind: Any, value: Any) -> Any:
    """msgspec `dec_hook`: text to one of this module's types; raises ValueError on other text."""
    if kind is IPAddress and type(value) is str:
        return parse_address(value)
    parser = _PARSERS.get(kind)
    if parser is None:
        raise NotImplementedError(f"no decoder for {kind!r}")
    if not isinstance(value, str):
        raise ValueError("Expected `str`")  # noqa: TRY004 - msgspec turns ValueError into a path
    return parser(value)


def format_scalar(value: Any) -> str:
    """msgspec `enc_hook`: one of this module's types to text, secrets revealed (for keys to travel)."""
    if type(value) is ipaddress.IPv4Address:
        return socket.inet_ntoa(value.packed)  # in half the time: tables are full of them
    return value.reveal() if isinstance(value, Secret) else str(value)


def format_scalar_masked(value: Any) -> str:
    """Like `format_scalar`, secrets masked (for answers, logs and diagnostics)."""
    return "****" if isinstance(value, Secret) else str(value)
