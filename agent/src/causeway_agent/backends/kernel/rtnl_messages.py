"""Kernel objects to rtnetlink messages and back, side by side so that both directions stay equal.

A decoder returns None for what is not ours or cannot be ours. Devices travel as indexes; callers pass the
index in, or the names by index.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping

from causeway_agent.backends.kernel import rtnl_schema
from causeway_agent.backends.kernel.rtnl_schema import Message
from causeway_agent.plan.model.objects import (
    MAIN_TABLE,
    PROTOCOL,
    Address,
    Link,
    ProcessDevice,
    ProxyNeighbour,
    Route,
    Rule,
    Tun,
)
from causeway_wire.types import IPAddress

# linux/if.h, linux/if_addr.h, linux/rtnetlink.h, linux/fib_rules.h, linux/neighbour.h
_UP = 0x1
_ALONE6 = 128
"""Prefix length of an IPv6 address with no network around it."""
_NO_DUPLICATE_DETECTION = 0x02
_NO_PREFIX_ROUTE = 0x200
_PERMANENT = 0x80
_SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_ANY = 0, 253, 255
_UNICAST = 1
_ON_LINK = 4
_TO_TABLE = 1
_UNREACHABLE = 7  # FR_ACT_UNREACHABLE, linux/fib_rules.h
_RULE_INVERTED = 0x2
_NOTHING_SUPPRESSED = 0xFFFFFFFF
_PROXY = 8
_SKIP_STATISTICS = 8
# linux/if_tun.h
_TAP = 2

_MTU_LOCKED = 1 << 2
"""RTAX_LOCK with the bit of RTAX_MTU."""
_IPV6_DEFAULT_METRIC = 1024
"""What the kernel makes of metric 0 (net/ipv6: IP6_RT_PRIO_USER)."""


def family(version: int) -> int:
    """AF_INET or AF_INET6."""
    return int(socket.AF_INET if version == 4 else socket.AF_INET6)  # noqa: PLR2004 - the IP version


def link_query() -> Message:
    """Ask for all links, without their counters."""
    message = Message(rtnl_schema.LINK)
    return message.add("IFLA_EXT_MASK", _SKIP_STATISTICS)


def link(index: int, *, up: bool, mtu: int | None = None, queue_length: int | None = None) -> Message:
    """Set a link's administrative state, and its MTU and queue length where given."""
    message = Message(rtnl_schema.LINK)
    message["index"] = index
    message["flags"] = _UP if up else 0
    message["change"] = _UP
    if mtu is not None:
        message.add("IFLA_MTU", mtu)
    if queue_length is not None:
        message.add("IFLA_TXQLEN", queue_length)
    return message


def link_reference(index: int) -> Message:
    """Name a link, to delete it."""
    message = Message(rtnl_schema.LINK)
    message["index"] = index
    return message


def link_kind(message: Message) -> str | None:
    """The link's kind (`tun`, `veth`, `bridge`); None for hardware."""
    information = message.get_attr("IFLA_LINKINFO")
    return information.get_attr("IFLA_INFO_KIND") if information is not None else None


def read_link(message: Message) -> Link | None:
    """The link when it is up: a link that is down does not exist yet for whoever asked for it."""
    if not message["flags"] & _UP:
        return None
    return Link(device=message.get_attr("IFLA_IFNAME"), mtu=message.get_attr("IFLA_MTU"))


def read_tun(message: Message) -> Tun:
    """The tun device. One that is down is shown with MTU 0: known to exist, equal to no wanted one."""
    data = message.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA")
    return Tun(
        device=message.get_attr("IFLA_IFNAME"),
        mtu=message.get_attr("IFLA_MTU") if message["flags"] & _UP else 0,
        queue_length=message.get_attr("IFLA_TXQLEN"),
        owner=data.get_attr("IFLA_TUN_OWNER") if data is not None else None,
        ethernet=data is not None and data.get_attr("IFLA_TUN_TYPE") == _TAP,
    )


def read_lent(message: Message) -> ProcessDevice:
    """The device that a process made; MTU 0 while it is down, as of `read_tun`."""
    mtu = message.get_attr("IFLA_MTU") if message["flags"] & _UP else 0
    return ProcessDevice(device=message.get_attr("IFLA_IFNAME"), mtu=mtu)


