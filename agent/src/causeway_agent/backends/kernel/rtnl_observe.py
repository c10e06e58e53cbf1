"""What the kernel shows: links once per look, everything else decoded against them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from causeway_agent.backends.kernel import netlink, rtnl_l2, rtnl_messages, rtnl_schema
from causeway_agent.backends.kernel.netlink import Netlink
from causeway_agent.backends.kernel.rtnl_decoder import Decoder
from causeway_agent.backends.kernel.rtnl_schema import Message
from causeway_agent.plan.model.objects import (
    KERNEL_RULES,
    OWN_PREFIX,
    Address,
    Bridge,
    BridgePort,
    Link,
    ProcessDevice,
    ProxyNeighbour,
    Route,
    Rule,
    Sysctl,
    Tun,
    Vlan,
)
from causeway_wire.observed import NicReport
from causeway_wire.types import MacAddress

OVPN = "ovpn"
"""Kind of links whose packets the kernel carries for OpenVPN."""
_ETHERNET = 1
_LOOPBACK = 0x8
_UP_AND_CARRIER = 0x1 | 0x10000
_NOT_ADAPTERS = frozenset({"tun", "bridge", "vlan", "bond", OVPN})
"""Kinds of links built on adapters; several carry the MAC address of an adapter below them."""

_VERSIONS = (4, 6)
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Links:
    """All links at one moment."""

    messages: tuple[Message, ...]

    @property
    def names(self) -> Mapping[int, str]:
        """Device names by index."""
        return {message["index"]: message.get_attr("IFLA_IFNAME") for message in self.messages}

    def adapters(self) -> tuple[Message, ...]:
        """Messages of the Ethernet adapters."""
        return tuple(message for message in self.messages if _is_adapter(message))

    def devices(self) -> dict[MacAddress, str]:
        """Names of the Ethernet adapters by MAC address."""
        return {m.get_attr("IFLA_ADDRESS"): m.get_attr("IFLA_IFNAME") for m in self.adapters()}

    def up(self, devices: frozenset[str]) -> frozenset[Link]:
        """Those of the devices that are up."""
        found = (rtnl_messages.read_link(message) for message in self.messages)
        return frozenset(link for link in found if link is not None and link.device in devices)

    def tuns(self) -> frozenset[Tun]:
        """Our tun devices."""
        return frozenset(map(rtnl_messages.read_tun, self._ours("tun")))

    def lent(self) -> frozenset[ProcessDevice]:
        """Devices with our names that OpenVPN had the kernel make."""
        return frozenset(map(rtnl_messages.read_lent, self._ours(OVPN)))

    def _ours(self, kind: str) -> Iterator[Message]:
        """Messages of the links of this kind that have our names."""
        ours = (m for m in self.messages if m.get_attr("IFLA_IFNAME").startswith(OWN_PREFIX))
        return (m for m in ours if rtnl_messages.link_kind(m) == kind)

    def vlans(self) -> frozenset[Vlan]:
        """Our 802.1Q subinterfaces."""
        names = self.names
        return _decoded(self.messages, lambda message: rtnl_l2.read_vlan(message, names))

    def bridges(self, settings: frozenset[Sysctl]) -> frozenset[Bridge]:
        """Our bridges; `settings` hold the current values of `rtnl_l2.FILTER_CALLS`."""
        return _decoded(self.messages, lambda message: rtnl_l2.read_bridge(message, settings))

    def ports(self, devices: frozenset[str]) -> frozenset[BridgePort]:
        """Those of the devices that are ports, and all ports of bridges among them."""
        names = self.names
        up = rtnl_l2.bridges_up(self.messages)
        found = _decoded(self.messages, lambda message: rtnl_l2.read_port(message, names, up))
        return frozenset(port for port in found if {port.device, port.bridge} & devices)


def _is_adapter(message: Message) -> bool:
    return (
        message["ifi_type"] == _ETHERNET
        and not message["flags"] & _LOOPBACK
        and rtnl_messages.link_kind(message) not in _NOT_ADAPTERS
    )


async def links(socket: Netlink) -> Links:
    """All links."""
    return Links(tuple(await socket.dump("list links", netlink.GET_LINK, rtnl_messages.link_query())))


async def addresses(socket: Netlink, names: Mapping[int, str]) -> frozenset[Address]:
    """All addresses, except link-local ones of the kernel's making."""
    messages = await socket.dump("list addresses", netlink.GET_ADDRESS, Message(rtnl_schema.ADDRESS))
    return _decoded(messages, lambda message: rtnl_messages.read_address(message, names))


