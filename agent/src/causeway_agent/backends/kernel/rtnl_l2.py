"""802.1Q subinterfaces, bridges and bridge ports over rtnetlink(7): messages both ways, and the order of the
requests that make them.

What is not quite as wanted (down, or with other settings) is shown with MTU 0: known to exist, equal to no
wanted one, put again.
"""

from __future__ import annotations

import dataclasses
import errno
import socket
from collections.abc import Container, Iterable, Mapping

from causeway_agent import errors
from causeway_agent.backends.kernel import netlink, rtnl_messages, rtnl_requests, rtnl_schema, sysctl
from causeway_agent.backends.kernel.netlink import Netlink
from causeway_agent.backends.kernel.rtnl_schema import Attributes, Message
from causeway_agent.plan.model.objects import BRIDGE_PREFIX, VLAN_PREFIX, Bridge, BridgePort, Sysctl, Vlan

# linux/if.h: the second is the kernel's netif_oper_up(); linux/if_bridge.h: BR_STATE_*
_UP, _RUNNING = 0x1, 0x40
_DISABLED, _FORWARDING = 0, 3

_BRIDGE_SETTINGS: Mapping[str, int] = {
    "IFLA_BR_AGEING_TIME": 300 * 100,
    "IFLA_BR_GROUP_FWD_MASK": 0xFFF8,
    "IFLA_BR_STP_STATE": 0,
    "IFLA_BR_MCAST_SNOOPING": 0,
    "IFLA_BR_NF_CALL_IPTABLES": 0,
    "IFLA_BR_NF_CALL_IP6TABLES": 0,
    "IFLA_BR_NF_CALL_ARPTABLES": 0,
}
"""Of the kernel's own values are stated those that change what passes: with no age every frame is flooded,
the mask has the packet filter asked about what bridges keep to themselves (IEEE 802.1Q, 8.6.3), which drops
it: the kernel learns from such frames unasked. Its three lowest bits are not taken. Times in hundredths of a
second.
"""
_PORT_SETTINGS: Mapping[str, int] = {
    "IFLA_BRPORT_MODE": 0,
    "IFLA_BRPORT_GUARD": 0,
    "IFLA_BRPORT_UNICAST_FLOOD": 1,
    "IFLA_BRPORT_PROXYARP": 0,
    "IFLA_BRPORT_MCAST_FLOOD": 1,
    "IFLA_BRPORT_BCAST_FLOOD": 1,
    "IFLA_BRPORT_NEIGH_SUPPRESS": 0,
    "IFLA_BRPORT_LOCKED": 0,
}
"""What `BridgePort.plain` means; mode 1 sends frames back to where they came from (hairpin)."""
FILTER_CALLS: frozenset[Sysctl] = frozenset(
    Sysctl(f"net/bridge/bridge-nf-call-{family}tables", "0") for family in ("ip", "ip6", "arp")
)
"""br_netfilter hands a bridge's frames to the filters of IP and ARP if these or the bridge's own settings say
so, and these are 1 by default (net/bridge/br_netfilter_hooks.c). Without the module there are no such keys.
"""

NO_8021Q = "this kernel makes no 802.1Q subinterfaces (module 8021q)"


async def makes_vlans(connection: Netlink) -> bool:
    """Whether this kernel makes 802.1Q subinterfaces, the module loaded where need be.

    Asks for one without properties: refused as invalid where VLANs are known, as an unknown type of device
    where they are not (net/core/rtnetlink.c). Nothing is made.
    """
    message = Message(rtnl_schema.LINK)
    message.add("IFLA_LINKINFO", {"IFLA_INFO_KIND": "vlan"})
    flags = netlink.CREATE | netlink.EXCLUSIVE
    code = await connection.request("ask for VLANs", netlink.NEW_LINK, message, flags=flags)
    return code == errno.EINVAL


def read_vlan(message: Message, names: Mapping[int, str]) -> Vlan | None:
    """The VLAN when it is ours."""
    device = message.get_attr("IFLA_IFNAME")
    if rtnl_messages.link_kind(message) != "vlan" or not device.startswith(VLAN_PREFIX):
        return None
    return Vlan(
        device=device,
        parent=names.get(message.get_attr("IFLA_LINK") or 0, ""),
        id=_data(message).get_attr("IFLA_VLAN_ID"),
        mtu=message.get_attr("IFLA_MTU") if message["flags"] & _UP else 0,
    )