def address(item: Address, index: int) -> Message:
    """The address, marked with our protocol; IPv6 without duplicate address detection.

    Detection would keep a failed-over gateway address unusable for a second; the engine probes instead. A
    claimed IPv6 address that stands alone is deprecated from the start: it answers, but neither this machine
    nor its masquerading takes it for a source (RFC 6724, 5, rule 3), as rule 8 might.
    """
    version = item.interface.version
    flags = _PERMANENT if item.prefix_route else _PERMANENT | _NO_PREFIX_ROUTE
    if version == 6:  # noqa: PLR2004
        flags |= _NO_DUPLICATE_DETECTION
    message = Message(rtnl_schema.ADDRESS)
    message["family"] = family(version)
    message["prefixlen"] = item.interface.network.prefixlen
    message["index"] = index
    message.add("IFA_LOCAL", item.interface.ip)
    message.add("IFA_ADDRESS", item.peer or item.interface.ip)
    message.add("IFA_FLAGS", flags)
    message.add("IFA_PROTO", PROTOCOL)
    if item.claimed and item.interface.network.prefixlen == _ALONE6:
        message.add("IFA_CACHEINFO", 0)
    return message


def read_address(message: Message, names: Mapping[int, str]) -> Address | None:
    """The address, unless it is the link-local one the kernel made by itself."""
    far: IPAddress = message.get_attr("IFA_ADDRESS")
    near: IPAddress = message.get_attr("IFA_LOCAL") or far
    device = names.get(message["index"])
    foreign = message.get_attr("IFA_PROTO") != PROTOCOL
    kernels_own = near.version == 6 and near.is_link_local and foreign  # noqa: PLR2004
    if device is None or kernels_own:
        return None
    return Address(
        device=device,
        interface=ipaddress.ip_interface((near, message["prefixlen"])),
        prefix_route=not message.get_attr("IFA_FLAGS") & _NO_PREFIX_ROUTE,
        peer=None if far == near else far,
    )


def route_query(version: int, *, table: int | None = None) -> Message:
    """Ask for our routes; the kernel filters (strict checking), the decoder checks again."""
    message = Message(rtnl_schema.ROUTE)
    message["family"] = family(version)
    message["proto"] = PROTOCOL
    return message if table is None else message.add("RTA_TABLE", table)


def _metric(item: Route) -> int:
    if item.metric == 0 and item.destination.version == 6:  # noqa: PLR2004
        return _IPV6_DEFAULT_METRIC
    return item.metric


def route(item: Route, index: int) -> Message:
    """The route. Its gateway is taken to be on the device's segment, whatever addresses the device has."""
    message = Message(rtnl_schema.ROUTE)
    message["family"] = family(item.destination.version)
    message["dst_len"] = item.destination.prefixlen
    message["proto"] = PROTOCOL
    message["scope"] = _SCOPE_LINK if item.via is None else _SCOPE_UNIVERSE
    message["type"] = _UNICAST
    message.add("RTA_TABLE", item.table).add("RTA_OIF", index)
    if item.destination.prefixlen:
        message.add("RTA_DST", item.destination.network_address)
    if item.via is not None:
        message["flags"] = _ON_LINK
        message.add("RTA_GATEWAY", item.via)
    if _metric(item):
        message.add("RTA_PRIORITY", _metric(item))
    if item.mtu is not None:
        message.add("RTA_METRICS", {"RTAX_LOCK": _MTU_LOCKED, "RTAX_MTU": item.mtu})
    return message


def route_reference(item: Route, index: int) -> Message:
    """Name exactly this route of ours, to delete it."""
    message = route(item, index)
    message["scope"] = _SCOPE_ANY
    return message


def read_route(message: Message, names: Mapping[int, str]) -> Route | None:
    """The route when it is ours and leaves by one device."""
    device = names.get(message.get_attr("RTA_OIF") or 0)
    if message["proto"] != PROTOCOL or message["type"] != _UNICAST or device is None:
        return None
    version = 4 if message["family"] == socket.AF_INET else 6
    anywhere = bytes(4 if version == 4 else 16)  # noqa: PLR2004
    metric = message.get_attr("RTA_PRIORITY") or 0
    return Route(
        destination=ipaddress.ip_network((message.get_attr("RTA_DST") or anywhere, message["dst_len"])),
        device=device,
        table=message.get_attr("RTA_TABLE") or message["table"] or MAIN_TABLE,
        via=message.get_attr("RTA_GATEWAY"),
        metric=0 if version == 6 and metric == _IPV6_DEFAULT_METRIC else metric,  # noqa: PLR2004
        mtu=_mtu(message),
    )


