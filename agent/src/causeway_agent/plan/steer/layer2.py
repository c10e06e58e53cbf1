"""The part of a plan below IP: 802.1Q subinterfaces, tun and tap devices, bridges and their ports.

    release  ports leave their bridge; devices that must be made anew go, and the processes on them before
    make     VLANs, tunnel devices, bridges
    join     ports, once addresses that cannot work on a port any more are gone
    abolish  bridges, tunnel devices, VLANs that have no place any more

Whoever joins is heard only when the policy in force lets its frames pass: ports join between the closing
policy and the opening one. Links are up before VLANs, which the kernel keeps down while their parent is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from causeway_agent.plan.model.objects import Bridge, BridgePort, KernelObject, ProcessDevice, Tun, Vlan
from causeway_agent.plan.model.processes import NeighbourResponder, RouterAdvertiser, VpnClient, VpnServer
from causeway_agent.plan.model.target import Observation, Target
from causeway_agent.plan.steer.operations import Drop, Operation, Put, Stop

Made = Bridge | Tun | Vlan
"""Devices of our making."""
_Device = Made | ProcessDevice
_OnDevice = VpnServer | VpnClient | NeighbourResponder | RouterAdvertiser
"""Processes that hold on to a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer2:
    """Operations by their place in the plan, and what is left to compare with after the first of them."""

    release: tuple[Operation, ...]
    make: tuple[Put, ...]
    join: tuple[Put, ...]
    abolish: tuple[Drop, ...]
    remaining: Observation
    fresh: frozenset[str]
    """Devices that are made: before that they have no settings."""


def changes(observation: Observation, target: Target) -> Layer2:
    """What changes below IP."""
    renewed = _renewed(observation, target)
    devices = frozenset(item.device for item in renewed)
    leaving = _leaving(observation, target, devices)
    stopped = {p for p in observation.processes if isinstance(p, _OnDevice) and p.device in devices}
    remaining = _without(observation, devices, leaving)
    return Layer2(
        release=(
            *(Stop(process) for process in sorted(stopped, key=lambda process: process.name)),
            *_drops(leaving),
            *_drops(renewed),
        ),
        make=(
            *_puts(target.vlans - remaining.vlans),
            *_puts(target.tuns - remaining.tuns),
            *_puts(target.bridges - remaining.bridges),
        ),
        join=_puts(target.ports - remaining.ports),
        abolish=(
            *_drops(surplus(remaining.bridges, target.bridges)),
            *_drops(surplus(remaining.tuns, target.tuns)),
            *_drops(surplus(remaining.vlans, target.vlans)),
        ),
        remaining=remaining,
        fresh=names(target.vlans, target.tuns, target.bridges)
        - names(remaining.vlans, remaining.tuns, remaining.bridges),
    )


def _renewed(observation: Observation, target: Target) -> frozenset[Tun | Vlan]:
    """Devices that cannot become what is wanted: of another kind, or a VLAN that another name is to carry."""
    kinds = {tun.device: tun.ethernet for tun in target.tuns}
    tuns = {tun for tun in observation.tuns if kinds.get(tun.device, tun.ethernet) != tun.ethernet}
    wanted = {vlan.device: _carried(vlan) for vlan in target.vlans}
    coming = {_carried(vlan): vlan.device for vlan in target.vlans}
    vlans = {
        vlan
        for vlan in observation.vlans
        if wanted.get(vlan.device, _carried(vlan)) != _carried(vlan)
        or coming.get(_carried(vlan), vlan.device) != vlan.device
    }
    return frozenset(tuns | vlans)


def _carried(vlan: Vlan) -> tuple[str, int]:
    """What the kernel lets only one device carry."""
    return vlan.parent, vlan.id


def _leaving(observation: Observation, target: Target, renewed: frozenset[str]) -> frozenset[BridgePort]:
    """Ports that have no place in their bridge; whoever merely changes its settings stays."""
    places = {(port.device, port.bridge) for port in target.ports}
    return frozenset(
        port
        for port in observation.ports
        if (port.device, port.bridge) not in places and port.device not in renewed
    )


def _without(
    observation: Observation, devices: frozenset[str], leaving: frozenset[BridgePort]
) -> Observation:
    """What is left once these devices are gone with all that rests on them, and these ports have left."""
    if not devices and not leaving:
        return observation
    return replace(
        observation,
        vlans=frozenset(item for item in observation.vlans if item.device not in devices),
        tuns=frozenset(item for item in observation.tuns if item.device not in devices),
        ports=frozenset(p for p in observation.ports - leaving if p.device not in devices),
        addresses=frozenset(item for item in observation.addresses if item.device not in devices),
        routes=frozenset(item for item in observation.routes if item.device not in devices),
        proxies=frozenset(item for item in observation.proxies if item.device not in devices),
        sysctls=frozenset(item for item in observation.sysctls if not devices & {*item.key.split("/")}),
        processes=frozenset(
            process
            for process in observation.processes
            if not isinstance(process, _OnDevice) or process.device not in devices
        ),
    )


def names(*groups: frozenset[_Device]) -> frozenset[str]:
    """The devices in these groups."""
    return frozenset(item.device for group in groups for item in group)


def surplus(observed: frozenset[_Device], wanted: frozenset[_Device]) -> frozenset[_Device]:
    """Devices of names that are not wanted; others are put as they should be."""
    devices = names(wanted)
    return frozenset(item for item in observed if item.device not in devices)


def _puts(items: Iterable[KernelObject]) -> tuple[Put, ...]:
    return tuple(Put(item) for item in sorted(items, key=repr))


def _drops(items: Iterable[KernelObject]) -> tuple[Drop, ...]:
    return tuple(Drop(item) for item in sorted(items, key=repr))