def route_decoder() -> Decoder[Route]:
    """For `routes`."""
    return Decoder(rtnl_schema.ROUTE, rtnl_messages.read_route)


async def routes(socket: Netlink, names: Mapping[int, str], decoder: Decoder[Route]) -> frozenset[Route]:
    """Our routes."""
    return decoder.items([body for version in _VERSIONS for body in await _routes(socket, version)], names)


async def routes_of_table(
    socket: Netlink, names: Mapping[int, str], *, table: int, version: int
) -> frozenset[Route]:
    """Our routes of one IP version in one table."""
    return route_decoder().items(await _routes(socket, version, table=table), names)


async def _routes(socket: Netlink, version: int, *, table: int | None = None) -> list[memoryview]:
    query = rtnl_messages.route_query(version, table=table)
    return await socket.bodies("list routes", netlink.GET_ROUTE, query)


@dataclass(frozen=True, slots=True)
class Rules:
    """All policy routing rules at one moment."""

    messages: tuple[Message, ...]

    def ours(self) -> frozenset[Rule]:
        """Those with our protocol number, without the kernel's own that were made again."""
        return _decoded(self.messages, rtnl_messages.read_rule) - KERNEL_RULES

    def standing(self) -> frozenset[Rule]:
        """Of the kernel's own, those that are there, whoever made them."""
        return _decoded(self.messages, rtnl_messages.plain_rule) & KERNEL_RULES

    def foreign(self) -> frozenset[str]:
        """All others, in words."""
        return frozenset(
            f"IPv{rtnl_messages.rule_version(message)} rule {message.get_attr('FRA_PRIORITY') or 0}"
            for message in self.messages
            if rtnl_messages.read_rule(message) is None
            and rtnl_messages.plain_rule(message) not in KERNEL_RULES
        )


async def rules(socket: Netlink) -> Rules:
    """All rules."""
    messages: list[Message] = []
    for version in _VERSIONS:
        messages += await socket.dump("list rules", netlink.GET_RULE, rtnl_messages.rule_query(version))
    return Rules(tuple(messages))


def proxy_decoder() -> Decoder[ProxyNeighbour]:
    """For `proxies`."""
    return Decoder(rtnl_schema.NEIGHBOUR, rtnl_messages.read_proxy)


async def proxies(
    socket: Netlink, names: Mapping[int, str], decoder: Decoder[ProxyNeighbour]
) -> frozenset[ProxyNeighbour]:
    """All proxy neighbour entries."""
    query = rtnl_messages.proxy_query()
    return decoder.items(await socket.bodies("list proxy neighbours", netlink.GET_NEIGHBOUR, query), names)


async def nics(socket: Netlink) -> tuple[NicReport, ...]:
    """A report per Ethernet adapter and VLAN of ours, by device name."""
    seen = await links(socket)
    everywhere = await addresses(socket, seen.names)
    vlans = {vlan.device for vlan in seen.vlans()}
    shown = (*seen.adapters(), *(m for m in seen.messages if m.get_attr("IFLA_IFNAME") in vlans))
    return tuple(
        NicReport(
            device=message.get_attr("IFLA_IFNAME"),
            mac=message.get_attr("IFLA_ADDRESS"),
            up=message["flags"] & _UP_AND_CARRIER == _UP_AND_CARRIER,
            addresses=tuple(
                sorted(str(a.interface) for a in everywhere if a.device == message.get_attr("IFLA_IFNAME"))
            ),
        )
        for message in sorted(shown, key=lambda m: str(m.get_attr("IFLA_IFNAME")))
    )


def _decoded(messages: Iterable[Message], decode: Callable[[Message], _Item | None]) -> frozenset[_Item]:
    return frozenset(item for message in messages if (item := decode(message)) is not None)
