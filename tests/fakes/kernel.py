"""A kernel and a supervisor in memory that take operations one by one, with the traps of the real ones."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from causeway_agent.plan.model.objects import (
    MAIN_TABLE,
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
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.processes import Process, VpnClient, VpnServer
from causeway_agent.plan.model.target import Observation, Target
from causeway_agent.plan.steer.operations import Announce, Drop, LoadPolicy, Operation, Put, Start, Stop

FOREIGN_DEVICE = "docker0"

_Item = TypeVar("_Item")


class RefusedError(Exception):
    """The real kernel would have answered with an error."""


@dataclass
class KernelModel:
    """State of ours and of others. Drops of what is gone are harmless, as the kernel port promises."""

    adapters: frozenset[str]
    links: set[Link] = field(default_factory=set)
    vlans: set[Vlan] = field(default_factory=set)
    tuns: set[Tun] = field(default_factory=set)
    lent: set[ProcessDevice] = field(default_factory=set)
    """Made by processes; of one that is down the MTU is 0."""
    bridges: set[Bridge] = field(default_factory=set)
    ports: set[BridgePort] = field(default_factory=set)
    addresses: set[Address] = field(default_factory=set)
    routes: set[Route] = field(default_factory=set)
    rules: set[Rule] = field(default_factory=set)
    proxies: set[ProxyNeighbour] = field(default_factory=set)
    sysctls: dict[str, str] = field(default_factory=dict)
    policy: Policy | None = None
    processes: dict[str, Process] = field(default_factory=dict)
    announced: list[Claim] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.foreign = Address(FOREIGN_DEVICE, ipaddress.ip_interface("172.17.0.1/16"))
        self.addresses.add(self.foreign)

    def observe(self, *targets: Target) -> Observation:
        """What is ours, as the kernel port shows it."""
        devices = {device for target in targets for device in target.devices}
        devices |= (
            {t.device for t in self.tuns} | {v.device for v in self.vlans} | {d.device for d in self.lent}
        )
        bridges, up = {bridge.device for bridge in self.bridges}, {link.device for link in self.links}
        keys = {setting.key for target in targets for setting in target.sysctls}
        return Observation(
            links=frozenset(link for link in self.links if link.device in devices),
            vlans=frozenset(v if v.parent in up else replace(v, mtu=0) for v in self.vlans),
            tuns=frozenset(self.tuns),
            lent=frozenset(self.lent),
            bridges=frozenset(self.bridges),
            ports=frozenset(p for p in self.ports if p.device in devices or p.bridge in bridges),
            addresses=frozenset(a for a in self.addresses if a.device in devices),
            routes=frozenset(self.routes),
            rules=frozenset(self.rules),
            proxies=frozenset(p for p in self.proxies if p.device in devices),
            sysctls=frozenset(Sysctl(key, value) for key, value in self.sysctls.items() if key in keys),
            policy=self.policy,
            processes=frozenset(self.processes.values()),
        )

    def apply(self, operation: Operation) -> None:
        """Carry out one operation; raises RefusedError where the real one would."""
        match operation:
            case Put(item):
                self._put(item)
            case Drop(item):
                self._drop(item)
            case LoadPolicy(policy):
                self.policy = policy
            case Start(process):
                self._make_device(process)
                if isinstance(process, VpnServer | VpnClient):
                    self._require(process.device, up=False)
                self.processes[process.name] = process
            case Stop(process):
                self.processes.pop(process.name, None)
                if isinstance(process, VpnServer) and process.makes_device:
                    self._forget(process.device)
            case Announce(claim):
                if claim not in {p.claim for p in self.proxies} | {a.claim for a in self.addresses}:
                    raise RefusedError(f"announced {claim} without answering for it")
                self.announced.append(claim)

    def _make_device(self, process: Process) -> None:
        if isinstance(process, VpnServer) and process.makes_device:
            self._forget(process.device)
            self.lent.add(ProcessDevice(process.device, mtu=0))

    def _put(self, item: KernelObject) -> None:  # noqa: C901, PLR0912 - one per kind
        match item:
            case Link():
                self._replace(self.links, item, lambda link: link.device)
                self.vlans = {replace(v, mtu=min(v.mtu, self._room(v, item))) for v in self.vlans}
            case Vlan():
                self._put_vlan(item)
            case Bridge():
                self._replace(self.bridges, item, lambda bridge: bridge.device)
            case BridgePort():
                self._put_port(item)
            case Tun():
                if any(tun.device == item.device and tun.ethernet != item.ethernet for tun in self.tuns):
                    raise RefusedError(f"{item}: the device is of the other kind")
                self._replace(self.tuns, item, lambda tun: tun.device)
            case ProcessDevice():
                if any(there.device == item.device for there in self.lent):
                    self._replace(self.lent, item, lambda there: there.device)
            case Address():
                self._put_address(item)
            case Route():
                self._put_route(item)
            case Rule():
                self.rules.add(item)
            case ProxyNeighbour():
                self._replace(self.proxies, item, lambda proxy: (proxy.device, proxy.address))
            case Sysctl():
                self._put_sysctl(item)

    def _drop(self, item: KernelObject) -> None:
        match item:
            case Link():
                self.links.discard(item)
            case Tun() | Vlan() | Bridge() | ProcessDevice():
                self._forget(item.device)
            case BridgePort():
                self.ports.discard(item)
            case Address():
                if item in self.addresses:
                    self._lose(item)
            case Route():
                self.routes.discard(item)
            case Rule():
                self.rules.discard(item)
            case ProxyNeighbour():
                self.proxies.discard(item)
            case Sysctl():
                raise AssertionError("settings are never dropped")

    def _forget(self, device: str) -> None:
        """A device of our making takes along what rests on it; the ports of a bridge go free."""
        self.vlans -= {vlan for vlan in self.vlans if vlan.device == device}
        self.tuns -= {tun for tun in self.tuns if tun.device == device}
        self.lent -= {there for there in self.lent if there.device == device}
        self.bridges -= {bridge for bridge in self.bridges if bridge.device == device}
        self.ports -= {port for port in self.ports if device in {port.device, port.bridge}}
        self.addresses -= {a for a in self.addresses if a.device == device}
        self.routes -= {r for r in self.routes if r.device == device}
        self.proxies -= {p for p in self.proxies if p.device == device}
        self.sysctls = {k: v for k, v in self.sysctls.items() if f"/{device}/" not in k}

    @staticmethod
    def _room(vlan: Vlan, link: Link) -> int:
        """What the link leaves the VLAN of its MTU."""
        return link.mtu if vlan.parent == link.device else vlan.mtu

    def _put_vlan(self, item: Vlan) -> None:
        self._require(item.parent)
        others = {vlan for vlan in self.vlans if vlan.device != item.device}
        if any((vlan.parent, vlan.id) == (item.parent, item.id) for vlan in others):
            raise RefusedError(f"{item}: another device carries this VLAN")
        if any((v.parent, v.id) != (item.parent, item.id) for v in self.vlans - others):
            raise RefusedError(f"{item}: the device carries another VLAN")
        if any(link.device == item.parent and link.mtu < item.mtu for link in self.links):
            raise RefusedError(f"{item}: the parent's MTU is less")
        self.vlans = others | {item}

    def _put_port(self, item: BridgePort) -> None:
        """Stricter than the real one: addresses that would be dead are refused."""
        self._require(item.device)
        if item.bridge not in {bridge.device for bridge in self.bridges}:
            raise RefusedError(f"{item}: there is no such bridge")
        if any(tun.device == item.device and not tun.ethernet for tun in self.tuns):
            raise RefusedError(f"{item}: the device carries no frames")
        if any(address.device == item.device for address in self.addresses):
            raise RefusedError(f"{item}: the device has addresses")
        self._replace(self.ports, item, lambda port: port.device)

    def _put_address(self, item: Address) -> None:
        self._require(item.device)
        if any(port.device == item.device for port in self.ports):
            raise RefusedError(f"{item}: the device is a port of a bridge")
        same = {a for a in self.addresses if (a.device, a.interface.ip) == (item.device, item.interface.ip)}
        if item.interface.version == 6 and any(a.interface != item.interface for a in same):
            raise RefusedError(f"{item}: the kernel knows this address with another length")
        for old in {a for a in same if a.interface == item.interface} - {item}:
            self._lose(old)
        self.addresses.add(item)

    def _lose(self, item: Address) -> None:
        """Without its last IPv4 address a device loses IPv4 routes and proxy entries."""
        self.addresses.discard(item)
        left = {a for a in self.addresses if a.device == item.device and a.interface.version == 4}
        if item.interface.version == 4 and not left:
            self.routes -= {r for r in self.routes if r.device == item.device and r.destination.version == 4}
            self.proxies -= {p for p in self.proxies if p.device == item.device and p.address.version == 4}

    def _put_route(self, item: Route) -> None:
        self._require(item.device)
        if item.via is not None and not self._on_link(item):
            raise RefusedError(f"{item}: network is unreachable")
        self._replace(self.routes, item, lambda route: (route.destination, route.table, route.metric))

    def _on_link(self, item: Route) -> bool:
        if item.device in {tun.device for tun in self.tuns} | {there.device for there in self.lent}:
            return True  # the kernel is told so (RTNH_F_ONLINK)
        near = {a.interface.network for a in self.addresses if a.device == item.device and a.prefix_route}
        tables = {item.table, MAIN_TABLE}
        near |= {r.destination for r in self.routes if r.device == item.device and r.table in tables}
        assert item.via is not None
        return any(item.via.version == network.version and item.via in network for network in near)

    def _put_sysctl(self, item: Sysctl) -> None:
        device = item.key.split("/")[3] if item.key.count("/") >= 4 else "all"
        if device not in {"all", "default"}:
            self._require(device, up=False)
        self.sysctls[item.key] = item.value

    def _require(self, device: str, *, up: bool = True) -> None:
        links = {link.device for link in self.links}
        usable = links if up else {*self.adapters, *(bridge.device for bridge in self.bridges)}
        vlans = {vlan.device for vlan in self.vlans if not up or vlan.parent in links}
        lent = {there.device for there in self.lent if there.mtu or not up}
        if device not in usable | vlans | lent | {tun.device for tun in self.tuns}:
            raise RefusedError(f"there is no device {device}, or it is down")

    def _replace(self, items: set[_Item], new: _Item, key: Callable[[_Item], object]) -> None:
        items -= {old for old in items if key(old) == key(new)}
        items.add(new)
