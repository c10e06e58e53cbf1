"""Kernel objects to rtnetlink messages and back, side by side so that both directions stay equal.

A decoder returns None for what is not ours or cannot be ours. Devices travel as indexes; callers pass the
index in, or the names by index.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any

from causeway_agent.backends import netlink
from causeway_agent.plan.objects import MAIN_TABLE, PROTOCOL, Address, Link, ProxyNeighbour, Route, Rule, Tun

# linux/if.h, linux/if_addr.h, linux/rtnetlink.h, linux/fib_rules.h, linux/neighbour.h
_UP = 0x1
_ALONE6 = 128
"""Prefix length of an IPv6 address with no network around it."""
_FOREVER = 0xFFFFFFFF
_NO_DUPLICATE_DETECTION = 0x02
_NO_PREFIX_ROUTE = 0x200
_PERMANENT = 0x80
_SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_ANY = 0, 253, 255
_UNICAST = 1
_ON_LINK = 4
_TO_TABLE = 1
_PROXY = 8
_SKIP_STATISTICS = 8
# linux/if_tun.h
_TAP = 2

_IPV6_DEFAULT_METRIC = 1024
"""What the kernel makes of metric 0 (net/ipv6: IP6_RT_PRIO_USER)."""


def family(version: int) -> int:
    """AF_INET or AF_INET6."""
    return int(socket.AF_INET if version == 4 else socket.AF_INET6)  # noqa: PLR2004 - the IP version


def link_query() -> Any:
    """Ask for all links, without their counters."""
    message = netlink.LinkMessage()
    message["attrs"] = [["IFLA_EXT_MASK", _SKIP_STATISTICS]]
    return message


def link(index: int, *, up: bool, mtu: int | None = None, queue_length: int | None = None) -> Any:
    """Set a link's administrative state, and its MTU and queue length where given."""
    message = netlink.LinkMessage()
    message["index"] = index
    message["flags"] = _UP if up else 0
    message["change"] = _UP
    message["attrs"] = []
    if mtu is not None:
        message["attrs"].append(["IFLA_MTU", mtu])
    if queue_length is not None:
        message["attrs"].append(["IFLA_TXQLEN", queue_length])
    return message


def link_reference(index: int) -> Any:
    """Name a link, to delete it."""
    message = netlink.LinkMessage()
    message["index"] = index
    return message


def link_kind(message: Any) -> str | None:
    """The link's kind (`tun`, `veth`, `bridge`); None for hardware."""
    information = message.get_attr("IFLA_LINKINFO")
    return information.get_attr("IFLA_INFO_KIND") if information is not None else None


def read_link(message: Any) -> Link | None:
    """The link when it is up: a link that is down does not exist yet for whoever asked for it."""
    if not message["flags"] & _UP:
        return None
    return Link(device=message.get_attr("IFLA_IFNAME"), mtu=message.get_attr("IFLA_MTU"))


def read_tun(message: Any) -> Tun:
    """The tun device. One that is down is shown with MTU 0: known to exist, equal to no wanted one."""
    data = message.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA")
    return Tun(
        device=message.get_attr("IFLA_IFNAME"),
        mtu=message.get_attr("IFLA_MTU") if message["flags"] & _UP else 0,
        queue_length=message.get_attr("IFLA_TXQLEN"),
        owner=data.get_attr("IFLA_TUN_OWNER") if data is not None else None,
        ethernet=data is not None and data.get_attr("IFLA_TUN_TYPE") == _TAP,
    )


def address(item: Address, index: int) -> Any:
    """The address, marked with our protocol; IPv6 without duplicate address detection.

    Detection would keep a failed-over gateway address unusable for a second; the engine probes instead. A
    claimed IPv6 address that stands alone is deprecated from the start: it answers, but neither this machine
    nor its masquerading takes it for a source (RFC 6724, 5, rule 3), as rule 8 might.
    """
    version = item.interface.version
    flags = _PERMANENT if item.prefix_route else _PERMANENT | _NO_PREFIX_ROUTE
    if version == 6:  # noqa: PLR2004
        flags |= _NO_DUPLICATE_DETECTION
    message = netlink.AddressMessage()
    message["family"] = family(version)
    message["prefixlen"] = item.interface.network.prefixlen
    message["index"] = index
    message["attrs"] = [
        ["IFA_LOCAL", str(item.interface.ip)],
        ["IFA_ADDRESS", str(item.peer or item.interface.ip)],
        ["IFA_FLAGS", flags],
        ["IFA_PROTO", PROTOCOL],
    ]
    if item.claimed and item.interface.network.prefixlen == _ALONE6:
        lifetime = {"ifa_preferred": 0, "ifa_valid": _FOREVER, "cstamp": 0, "tstamp": 0}
        message["attrs"].append(["IFA_CACHEINFO", lifetime])
    return message


def read_address(message: Any, names: Mapping[int, str]) -> Address | None:
    """The address, unless it is the link-local one the kernel made by itself."""
    remote, local, protocol, flags = _attributes(
        message, "IFA_ADDRESS", "IFA_LOCAL", "IFA_PROTO", "IFA_FLAGS"
    )
    far = ipaddress.ip_address(remote)
    near = far if local is None else ipaddress.ip_address(local)
    device = names.get(message["index"])
    kernels_own = near.version == 6 and near.is_link_local and protocol != PROTOCOL  # noqa: PLR2004
    if device is None or kernels_own:
        return None
    return Address(
        device=device,
        interface=ipaddress.ip_interface((near, message["prefixlen"])),
        prefix_route=not flags & _NO_PREFIX_ROUTE,
        peer=None if far == near else far,
    )


