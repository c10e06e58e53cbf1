"""What a login needs to be allowed, by what it is asked of. The how-to has the same as a role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from causeway_controller.hypervisors.vsphere import api, binding, networks
from causeway_controller.hypervisors.vsphere.place import Place
from causeway_controller.inventory import vsphere_names
from causeway_controller.inventory.findings import some
from causeway_controller.inventory.host_needs import HostNeeds

OF_VMS: Final = (
    "VirtualMachine.Inventory.Create",
    "VirtualMachine.Inventory.Delete",
    "VirtualMachine.Config.AddNewDisk",
    "VirtualMachine.Config.AddRemoveDevice",
    "VirtualMachine.Config.AdvancedConfig",
    "VirtualMachine.Config.CPUCount",
    "VirtualMachine.Config.EditDevice",
    "VirtualMachine.Config.Memory",
    "VirtualMachine.Config.Rename",
    "VirtualMachine.Config.Settings",
    "VirtualMachine.Interact.DeviceConnection",
    "VirtualMachine.Interact.PowerOff",
    "VirtualMachine.Interact.PowerOn",
    "VirtualMachine.Interact.SetCDMedia",
)
OF_FOLDERS: Final = ("Folder.Create",)
OF_POOLS: Final = ("Resource.AssignVMToPool", "Resource.CreatePool", "VApp.Import")
OF_DATASTORES: Final = ("Datastore.AllocateSpace", "Datastore.Browse", "Datastore.FileManagement")
OF_NETWORKS: Final = ("Network.Assign",)
OF_DISTRIBUTED_SWITCHES: Final = ("DVPortgroup.Create", "DVPortgroup.Delete")
OF_STANDARD_SWITCHES: Final = ("Host.Config.Network",)
"""Only where VLANs are of such a switch."""
OF_REPLICAS: Final = ("VirtualMachine.Interact.PowerOff", "VirtualMachine.Interact.PowerOn")
"""Nothing else of them is ever touched."""
_NAMED: Final = 5
ALL: Final = (
    *OF_VMS,
    *OF_FOLDERS,
    *OF_POOLS,
    *OF_DATASTORES,
    *OF_NETWORKS,
    *OF_DISTRIBUTED_SWITCHES,
    *OF_STANDARD_SWITCHES,
)


def lacking(place: Place, needs: HostNeeds) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return each object on which this login lacks privileges, in words, and which."""
    _, vmodl = binding.load()
    manager, session = place.service.content.authorizationManager, place.service.content.sessionManager
    key = session.currentSession.key
    for where, (thing, wanted) in _asked(place, needs).items():
        try:
            granted = manager.HasPrivilegeOnEntity(thing, key, list(wanted))
        except vmodl.fault.InvalidArgument:  # one of them is not known to this version
            granted = [_granted(manager, thing, key, one) for one in wanted]
        absent = tuple(one for one, there in zip(wanted, granted, strict=True) if not there)
        if absent:
            yield where, absent
    yield from _of_replicas(place, needs, key)


def _of_replicas(place: Place, needs: HostNeeds, key: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Replicas are where the administrator or what replicates puts them, so each is asked for itself."""
    vim, _ = binding.load()
    if not needs.replicas:
        return
    there = api.all_of(place.service, vim.VirtualMachine)
    by_id = {api.identifier(one): one for one in there}
    for one, told in api.read(place.service, there, vim.VirtualMachine, "config.instanceUuid"):
        by_id[told.get("config.instanceUuid", "")] = one
    asked = {api.identifier(vm): one for one in needs.replicas if (vm := by_id.get(one.vm_id)) is not None}
    if not asked:
        return
    manager = place.service.content.authorizationManager
    lacking: dict[tuple[str, ...], list[str]] = {}
    things = [by_id[moid] for moid in asked]
    for one in manager.HasPrivilegeOnEntities(things, key, list(OF_REPLICAS)):
        absent = tuple(each.privId for each in one.privAvailability if not each.isGranted)
        replica = asked[api.identifier(one.entity)]
        if absent:
            lacking.setdefault(absent, []).append(f"{replica.tenant}/{replica.vm} ({replica.vm_id})")
    for absent, names in lacking.items():
        yield f"{len(names)} replicas, {some(names, most=_NAMED)}", absent


def _granted(manager: Any, thing: Any, key: str, wanted: str) -> bool:
    _, vmodl = binding.load()
    try:
        return bool(manager.HasPrivilegeOnEntity(thing, key, [wanted])[0])
    except vmodl.fault.InvalidArgument:
        return True


def _asked(place: Place, needs: HostNeeds) -> Mapping[str, tuple[Any, tuple[str, ...]]]:
    folder = place.folder
    asked = {
        f"datastore {place.datastore.name}": (place.datastore, OF_DATASTORES),
        f"resource pool of {place.compute.name}": (place.pool or place.compute.resourcePool, OF_POOLS),
        "folder of VMs": (folder or place.datacenter.vmFolder, OF_VMS),
    }
    if not place.standalone and folder is None:
        asked["folder of all VMs"] = (place.datacenter.vmFolder, OF_FOLDERS)
    for moid in needs.networks:
        for one in place.datacenter.network:
            if one._GetMoId() == moid:  # noqa: SLF001 - the binding has no other name for it
                asked[f"network {one.name}"] = (one, OF_NETWORKS)
    for name in dict.fromkeys(pool.switch for pool in needs.pools):
        switch = vsphere_names.switch(name)
        if switch.distributed:
            found = networks.distributed(place, switch.name)
            asked[f"switch {found.name}"] = (found, OF_DISTRIBUTED_SWITCHES)
        else:
            for host in place.compute.host:
                asked[f"ESXi host {host.name}"] = (host, OF_STANDARD_SWITCHES)
    return asked
