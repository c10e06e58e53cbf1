"""What a login needs to be allowed, by what it is asked of. The how-to has the same as a role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from causeway_controller.hypervisors.vsphere import binding, networks
from causeway_controller.hypervisors.vsphere.place import Place
from causeway_controller.inventory import vsphere_names
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