def route_query(version: int, *, table: int | None = None) -> Any:
    """Ask for our routes; the kernel filters (strict checking), the decoder checks again."""
    message = netlink.RouteMessage()
    message["family"] = family(version)
    message["proto"] = PROTOCOL
    message["attrs"] = [] if table is None else [["RTA_TABLE", table]]
    return message


def _metric(item: Route) -> int:
    if item.metric == 0 and item.destination.version == 6:  # noqa: PLR2004
        return _IPV6_DEFAULT_METRIC
    return item.metric


def route(item: Route, index: int) -> Any:
    """The route. Its gateway is taken to be on the device's segment, whatever addresses the device has."""
    message = netlink.RouteMessage()
    message["family"] = family(item.destination.version)
    message["dst_len"] = item.destination.prefixlen
    message["proto"] = PROTOCOL
    message["scope"] = _SCOPE_LINK if item.via is None else _SCOPE_UNIVERSE
    message["type"] = _UNICAST
    message["attrs"] = [["RTA_TABLE", item.table], ["RTA_OIF", index]]
    if item.destination.prefixlen:
        message["attrs"].append(["RTA_DST", str(item.destination.network_address)])
    if item.via is not None:
        message["flags"] = _ON_LINK
        message["attrs"].append(["RTA_GATEWAY", str(item.via)])
    if _metric(item):
        message["attrs"].append(["RTA_PRIORITY", _metric(item)])
    return message


def route_reference(item: Route, index: int) -> Any:
    """Name exactly this route of ours, to delete it."""
    message = route(item, index)
    message["scope"] = _SCOPE_ANY
    return message


def read_route(message: Any, names: Mapping[int, str]) -> Route | None:
    """The route when it is ours and leaves by one device."""
    keys = ("RTA_OIF", "RTA_DST", "RTA_TABLE", "RTA_GATEWAY", "RTA_PRIORITY")
    index, destination, table, via, metric = _attributes(message, *keys)
    device = names.get(index or 0)
    if message["proto"] != PROTOCOL or message["type"] != _UNICAST or device is None:
        return None
    version = 4 if message["family"] == socket.AF_INET else 6
    anywhere = "0.0.0.0" if version == 4 else "::"  # noqa: S104, PLR2004 - a destination, not a bind
    return Route(
        destination=ipaddress.ip_network((destination or anywhere, message["dst_len"])),
        device=device,
        table=table or message["table"] or MAIN_TABLE,
        via=None if via is None else ipaddress.ip_address(via),
        metric=0 if version == 6 and metric == _IPV6_DEFAULT_METRIC else metric or 0,  # noqa: PLR2004
    )


def rule_query(version: int) -> Any:
    """Ask for all rules of a family."""
    message = netlink.RuleMessage()
    message["family"] = family(version)
    return message


def rule(item: Rule) -> Any:
    """The rule."""
    message = netlink.RuleMessage()
    message["family"] = family(item.version)
    message["action"] = _TO_TABLE
    message["attrs"] = [
        ["FRA_PRIORITY", item.priority],
        ["FRA_TABLE", item.table],
        ["FRA_PROTOCOL", PROTOCOL],
    ]
    if item.input_device is not None:
        message["attrs"].append(["FRA_IIFNAME", item.input_device])
    if item.source is not None:
        message["src_len"] = item.source.max_prefixlen
        message["attrs"].append(["FRA_SRC", str(item.source)])
    return message


def read_rule(message: Any) -> Rule | None:
    """The rule when it is ours."""
    keys = ("FRA_PROTOCOL", "FRA_PRIORITY", "FRA_TABLE", "FRA_IIFNAME", "FRA_SRC")
    protocol, priority, table, device, source = _attributes(message, *keys)
    if protocol != PROTOCOL or message["action"] != _TO_TABLE:
        return None
    return Rule(
        version=4 if message["family"] == socket.AF_INET else 6,
        priority=priority or 0,
        table=table or message["table"],
        input_device=device,
        source=None if source is None else ipaddress.ip_address(source),
    )


def proxy_query() -> Any:
    """Ask for the proxy entries of both families."""
    message = netlink.NeighbourMessage()
    message["flags"] = _PROXY
    return message


def proxy(item: ProxyNeighbour, index: int) -> Any:
    """The proxy entry. A claimed one carries our protocol number, so that the kernel remembers the claim."""
    message = netlink.NeighbourMessage()
    message["family"] = family(item.address.version)
    message["ifindex"] = index
    message["flags"] = _PROXY
    message["attrs"] = [["NDA_DST", str(item.address)]]
    if item.claimed:
        message["attrs"].append(["NDA_PROTOCOL", PROTOCOL])
    return message


def read_proxy(message: Any, names: Mapping[int, str]) -> ProxyNeighbour | None:
    """The proxy entry."""
    device = names.get(message["ifindex"])
    target, protocol = _attributes(message, "NDA_DST", "NDA_PROTOCOL")
    if device is None or target is None or not message["flags"] & _PROXY:
        return None
    return ProxyNeighbour(
        device=device,
        address=ipaddress.ip_address(target),
        claimed=protocol == PROTOCOL,
    )


def _attributes(message: Any, *names: str) -> list[Any]:
    """Values of these attributes, None for those that are missing.

    The message's own `get_attr` looks through, and decodes, the list anew for each: four times the work.
    """
    slots = {slot.name: slot for slot in message["attrs"]}
    return [slots[name].value if name in slots else None for name in names]
