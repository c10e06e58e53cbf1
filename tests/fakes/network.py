"""A kernel and its neighbours, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable

from causeway_agent.engine.ports import NeighbourTable, Sighting
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.objects import (
    Address,
    Bridge,
    BridgePort,
    Claim,
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
from causeway_agent.plan.steer.holdings import Holding
from causeway_wire.observed import NicReport
from causeway_wire.types import IPAddress, MacAddress
from tests.fakes.events import EventFeed
from tests.fakes.fuse import Fuse

IPV4 = 4


class FakeKernel:
    """Objects by the identity the real kernel uses; `foreign` ones are kept but never shown."""

    def __init__(self, devices: dict[MacAddress, str], fuse: Fuse | None = None) -> None:
        self.adapters = dict(devices)
        self.objects: dict[object, KernelObject] = {}
        self.feed = EventFeed()
        self.observations = 0
        self._fuse = fuse or Fuse()

    async def devices(self) -> dict[MacAddress, str]:
        """The adapters given at construction."""
        return dict(self.adapters)

    def up(self, device: str) -> bool:
        """Whether a device is up."""
        return any(isinstance(o, Link | Vlan) and o.device == device for o in self.objects.values())

    async def observe(self, devices: Iterable[str], sysctls: Iterable[Sysctl]) -> Observation:
        """Ours: devices we make, routes and rules everywhere; the rest on the named devices and these."""
        self.observations += 1
        here = list(self.objects.values())
        named = {*devices, *(o.device for o in here if isinstance(o, Tun | Vlan | ProcessDevice))}
        bridges = {o.device for o in here if isinstance(o, Bridge)}
        asked = {sysctl.key for sysctl in sysctls}
        return Observation(
            links=frozenset(o for o in here if isinstance(o, Link) and o.device in named),
            vlans=frozenset(o for o in here if isinstance(o, Vlan)),
            tuns=frozenset(o for o in here if isinstance(o, Tun)),
            lent=frozenset(o for o in here if isinstance(o, ProcessDevice)),
            bridges=frozenset(o for o in here if isinstance(o, Bridge)),
            ports=frozenset(
                o for o in here if isinstance(o, BridgePort) and (o.device in named or o.bridge in bridges)
            ),
            addresses=frozenset(o for o in here if isinstance(o, Address) and o.device in named),
            routes=frozenset(o for o in here if isinstance(o, Route)),
            rules=frozenset(o for o in here if isinstance(o, Rule)),
            proxies=frozenset(o for o in here if isinstance(o, ProxyNeighbour) and o.device in named),
            sysctls=frozenset(o for o in here if isinstance(o, Sysctl) and o.key in asked),
        )

    async def put(self, item: KernelObject) -> None:
        """Make it exist; refused on a device that does not."""
        self._fuse.enter(f"put {item}")
        if isinstance(item, ProcessDevice) and _identity(item) not in self.objects:
            return
        missing = [device for device in _needed(item) if not self._exists(device)]
        present = self.objects.get(_identity(item))
        if missing or self._refuses(item):
            raise BackendError(f"put {item}", f"no such device: {missing}" if missing else "refused")
        if isinstance(item, Tun) and isinstance(present, Tun) and present.ethernet != item.ethernet:
            self._forget_dependents(present)
        self.objects[_identity(item)] = item
        self._fuse.leave(f"put {item}")

    async def drop(self, item: KernelObject) -> None:
        """Make it not exist; a tun takes what sits on it along, the last IPv4 address what rests on IPv4."""
        self._fuse.enter(f"drop {item}")
        present = self.objects.get(_identity(item))
        elsewhere = isinstance(item, BridgePort) and _place(item) != _place(present)
        if present is not None and not elsewhere and _is_meant(item, present):
            del self.objects[_identity(item)]
            self._forget_dependents(item)
        self._fuse.leave(f"drop {item}")

    def _forget_dependents(self, gone: KernelObject) -> None:
        here = {key: o for key, o in self.objects.items() if _device(o) == _device(gone)}
        if isinstance(gone, Bridge):
            free = [key for key, o in self.objects.items() if _place(o) == gone.device]
            here |= {key: self.objects[key] for key in free}
        for key, other in here.items():
            if isinstance(gone, Tun | Vlan | Bridge | ProcessDevice) or (
                isinstance(gone, Address)
                and isinstance(other, Route | ProxyNeighbour)
                and _version(other) == gone.interface.version == IPV4
                and not any(isinstance(o, Address) and o.interface.version == IPV4 for o in here.values())
            ):
                del self.objects[key]

    async def nics(self) -> tuple[NicReport, ...]:
        """All adapters, up."""
        return tuple(
            NicReport(device=device, mac=mac, up=True, addresses=()) for mac, device in self.adapters.items()
        )

    def events(self) -> AsyncIterator[str]:
        """What the test feeds."""
        return self.feed.stream()

    def make(self, device: str) -> None:
        """A process has the kernel make its device, in the place of any before."""
        made = ProcessDevice(device, mtu=0)
        self.vanish(device)
        self.objects[_identity(made)] = made
        self.feed.emit("a device came")

    def vanish(self, device: str) -> None:
        """The device of a process goes, with all that rests on it."""
        gone = ProcessDevice(device, mtu=0)
        self.objects.pop(_identity(gone), None)
        self._forget_dependents(gone)
        self.feed.emit("a device went")

    def meddle(self, item: KernelObject) -> None:
        """Someone removes an object of ours, and the kernel tells."""
        self.objects.pop(_identity(item), None)
        self.feed.emit("something was removed")

    def _exists(self, device: str) -> bool:
        made = {o.device for o in self.objects.values() if isinstance(o, Tun | Vlan | Bridge | ProcessDevice)}
        return device in made or device in self.adapters.values()

    def _refuses(self, item: KernelObject) -> bool:
        """Frames on a device of packets, or a second device for a VLAN of the same trunk."""
        here = self.objects.values()
        match item:
            case BridgePort():
                return any(isinstance(o, Tun) and o.device == item.device and not o.ethernet for o in here)
            case Vlan():
                carried = (item.parent, item.id)
                others = [o for o in here if isinstance(o, Vlan) and o.device != item.device]
                return any((o.parent, o.id) == carried for o in others)
            case _:
                return False


def _needed(item: KernelObject) -> tuple[str, ...]:
    """Devices that must exist before."""
    match item:
        case Tun() | Bridge() | Rule() | Sysctl():
            return ()
        case Vlan():
            return (item.parent,)
        case BridgePort():
            return (item.device, item.bridge)
        case _:
            return (item.device,)


def _place(item: KernelObject | None) -> str | None:
    """The bridge of a port."""
    return item.bridge if isinstance(item, BridgePort) else None


def _device(item: KernelObject) -> str | None:
    if isinstance(item, Sysctl):
        parts = item.key.split("/")  # net/ipv4/conf/DEVICE/SETTING
        return parts[3] if len(parts) > len(("net", "ipv4", "conf", "DEVICE")) else None
    return getattr(item, "device", None)


def _is_meant(item: KernelObject, present: KernelObject) -> bool:
    """Whether to delete the one deletes the other: of a route, no gateway or MTU stands for any
    (fib_nh_match and fib_metrics_match in Linux' fib_semantics.c).
    """
    if not isinstance(item, Route) or not isinstance(present, Route):
        return True
    named = item.via in {None, present.via} and item.mtu in {None, present.mtu}
    return named and item.device == present.device


def _version(item: Route | ProxyNeighbour) -> int:
    return item.destination.version if isinstance(item, Route) else item.address.version


def _identity(item: KernelObject) -> object:
    """What makes the kernel see two objects as one."""
    match item:
        case Link() | Tun() | Vlan() | Bridge() | BridgePort() | ProcessDevice():
            return type(item), item.device
        case Address():
            return Address, item.device, item.interface
        case Route():
            return Route, item.table, item.destination, item.metric
        case Rule():
            return item
        case ProxyNeighbour():
            return ProxyNeighbour, item.device, item.address
        case Sysctl():
            return Sysctl, item.key


class FakeNeighbours:
    """A segment on which the addresses in `taken` are answered for by other machines."""

    def __init__(self) -> None:
        self.taken: dict[IPAddress, MacAddress] = {}
        self.probed: list[Claim] = []
        self.announced: list[Claim] = []
        self.asked: list[Claim] = []
        self.counted: tuple[NeighbourTable, ...] = ()
        self.held: frozenset[Holding] = frozenset()
        self.own: frozenset[MacAddress] = frozenset()
        self.seen: asyncio.Queue[Sighting] = asyncio.Queue()
        self.up: Callable[[str], bool] = lambda _: True

    async def probe(self, claims: Iterable[Claim]) -> dict[Claim, MacAddress]:
        """Those in `taken`; a device that is down asks nobody."""
        asked = list(claims)
        if down := {claim.device for claim in asked if not self.up(claim.device)}:
            raise BackendError("probe", f"network is down: {down}")
        self.probed.extend(asked)
        return {c: self.taken[c.address] for c in asked if c.address in self.taken}

    async def announce(self, claim: Claim) -> None:
        """Remember it."""
        self.announced.append(claim)

    async def ask(self, claims: Iterable[Claim]) -> None:
        """Remember them."""
        self.asked.extend(claims)

    async def hold(self, holdings: Iterable[Holding], *, own: Collection[MacAddress]) -> None:
        """Remember it."""
        self.held = frozenset(holdings)
        self.own = frozenset(own)

    async def tables(self) -> tuple[NeighbourTable, ...]:
        """As the test says."""
        return self.counted

    async def sightings(self) -> AsyncIterator[Sighting]:
        """What the test puts there."""
        while True:
            yield await self.seen.get()