def read_bridge(message: Message, settings: frozenset[Sysctl]) -> Bridge | None:
    """The bridge when it is ours; `settings` hold the current values of `FILTER_CALLS`."""
    device = message.get_attr("IFLA_IFNAME")
    if rtnl_messages.link_kind(message) != "bridge" or not device.startswith(BRIDGE_PREFIX):
        return None
    data = _data(message)
    right = not any(Sysctl(call.key, "1") in settings for call in FILTER_CALLS) and all(
        data.get_attr(name) in {value, None} for name, value in _BRIDGE_SETTINGS.items()
    )
    mtu = message.get_attr("IFLA_MTU") if right else 0
    return Bridge(device=device, mtu=mtu, up=bool(message["flags"] & _UP))


def bridges_up(messages: Iterable[Message]) -> frozenset[int]:
    """Indexes of the bridges that are up, whoever made them."""
    return frozenset(
        message["index"]
        for message in messages
        if rtnl_messages.link_kind(message) == "bridge" and message["flags"] & _UP
    )


def _state(message: Message, up: Container[int]) -> int:
    """The state that the kernel gives a port without the spanning tree protocol: forwarding or disabled
    (net/bridge/br_stp_if.c, br_if.c: br_port_carrier_check).
    """
    runs = message["flags"] & _RUNNING and message.get_attr("IFLA_MASTER") in up
    return _FORWARDING if runs else _DISABLED


def read_port(message: Message, names: Mapping[int, str], up: Container[int]) -> BridgePort | None:
    """The port, of whichever bridge; `up` are the indexes of `bridges_up`."""
    information = message.get_attr("IFLA_LINKINFO")
    if information is None or information.get_attr("IFLA_INFO_SLAVE_KIND") != "bridge":
        return None
    data = information.get_attr("IFLA_INFO_SLAVE_DATA")
    return BridgePort(
        device=message.get_attr("IFLA_IFNAME"),
        bridge=names.get(message.get_attr("IFLA_MASTER") or 0, ""),
        isolated=bool(data.get_attr("IFLA_BRPORT_ISOLATED")),
        learning=bool(data.get_attr("IFLA_BRPORT_LEARNING")),
        plain=data.get_attr("IFLA_BRPORT_STATE") == _state(message, up)
        and all(data.get_attr(name) in {value, None} for name, value in _PORT_SETTINGS.items()),
    )


async def put_vlan(connection: Netlink, item: Vlan) -> None:
    """Make it, up; one of this name with another parent or identifier is replaced."""
    doing = f"make VLAN {item.id} on {item.parent}"
    parent = rtnl_requests.index(doing, item.parent)
    present = await _present(connection, item.device)
    seen = read_vlan(present, dict(socket.if_nameindex())) if present is not None else None
    if seen is not None and dataclasses.replace(item, mtu=seen.mtu) != seen:
        await delete(connection, item.device)
        seen = None
    if seen is None:
        message = _new(item.device, "vlan", {"IFLA_VLAN_ID": item.id})
        message.add("IFLA_LINK", parent)
        code = await _create(connection, doing, message)
        if code == errno.EOPNOTSUPP:
            raise errors.BackendError(doing, NO_8021Q)
        if code == errno.EEXIST:
            reason = f"{item.parent} carries this VLAN already, or {item.device} is a device of another kind"
            raise errors.BackendError(doing, reason)
        rtnl_requests.check(doing, code)
    await _set_up(connection, doing, item.device, mtu=item.mtu)


async def put_bridge(connection: Netlink, item: Bridge) -> None:
    """Make it, with all its settings, up or down. It is silent before it is up."""
    doing = f"make bridge {item.device}"
    filter_calls = await sysctl.read(setting.key for setting in FILTER_CALLS)
    for setting in filter_calls - FILTER_CALLS:
        await sysctl.write(Sysctl(setting.key, "0"))
    message = _new(item.device, "bridge", _BRIDGE_SETTINGS)
    # A bridge follows the least MTU of its ports until its own is changed (net/bridge/br_if.c).
    message.add("IFLA_MTU", item.mtu - 1)
    code = await _create(connection, doing, message)
    if code == errno.EEXIST:
        message["index"] = rtnl_requests.index(doing, item.device)
        code = await connection.request(doing, netlink.NEW_LINK, message)
    rtnl_requests.check(doing, code)
    await silence(item.device)
    if item.up:
        await _set_up(connection, doing, item.device, mtu=item.mtu)
    else:
        message = rtnl_messages.link(rtnl_requests.index(doing, item.device), up=False, mtu=item.mtu)
        rtnl_requests.check(doing, await connection.request(doing, netlink.NEW_LINK, message))


