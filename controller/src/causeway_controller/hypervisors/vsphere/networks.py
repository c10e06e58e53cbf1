"""Port groups: found by id, made for a VLAN of a switch, removed when nobody is plugged in. Blocking.

Ours are named `causeway-SWITCH-vlan-N`. Where the administrator has made exactly one port group of a VLAN on
a switch, that one is taken, and none is made. One of our name is only taken while it passes what it was made
for: another's VLANs would join tenants.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, Final

from causeway_controller.hypervisors.base import HypervisorError, NicSpec
from causeway_controller.hypervisors.vsphere import api, binding
from causeway_controller.hypervisors.vsphere.place import Place
from causeway_controller.inventory import vsphere_names

PREFIX: Final = "causeway-"
_EPHEMERAL: Final = "ephemeral"
_ALL_VLANS: Final = 4095
"""Of a port group of a standard switch: it passes all VLANs, tagged."""
_LONGEST: Final = 80
"""Characters of a name in vSphere."""
_DIGITS: Final = 8


def segment(place: Place, switch: str, vlan: int) -> str:
    """Return the id of the port group of this VLAN, made when there was none. Raises HypervisorError."""
    name = name_of(switch, vlan)
    found = vsphere_names.switch(switch)
    if not found.distributed:
        return _standard(place, found.name, name, vlan)
    vim, _ = binding.load()
    spec = vim.dvs.VmwareDistributedVirtualSwitch.VlanIdSpec(vlanId=vlan, inherited=False)
    there = distributed(place, found.name)
    same = [one for one in there.portgroup if vlan_of(one) == vlan]
    return _of_switch(there, name, spec, (vlan,), same)


def name_of(switch: str, vlan: int) -> str:
    """Return what a port group of this VLAN is called that is ours."""
    return _fitting(f"{PREFIX}{switch.removeprefix('vswitch:')}-vlan-{vlan}")


def trunk(place: Place, switch: str, vlans: Sequence[int]) -> str:
    """Return the id of the port group that passes these VLANs, tagged. Raises HypervisorError."""
    found = vsphere_names.switch(switch)
    if not found.distributed:
        raise HypervisorError(
            f"a standard switch has port groups of one VLAN or of all; {switch} cannot pass {len(vlans)} and "
            "no other: use `adapters: access`, or a distributed switch"
        )
    vim, _ = binding.load()
    ordered = sorted(set(vlans))
    ranges = [vim.NumericRange(start=one, end=one) for one in ordered]
    spec = vim.dvs.VmwareDistributedVirtualSwitch.TrunkVlanSpec(vlanId=ranges, inherited=False)
    name = _fitting(f"{PREFIX}{found.name}-trunk-{'-'.join(map(str, ordered))}")
    return _of_switch(distributed(place, found.name), name, spec, ordered, ())


def distributed(place: Place, moid: str) -> Any:
    """Return the distributed switch with this id. Raises HypervisorError."""
    vim, _ = binding.load()
    there = api.all_of(place.service, vim.DistributedVirtualSwitch, place.datacenter)
    for one in there:
        if api.identifier(one) == moid:
            return one
    raise HypervisorError(f"there is no distributed switch {moid}; there is {api.listed(there)}")


def standard(place: Place, name: str) -> None:
    """Raise HypervisorError unless every ESXi host of the cluster that can be asked has this switch."""
    for host in _asked(place, name):
        there = sorted(one.name for one in host.configManager.networkSystem.networkInfo.vswitch)
        if name not in there:
            raise HypervisorError(f"ESXi host {host.name} has no switch {name}; there is {', '.join(there)}")


def port_group(place: Place, moid: str) -> Any:
    """Return the network or port group with this id. Raises HypervisorError, also for an ephemeral one."""
    vim, _ = binding.load()
    there = list({api.identifier(one): one for one in place.datacenter.network}.values())
    for one in there:
        if api.identifier(one) == moid:
            break
    else:
        raise HypervisorError(f"there is no network {moid}; there is {api.listed(there)}")
    if isinstance(one, vim.dvs.DistributedVirtualPortgroup):
        config = one.config
        if config.type == _EPHEMERAL:
            raise HypervisorError(
                f"port group {moid} ({config.name}) is ephemeral: its ports go when a VM is off; bind them"
            )
        if config.uplink or one in config.distributedVirtualSwitch.config.uplinkPortgroup:
            raise HypervisorError(
                f"port group {moid} ({config.name}) is of uplinks, where no VM is plugged in"
            )
    return one


def missing(place: Place, nics: Iterable[NicSpec]) -> Iterator[tuple[str, str]]:
    """Yield each segment that no vNIC can be plugged into, and why."""
    for name in dict.fromkeys(nic.segment for nic in nics):
        try:
            port_group(place, name)
        except HypervisorError as error:
            yield name, str(error)


def backing(place: Place, moid: str) -> Any:
    """Return what a vNIC on this network has behind it. Raises HypervisorError."""
    vim, _ = binding.load()
    found, card = port_group(place, moid), vim.vm.device.VirtualEthernetCard
    if isinstance(found, vim.dvs.DistributedVirtualPortgroup):
        switch = found.config.distributedVirtualSwitch.uuid
        port = vim.dvs.PortConnection(portgroupKey=found.key, switchUuid=switch)
        return card.DistributedVirtualPortBackingInfo(port=port)
    return card.NetworkBackingInfo(deviceName=found.name, network=found)


def plugged(device: Any) -> str:
    """Return the id of what a vNIC is plugged into; empty where it is into nothing that has one."""
    port = getattr(device.backing, "port", None)
    if port is not None:
        return str(port.portgroupKey or "")
    network = getattr(device.backing, "network", None)
    return "" if network is None else api.identifier(network)


def unused(place: Place, moids: Container[str]) -> list[str]:
    """Return the names of those of these port groups that are ours and have nobody plugged in."""
    return [one.name for one in _unused(place, moids)]


def _unused(place: Place, moids: Container[str]) -> list[Any]:
    there = (one for one in place.datacenter.network if api.identifier(one) in moids)
    return [one for one in there if one.name.startswith(PREFIX) and not one.vm]


def remove_unused(place: Place, moids: Container[str]) -> None:
    """Remove those of these port groups that are ours and have nobody plugged in."""
    vim, vmodl = binding.load()
    for one in _unused(place, moids):
        # Somebody may have been plugged in meanwhile, or another controller may have removed it.
        busy = (vim.fault.ResourceInUse, vim.fault.NotFound, vmodl.fault.ManagedObjectNotFound)
        with contextlib.suppress(*busy):
            if isinstance(one, vim.dvs.DistributedVirtualPortgroup):
                api.finish(one.Destroy_Task())
                continue
            for host in place.hosts:
                with contextlib.suppress(vim.fault.NotFound, vmodl.fault.HostCommunication):
                    host.configManager.networkSystem.RemovePortGroup(one.name)


def vlan_of(one: Any) -> int | None:
    """The VLAN of a distributed port group, None for one of several or of uplinks."""
    vim, _ = binding.load()
    config = one.config
    if config.type == _EPHEMERAL:
        return None
    found = getattr(config.defaultPortConfig, "vlan", None)
    plain = vim.dvs.VmwareDistributedVirtualSwitch.VlanIdSpec
    return int(found.vlanId) if isinstance(found, plain) else None


def passes(one: Any) -> frozenset[int] | None:
    """The VLANs of a distributed port group; None for one of uplinks, private VLANs or what it inherits."""
    vim, _ = binding.load()
    found = getattr(one.config.defaultPortConfig, "vlan", None)
    switch = vim.dvs.VmwareDistributedVirtualSwitch
    if isinstance(found, switch.VlanIdSpec):
        return frozenset((int(found.vlanId),))
    if isinstance(found, switch.TrunkVlanSpec):
        return frozenset(vlan for part in found.vlanId for vlan in range(part.start, part.end + 1))
    return None


def _of_switch(switch: Any, name: str, spec: Any, vlans: Sequence[int], same: Sequence[Any]) -> str:
    ours = next((one for one in switch.portgroup if one.name == name), None)
    if ours is None and len(same) == 1:
        ours = same[0]
    if ours is not None:
        return _unchanged(ours, vlans)
    vim, _ = binding.load()
    config = vim.dvs.VmwareDistributedVirtualSwitch.VmwarePortConfigPolicy(vlan=spec)
    wanted = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
        name=name, type="earlyBinding", numPorts=8, autoExpand=True, defaultPortConfig=config
    )
    with contextlib.suppress(vim.fault.DuplicateName):
        api.finish(switch.AddDVPortgroup_Task([wanted]))
    for one in switch.portgroup:
        if one.name == name:
            return _unchanged(one, vlans)
    raise HypervisorError(f"port group {name} was removed while it was made; repeat it")


def _unchanged(one: Any, vlans: Sequence[int]) -> str:
    """Its id. Raises HypervisorError where somebody has given it other VLANs."""
    if passes(one) != frozenset(vlans):
        told = ", ".join(map(str, vlans))
        raise HypervisorError(
            f"port group {one.name} is to pass VLAN {told} and no other, and was changed; put that back, or "
            "remove it"
        )
    return api.identifier(one)


def _standard(place: Place, switch: str, name: str, vlan: int) -> str:
    """The port group on every host of the cluster that can be asked: a VM may run on any of them.

    One that comes back later gets it with the next deployment; until then no VM of it can be put there.
    """
    vim, vmodl = binding.load()
    standard(place, switch)
    taken: str | None = None
    for host in _asked(place, switch):
        system = host.configManager.networkSystem
        specs = [one.spec for one in system.networkInfo.portgroup]
        same = [one.name for one in specs if _is(one, switch, vlan)]
        taken = taken or (name if name in same or len(same) != 1 else same[0])
        if taken in same:
            continue
        if any(one.name == taken for one in specs):
            raise HypervisorError(
                f"port group {taken} of ESXi host {host.name} is to be of VLAN {vlan} on {switch}, and is of "
                "another; put that back, or remove it"
            )
        spec = vim.host.PortGroup.Specification(
            name=taken, vlanId=vlan, vswitchName=switch, policy=vim.host.NetworkPolicy()
        )
        lost = vmodl.fault.HostCommunication
        with contextlib.suppress(vim.fault.AlreadyExists, vim.fault.DuplicateName, lost):
            system.AddPortGroup(spec)
    for one in place.datacenter.network:
        if one.name == taken and not isinstance(one, vim.dvs.DistributedVirtualPortgroup):
            return api.identifier(one)
    raise HypervisorError(f"port group {taken} was removed while it was made; repeat it")


def _asked(place: Place, switch: str) -> list[Any]:
    """The ESXi hosts that can be asked of their switches. Raises HypervisorError where there is none."""
    found = [one for one in place.hosts if one.configManager.networkSystem.networkInfo is not None]
    if not found:
        raise HypervisorError(
            f"no ESXi host of {place.compute.name} can be asked for switch {switch}; connect one of them"
        )
    return found


def _is(spec: Any, switch: str, vlan: int) -> bool:
    return spec.vswitchName == switch and spec.vlanId == vlan and vlan != _ALL_VLANS


def _fitting(name: str) -> str:
    """The name, of which what is too long is told by a digest: two never become one by being cut."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - _DIGITS - 1]}-{hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]}"