def _mtu(message: Message) -> int | None:
    """The MTU when it is as we set it: locked."""
    metrics = message.get_attr("RTA_METRICS")
    if metrics is None or metrics.get_attr("RTAX_LOCK") != _MTU_LOCKED:
        return None
    mtu: int | None = metrics.get_attr("RTAX_MTU")
    return mtu


def rule_query(version: int) -> Message:
    """Ask for all rules of a family."""
    message = Message(rtnl_schema.RULE)
    message["family"] = family(version)
    return message


def rule(item: Rule) -> Message:
    """The rule."""
    message = Message(rtnl_schema.RULE)
    message["family"] = family(item.version)
    message["action"] = _UNREACHABLE if item.table is None else _TO_TABLE
    message.add("FRA_PRIORITY", item.priority)
    if item.table is not None:
        message.add("FRA_TABLE", item.table)
    message.add("FRA_PROTOCOL", PROTOCOL)
    if item.input_device is not None:
        message.add("FRA_IIFNAME", item.input_device)
    if item.protocol is not None:
        message.add("FRA_IP_PROTO", item.protocol)
    if item.source is not None:
        message["src_len"] = item.source.max_prefixlen
        message.add("FRA_SRC", item.source)
    return message


def read_rule(message: Message) -> Rule | None:
    """The rule when it is ours."""
    return plain_rule(message) if message.get_attr("FRA_PROTOCOL") == PROTOCOL else None


def plain_rule(message: Message) -> Rule | None:
    """The rule, whoever made it; None when it asks more of a packet than a `Rule` can say."""
    source = message.get_attr("FRA_SRC")
    whole = source.max_prefixlen if source is not None else 0
    asked = (message["src_len"], message["dst_len"], message["tos"], message["flags"] & _RULE_INVERTED)
    if (
        message["action"] not in {_TO_TABLE, _UNREACHABLE}
        or asked != (whole, 0, 0, 0)
        or message.get_attr("FRA_SUPPRESS_PREFIXLEN") not in {None, _NOTHING_SUPPRESSED}
        or message.has_others()
    ):
        return None
    return Rule(
        version=rule_version(message),
        priority=message.get_attr("FRA_PRIORITY") or 0,
        table=(
            None if message["action"] == _UNREACHABLE else message.get_attr("FRA_TABLE") or message["table"]
        ),
        input_device=message.get_attr("FRA_IIFNAME"),
        source=source,
        protocol=message.get_attr("FRA_IP_PROTO") or None,
    )


def rule_version(message: Message) -> int:
    """The IP version whose packets the rule is asked for."""
    return 4 if message["family"] == socket.AF_INET else 6


def proxy_query() -> Message:
    """Ask for the proxy entries of both families."""
    message = Message(rtnl_schema.NEIGHBOUR)
    message["flags"] = _PROXY
    return message


def proxy(item: ProxyNeighbour, index: int) -> Message:
    """The proxy entry. A claimed one carries our protocol number, so that the kernel remembers the claim."""
    message = Message(rtnl_schema.NEIGHBOUR)
    message["family"] = family(item.address.version)
    message["ifindex"] = index
    message["flags"] = _PROXY
    message.add("NDA_DST", item.address)
    if item.claimed:
        message.add("NDA_PROTOCOL", PROTOCOL)
    return message


def read_proxy(message: Message, names: Mapping[int, str]) -> ProxyNeighbour | None:
    """The proxy entry."""
    device = names.get(message["ifindex"])
    target = message.get_attr("NDA_DST")
    if device is None or target is None or not message["flags"] & _PROXY:
        return None
    return ProxyNeighbour(
        device=device,
        address=target,
        claimed=message.get_attr("NDA_PROTOCOL") == PROTOCOL,
    )
