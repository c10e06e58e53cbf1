"""The rtnetlink(7) messages that the agent uses: a fixed header and attributes, by their names in linux/*.h.

Attributes stay as octets until one is asked for: most of a dump is never looked at. Only what the agent reads
or writes is named here; what is not named is passed over.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

_ATTRIBUTE = struct.Struct("=HH")
_TYPE_MASK = 0x3FFF
_NESTED = 0x8000


@dataclass(frozen=True, slots=True)
class Value:
    """How an attribute's content is written and read."""

    write: Callable[[Any], bytes]
    read: Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A nest whose attributes depend on the text of another attribute beside it."""

    by: str
    tables: Mapping[str, Table]


Table = Mapping[str, tuple[int, "Value | Chosen | Table"]]
"""Attributes by name: number, and how its content is written: a value, or attributes in it."""


def _number(code: str) -> Value:
    layout = struct.Struct(f"={code}")
    return Value(layout.pack, lambda data: layout.unpack_from(data)[0])


U8, U16, U32 = _number("B"), _number("H"), _number("I")
TEXT = Value(lambda text: text.encode() + b"\0", lambda data: data.rstrip(b"\0").decode())
MAC = Value(lambda mac: bytes.fromhex(mac.replace(":", "")), lambda data: data.hex(":"))
IP = Value(lambda address: address.packed, ipaddress.ip_address)
LIFETIME = Value(lambda preferred: struct.pack("=4I", preferred, 0xFFFFFFFF, 0, 0), bytes)
"""struct ifa_cacheinfo: the preferred lifetime in seconds, valid for ever."""

_BRIDGE: Table = {
    "IFLA_BR_AGEING_TIME": (4, U32),
    "IFLA_BR_STP_STATE": (5, U32),
    "IFLA_BR_GROUP_FWD_MASK": (9, U16),
    "IFLA_BR_MCAST_SNOOPING": (23, U8),
    "IFLA_BR_NF_CALL_IPTABLES": (36, U8),
    "IFLA_BR_NF_CALL_IP6TABLES": (37, U8),
    "IFLA_BR_NF_CALL_ARPTABLES": (38, U8),
}
_PORT: Table = {
    "IFLA_BRPORT_STATE": (1, U8),
    "IFLA_BRPORT_MODE": (4, U8),
    "IFLA_BRPORT_GUARD": (5, U8),
    "IFLA_BRPORT_LEARNING": (8, U8),
    "IFLA_BRPORT_UNICAST_FLOOD": (9, U8),
    "IFLA_BRPORT_PROXYARP": (10, U8),
    "IFLA_BRPORT_MCAST_FLOOD": (27, U8),
    "IFLA_BRPORT_BCAST_FLOOD": (30, U8),
    "IFLA_BRPORT_NEIGH_SUPPRESS": (32, U8),
    "IFLA_BRPORT_ISOLATED": (33, U8),
    "IFLA_BRPORT_LOCKED": (39, U8),
}
_TUN: Table = {"IFLA_TUN_OWNER": (1, U32), "IFLA_TUN_TYPE": (3, U8)}
_INFORMATION: Table = {
    "IFLA_INFO_KIND": (1, TEXT),
    "IFLA_INFO_DATA": (
        2,
        Chosen("IFLA_INFO_KIND", {"vlan": {"IFLA_VLAN_ID": (1, U16)}, "bridge": _BRIDGE, "tun": _TUN}),
    ),
    "IFLA_INFO_SLAVE_KIND": (4, TEXT),
    "IFLA_INFO_SLAVE_DATA": (5, Chosen("IFLA_INFO_SLAVE_KIND", {"bridge": _PORT})),
}


class Attributes:
    """Attributes of a message or of a nest in it."""

    __slots__ = ("_contents", "_table")

    def __init__(self, table: Table, data: bytes | memoryview = b"") -> None:
        self._table = table
        self._contents: dict[int, bytes | memoryview] = dict(_split(data))

    def get_attr(self, name: str) -> Any:
        """The value of this attribute, an `Attributes` for a nest; None when the message has none."""
        number, form = self._table[name]
        data = self._contents.get(number)
        if data is None:
            return None
        if isinstance(form, Value):
            return form.read(bytes(data))
        return Attributes(self._chosen(form), data)

    def has_others(self) -> bool:
        """Whether there are attributes that no name is known for."""
        return not self._contents.keys() <= {number for number, _ in self._table.values()}

    def add(self, name: str, value: Any) -> Self:
        """Set an attribute; for a nest, `value` maps the names in it to their values."""
        number, form = self._table[name]
        if isinstance(form, Value):
            self._contents[number] = form.write(value)
            return self
        nest = Attributes(self._chosen(form))
        for inner, content in value.items():
            nest.add(inner, content)
        self._contents[number | _NESTED] = nest.octets()
        return self

    def octets(self) -> bytes:
        """All attributes as the kernel reads them, each padded to four octets."""
        return b"".join(
            _ATTRIBUTE.pack(_ATTRIBUTE.size + len(data), number) + data + bytes(-len(data) % 4)
            for number, data in self._contents.items()
        )

    def _chosen(self, form: Chosen | Table) -> Table:
        return form.tables.get(self.get_attr(form.by) or "", {}) if isinstance(form, Chosen) else form


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of message: its header's layout and fields, and its attributes."""

    layout: struct.Struct
    fields: tuple[str, ...]
    table: Table