async def put_port(connection: Netlink, item: BridgePort) -> None:
    """Make the device a port of the bridge. An isolated one joins while it is down: it passes no frame before
    it is isolated.
    """
    doing = f"make {item.device} a port of {item.bridge}"
    index, bridge = (rtnl_requests.index(doing, name) for name in (item.device, item.bridge))
    links = await connection.dump("list links", netlink.GET_LINK, rtnl_messages.link_query())
    up = bridges_up(links)
    present = next((message for message in links if message["index"] == index), None)
    seen = None if present is None else read_port(present, {bridge: item.bridge}, up)
    if seen == item:
        return
    joins = seen is None or seen.bridge != item.bridge
    if joins:
        message = rtnl_messages.link(index, up=not item.isolated)
        message.add("IFLA_MASTER", bridge)
        code = await connection.request(doing, netlink.NEW_LINK, message)
        if code and present is not None and present["flags"] & _UP:
            # A device without Ethernet frames is refused; by then the kernel may have set it down.
            await _set_up(connection, doing, item.device)
        rtnl_requests.check(doing, code)
    message = rtnl_messages.link_reference(index)
    own = {"IFLA_BRPORT_ISOLATED": int(item.isolated), "IFLA_BRPORT_LEARNING": int(item.learning)}
    flags = {**(_PORT_SETTINGS if item.plain else {}), **own}
    if present is not None and not joins:
        flags["IFLA_BRPORT_STATE"] = _state(present, up)
    message.add("IFLA_LINKINFO", {"IFLA_INFO_SLAVE_KIND": "bridge", "IFLA_INFO_SLAVE_DATA": flags})
    rtnl_requests.check(doing, await connection.request(doing, netlink.NEW_LINK, message))
    if joins and item.isolated:
        await _set_up(connection, doing, item.device)


async def drop_port(connection: Netlink, item: BridgePort) -> None:
    """Take the device out of that bridge; it stays in another one."""
    present = await _present(connection, item.device)
    seen = None if present is None else read_port(present, dict(socket.if_nameindex()), ())
    index = rtnl_requests.index_or_none(item.device)
    if seen is None or index is None or seen.bridge != item.bridge:
        return
    doing = f"take {item.device} out of {item.bridge}"
    message = rtnl_messages.link_reference(index)
    message.add("IFLA_MASTER", 0)
    code = await connection.request(doing, netlink.NEW_LINK, message)
    rtnl_requests.check(doing, code, fine=rtnl_requests.GONE)


async def delete(connection: Netlink, device: str) -> None:
    """Delete a device of ours with all that rests on it."""
    index = rtnl_requests.index_or_none(device)
    if index is None:
        return
    doing = f"delete {device}"
    code = await connection.request(doing, netlink.DELETE_LINK, rtnl_messages.link_reference(index))
    rtnl_requests.check(doing, code, fine=rtnl_requests.GONE)


async def silence(device: str) -> None:
    """Keep the kernel from speaking IPv6 of its own on a device that only carries others' frames."""
    key = f"net/ipv6/conf/{device}/disable_ipv6"
    for setting in await sysctl.read([key]):
        await sysctl.write(Sysctl(setting.key, "1"))


async def _set_up(connection: Netlink, doing: str, device: str, *, mtu: int | None = None) -> None:
    message = rtnl_messages.link(rtnl_requests.index(doing, device), up=True, mtu=mtu)
    rtnl_requests.check(doing, await connection.request(doing, netlink.NEW_LINK, message))


async def _create(connection: Netlink, doing: str, message: Message) -> int:
    flags = netlink.CREATE | netlink.EXCLUSIVE
    return await connection.request(doing, netlink.NEW_LINK, message, flags=flags)


async def _present(connection: Netlink, device: str) -> Message | None:
    """The link's message, None when there is no such device."""
    seen = await connection.dump("list links", netlink.GET_LINK, rtnl_messages.link_query())
    return next((message for message in seen if message.get_attr("IFLA_IFNAME") == device), None)


def _new(device: str, kind: str, data: Mapping[str, int]) -> Message:
    message = Message(rtnl_schema.LINK)
    message.add("IFLA_IFNAME", device)
    return message.add("IFLA_LINKINFO", {"IFLA_INFO_KIND": kind, "IFLA_INFO_DATA": data})


def _data(message: Message) -> Attributes:
    data: Attributes = message.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA")
    return data
