"""The kernel port over rtnetlink(7), tun ioctls and /proc/sys.

Ownership follows `plan.model.objects`: routes and rules are known by their protocol number, devices of our
making by name, addresses and proxy neighbours by device. A put never changes what another program
made: where the kernel has one place for both (the same route, the same rule), it fails and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, assert_never

from causeway_agent import errors
from causeway_agent.backends.kernel import (
    kernel_events,
    netlink,
    rtnl_l2,
    rtnl_messages,
    rtnl_observe,
    rtnl_requests,
    sysctl,
    tun,
)
from causeway_agent.backends.kernel.netlink import Netlink
from causeway_agent.backends.kernel.rtnl_schema import Message
from causeway_agent.plan.model.objects import (
    Address,
    Bridge,
    BridgePort,
    KernelObject,
    Link,
    ProcessDevice,
    ProxyNeighbour,
    Route,
    Rule,
    Sysctl,
    Tun,
    Vlan,
)
from causeway_agent.plan.model.target import Observation
from causeway_wire.observed import NicReport
from causeway_wire.types import MacAddress


class RtnlKernel:
    """Implements `engine.ports.Kernel` for the network namespace it is opened in."""

    def __init__(self, connection: Netlink) -> None:
        self._netlink = connection
        self._route_decoder = rtnl_observe.route_decoder()
        self._proxy_decoder = rtnl_observe.proxy_decoder()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator[RtnlKernel]:
        """A kernel whose socket is closed on exit."""
        async with netlink.open_netlink() as connection:
            yield cls(connection)

    async def devices(self) -> dict[MacAddress, str]:
        return (await rtnl_observe.links(self._netlink)).devices()

    async def makes_vlans(self) -> bool:
        """Whether this kernel makes 802.1Q subinterfaces; nothing is made to find out."""
        return await rtnl_l2.makes_vlans(self._netlink)

    async def nics(self) -> tuple[NicReport, ...]:
        return await rtnl_observe.nics(self._netlink)

    def events(self) -> AsyncIterator[str]:
        return kernel_events.events()

    async def observe(self, devices: Iterable[str], sysctls: Iterable[Sysctl]) -> Observation:
        named = frozenset(devices)
        links = await rtnl_observe.links(self._netlink)
        names = links.names
        tuns = links.tuns()
        asked = {item.key for item in sysctls}
        settings = await sysctl.read(asked.union(item.key for item in rtnl_l2.FILTER_CALLS))
        vlans, bridges, lent = links.vlans(), links.bridges(settings), links.lent()
        ours = named | {item.device for item in tuns} | {item.device for item in vlans}
        ours |= {item.device for item in lent}
        addresses = await rtnl_observe.addresses(self._netlink, names)
        proxies = await rtnl_observe.proxies(self._netlink, names, self._proxy_decoder)
        rules = await rtnl_observe.rules(self._netlink)
        return Observation(
            links=links.up(named - {item.device for item in vlans}),
            vlans=vlans,
            tuns=tuns,
            lent=lent,
            bridges=bridges,
            ports=links.ports(ours | {item.device for item in bridges}),
            addresses=frozenset(item for item in addresses if item.device in ours),
            routes=await rtnl_observe.routes(self._netlink, names, self._route_decoder),
            rules=rules.ours(),
            proxies=frozenset(item for item in proxies if item.device in named),
            sysctls=frozenset(item for item in settings if item.key in asked),
            standing=rules.standing(),
            foreign=rules.foreign(),
        )

    async def put(self, item: KernelObject) -> None:  # noqa: C901 - one per kind
        match item:
            case Link():
                await self._set_link(f"set up {item.device}", item.device, mtu=item.mtu)
            case Vlan():
                await rtnl_l2.put_vlan(self._netlink, item)
            case Bridge():
                await rtnl_l2.put_bridge(self._netlink, item)
            case BridgePort():
                await rtnl_l2.put_port(self._netlink, item)
            case Tun():
                await self._put_tun(item)
            case ProcessDevice():
                await self._put_lent(item)
            case Address():
                await self._put_address(item)
            case Route():
                await self._put_route(item)
            case Rule():
                await self._put_rule(item)
            case ProxyNeighbour():
                await self._put_proxy(item)
            case Sysctl():
                await sysctl.write(item)
            case _:
                assert_never(item)

    async def drop(self, item: KernelObject) -> None:
        """Make the object not exist. A link is set down; a sysctl keeps its value, it has no other state."""
        match item:
            case Link():
                await self._set_down(item)
            case Tun() | Vlan() | Bridge() | ProcessDevice():
                await rtnl_l2.delete(self._netlink, item.device)
            case BridgePort():
                await rtnl_l2.drop_port(self._netlink, item)
            case Address():
                await self._delete(item, netlink.DELETE_ADDRESS, rtnl_messages.address)
            case Route():
                await self._drop_route(item)
            case Rule():
                doing = _deleting(item)
                code = await self._netlink.request(doing, netlink.DELETE_RULE, rtnl_messages.rule(item))
                rtnl_requests.check(doing, code, fine=rtnl_requests.GONE)
            case ProxyNeighbour():
                await self._delete(item, netlink.DELETE_NEIGHBOUR, rtnl_messages.proxy)
            case Sysctl():
                pass
            case _:
                assert_never(item)

    async def _set_link(
        self, doing: str, device: str, *, mtu: int | None = None, queue_length: int | None = None
    ) -> None:
        message = rtnl_messages.link(
            rtnl_requests.index(doing, device), up=True, mtu=mtu, queue_length=queue_length
        )
        rtnl_requests.check(doing, await self._netlink.request(doing, netlink.NEW_LINK, message))

    async def _set_down(self, item: Link) -> None:
        index = rtnl_requests.index_or_none(item.device)
        if index is None:
            return
        doing = f"set down {item.device}"
        message = rtnl_messages.link(index, up=False)
        code = await self._netlink.request(doing, netlink.NEW_LINK, message)
        rtnl_requests.check(doing, code, fine=rtnl_requests.GONE)

    async def _put_tun(self, item: Tun) -> None:
        doing = f"create {item.device}"
        seen = {tun.device: tun for tun in (await rtnl_observe.links(self._netlink)).tuns()}.get(item.device)
        if seen is None or (seen.owner, seen.ethernet) != (item.owner, item.ethernet):
            if seen is not None and (item.owner is None or seen.ethernet != item.ethernet):
                await self.drop(seen)
            try:
                await asyncio.to_thread(tun.create, item.device, owner=item.owner, ethernet=item.ethernet)
            except OSError as error:
                raise errors.BackendError(doing, error.strerror or str(error)) from error
        if item.ethernet:
            await rtnl_l2.silence(item.device)
        await self._set_link(doing, item.device, mtu=item.mtu, queue_length=item.queue_length)

    async def _put_lent(self, item: ProcessDevice) -> None:
        """Nothing is made: once its process has gone, there is nothing to set up until the next one."""
        if rtnl_requests.index_or_none(item.device) is not None:
            await self._set_link(f"set up {item.device}", item.device, mtu=item.mtu)

    async def _put_address(self, item: Address) -> None:
        doing = f"add {item.interface} to {item.device}"
        index = rtnl_requests.index(doing, item.device)
        present = await rtnl_observe.addresses(self._netlink, {index: item.device})
        if item in present:
            return
        for rival in (seen for seen in present if _same_place(seen, item)):
            await self.drop(rival)
        rtnl_requests.check(
            doing, await self._create(doing, netlink.NEW_ADDRESS, rtnl_messages.address(item, index))
        )

    async def _put_route(self, item: Route) -> None:
        doing = f"add route {item.destination} by {item.device} in table {item.table}"
        message = rtnl_messages.route(item, rtnl_requests.index(doing, item.device))
        code = await self._create(doing, netlink.NEW_ROUTE, message)
        if code == errno.EEXIST:
            rivals = [seen for seen in await self._routes(item) if seen.metric == item.metric]
            if item in rivals:
                return
            if not rivals:
                raise errors.BackendError(doing, "a route that another program made is in its place")
            flags = netlink.CREATE | netlink.REPLACE
            code = await self._netlink.request(doing, netlink.NEW_ROUTE, message, flags=flags)
        rtnl_requests.check(doing, code)

    async def _drop_route(self, item: Route) -> None:
        if item.metric == 0 and item.destination.version == 4 and not await self._has_metric_0(item):  # noqa: PLR2004
            return
        await self._delete(item, netlink.DELETE_ROUTE, rtnl_messages.route_reference)

    async def _has_metric_0(self, item: Route) -> bool:
        """Whether there is such an IPv4 route with metric 0. A deletion would take that for any metric.

        A request to create it, exclusively but without leave to create, only asks (fib_table_insert).
        """
        index = rtnl_requests.index_or_none(item.device)
        if index is None:
            return False
        message = rtnl_messages.route(item, index)
        code = await self._netlink.request(
            _deleting(item), netlink.NEW_ROUTE, message, flags=netlink.EXCLUSIVE
        )
        return code == errno.EEXIST

    async def _routes(self, item: Route) -> list[Route]:
        """Our routes of the same table to the same destination."""
        names = dict(socket.if_nameindex())
        routes = await rtnl_observe.routes_of_table(
            self._netlink, names, table=item.table, version=item.destination.version
        )
        return [seen for seen in routes if (seen.destination, seen.table) == (item.destination, item.table)]

    async def _put_rule(self, item: Rule) -> None:
        doing = f"add rule {item.priority}" + ("" if item.table is None else f" for table {item.table}")
        code = await self._create(doing, netlink.NEW_RULE, rtnl_messages.rule(item))
        if code == errno.EEXIST:
            rules = await rtnl_observe.rules(self._netlink)
            if item in rules.ours() | rules.standing():
                return
            raise errors.BackendError(doing, "a rule that another program made is in its place")
        rtnl_requests.check(doing, code)

    async def _put_proxy(self, item: ProxyNeighbour) -> None:
        doing = f"answer for {item.address} on {item.device}"
        index = rtnl_requests.index(doing, item.device)
        claimed = dataclasses.replace(item, claimed=True)
        decoder = rtnl_observe.proxy_decoder()
        names = {index: item.device}
        if not item.claimed and claimed in await rtnl_observe.proxies(self._netlink, names, decoder):
            # The kernel changes an entry's protocol number to another one, but never takes it away.
            await self.drop(claimed)
        message = rtnl_messages.proxy(item, index)
        flags = netlink.CREATE | netlink.REPLACE
        rtnl_requests.check(
            doing, await self._netlink.request(doing, netlink.NEW_NEIGHBOUR, message, flags=flags)
        )

    async def _create(self, doing: str, kind: int, message: Message) -> int:
        return await self._netlink.request(doing, kind, message, flags=netlink.CREATE | netlink.EXCLUSIVE)

    async def _delete(
        self, item: Address | Route | ProxyNeighbour, kind: int, encode: Callable[[Any, int], Message]
    ) -> None:
        index = rtnl_requests.index_or_none(item.device)
        if index is None:
            return
        doing = _deleting(item)
        rtnl_requests.check(
            doing, await self._netlink.request(doing, kind, encode(item, index)), fine=rtnl_requests.GONE
        )


def _same_place(seen: Address, wanted: Address) -> bool:
    """Whether the kernel has one place for both. IPv6 knows an address without the length of its prefix."""
    if wanted.interface.version == 6:  # noqa: PLR2004
        return seen.interface.ip == wanted.interface.ip
    return seen.interface == wanted.interface


def _deleting(item: KernelObject) -> str:
    return f"delete {item}"