LINK = Family(
    struct.Struct("=BxHiII"),
    ("family", "ifi_type", "index", "flags", "change"),
    {
        "IFLA_ADDRESS": (1, MAC),
        "IFLA_IFNAME": (3, TEXT),
        "IFLA_MTU": (4, U32),
        "IFLA_LINK": (5, U32),
        "IFLA_MASTER": (10, U32),
        "IFLA_TXQLEN": (13, U32),
        "IFLA_LINKINFO": (18, _INFORMATION),
        "IFLA_EXT_MASK": (29, U32),
    },
)
ADDRESS = Family(
    struct.Struct("=BBBBI"),
    ("family", "prefixlen", "flags", "scope", "index"),
    {
        "IFA_ADDRESS": (1, IP),
        "IFA_LOCAL": (2, IP),
        "IFA_CACHEINFO": (6, LIFETIME),
        "IFA_FLAGS": (8, U32),
        "IFA_PROTO": (11, U8),
    },
)
ROUTE = Family(
    struct.Struct("=8BI"),
    ("family", "dst_len", "src_len", "tos", "table", "proto", "scope", "type", "flags"),
    {
        "RTA_DST": (1, IP),
        "RTA_OIF": (4, U32),
        "RTA_GATEWAY": (5, IP),
        "RTA_PRIORITY": (6, U32),
        "RTA_METRICS": (8, {"RTAX_LOCK": (1, U32), "RTAX_MTU": (2, U32)}),
        "RTA_TABLE": (15, U32),
    },
)
RULE = Family(
    struct.Struct("=8BI"),
    ("family", "dst_len", "src_len", "tos", "table", "res1", "res2", "action", "flags"),
    {
        "FRA_SRC": (2, IP),
        "FRA_IIFNAME": (3, TEXT),
        "FRA_PRIORITY": (6, U32),
        "FRA_SUPPRESS_PREFIXLEN": (14, U32),
        "FRA_TABLE": (15, U32),
        "FRA_PROTOCOL": (21, U8),
        "FRA_IP_PROTO": (22, U8),
    },
)
NEIGHBOUR = Family(
    struct.Struct("=B3xiHBB"),
    ("family", "ifindex", "state", "flags", "ndm_type"),
    {
        "NDA_DST": (1, IP),
        "NDA_LLADDR": (2, MAC),
        "NDA_MASTER": (9, U32),
        "NDA_PROTOCOL": (12, U8),
    },
)


class Message(Attributes):
    """A message, to send or received: header fields by item access, attributes by name."""

    __slots__ = ("_header", "family")

    def __init__(self, family: Family, data: bytes | memoryview | None = None) -> None:
        values = (0,) * len(family.fields) if data is None else family.layout.unpack_from(data)
        super().__init__(family.table, b"" if data is None else data[family.layout.size :])
        self.family = family
        self._header: dict[str, int] = dict(zip(family.fields, values, strict=True))

    def __getitem__(self, name: str) -> int:
        return self._header[name]

    def __setitem__(self, name: str, value: int) -> None:
        if name not in self._header:
            raise KeyError(name)
        self._header[name] = value

    def octets(self) -> bytes:
        """The message's body: header and attributes."""
        return self.family.layout.pack(*self._header.values()) + super().octets()


def _split(data: bytes | memoryview) -> Iterator[tuple[int, memoryview]]:
    view = memoryview(data)
    offset = 0
    while offset + _ATTRIBUTE.size <= len(view):
        length, number = _ATTRIBUTE.unpack_from(view, offset)
        if length < _ATTRIBUTE.size:
            return
        yield number & _TYPE_MASK, view[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
