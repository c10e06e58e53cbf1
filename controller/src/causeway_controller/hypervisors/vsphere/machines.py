"""VMs: found by owner id, by instance UUID or by id, and powered. Blocking, and repeatable.

A VM is ours if its variables say so and it has our name in our folder or the instance UUID of the owner id.
Others are powered by their ids, never changed and never removed.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

from causeway_controller.contract.hosts import VmNic
from causeway_controller.hypervisors import wiring
from causeway_controller.hypervisors.base import FoundVm, HypervisorError, Machine, NicSpec
from causeway_controller.hypervisors.vsphere import api, binding, networks
from causeway_controller.hypervisors.vsphere.place import Place

OWNER: Final = "causeway.owner"
NICS: Final = "causeway.nics"
"""Variables of the VM: whose it is, and how its vNICs are to be."""
_UUIDS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:causeway:vsphere:1")
_ID: Final = re.compile(r"(vm-)?[0-9]{1,18}")
_POWER_SECONDS: Final = 120.0


def identity(owner_id: str) -> str:
    """Return the instance UUID of the machine with this owner id."""
    return str(uuid.uuid5(_UUIDS, owner_id))


def find(place: Place, owner_id: str) -> Machine | None:
    """The machine with this owner id, else the VM with this instance UUID or id."""
    found = ours(place, owner_id)
    mine = found is not None
    found = found if mine else _others(place.service, owner_id)
    if found is None:
        return None
    _, vmodl = binding.load()
    vim, _ = binding.load()
    try:
        runtime, name = found.runtime, found.name
        on = runtime.powerState == vim.VirtualMachine.PowerState.poweredOn
        tools = found.guest.toolsRunningStatus if on and found.guest is not None else None
    except vmodl.fault.ManagedObjectNotFound:
        return None
    answers = None if tools is None else tools == "guestToolsRunning"
    return Machine(owner_id=owner_id, name=name, powered_on=on, guest_answers=answers)


def ours(place: Place, owner_id: str) -> Any:
    """The VM with this owner id, or None. Raises HypervisorError where another has its place."""
    search = place.service.content.searchIndex
    found = search.FindByUuid(uuid=identity(owner_id), vmSearch=True, instanceUuid=True)
    folder = place.folder
    if found is None and folder is not None:
        found = search.FindChild(folder, owner_id)
    if found is None:
        return None
    _, vmodl = binding.load()
    try:
        if variable(found, OWNER) != owner_id:
            raise HypervisorError(
                f"VM {found.name} has the name or instance UUID of {owner_id} and not our variable {OWNER}; "
                "rename or remove it"
            )
    except vmodl.fault.ManagedObjectNotFound:
        return None
    return found


def attempts(place: Place, owner_id: str) -> Iterator[Any]:
    """VMs of deployments of this machine that were not finished."""
    vim, _ = binding.load()
    folder = place.folder
    if folder is None:
        return
    there = [one for one in folder.childEntity if isinstance(one, vim.VirtualMachine)]
    for one, told in api.read(place.service, there, vim.VirtualMachine, "name"):
        if _of_attempt(told.get("name", ""), owner_id) and is_attempt(one, owner_id):
            yield one


def is_attempt(vm: Any, owner_id: str) -> bool:
    """Whether this is now a VM of a deployment of this machine that was not finished; not when it is gone."""
    _, vmodl = binding.load()
    try:
        return variable(vm, OWNER) == owner_id and _of_attempt(vm.name, owner_id)
    except vmodl.fault.ManagedObjectNotFound:
        return False


def _of_attempt(name: str, owner_id: str) -> bool:
    return re.fullmatch(re.escape(owner_id) + r"-[0-9a-f]{8}", name) is not None


def variable(vm: Any, key: str) -> str | None:
    """A variable of the VM (extraConfig)."""
    config = vm.config
    found = () if config is None else config.extraConfig
    return next((str(one.value) for one in found if one.key == key), None)


def vms(place: Place) -> Iterator[FoundVm]:
    """All VMs of the datacenter that this login sees, by instance UUID; templates are none."""
    vim, _ = binding.load()
    there = api.all_of(place.service, vim.VirtualMachine, place.datacenter)
    properties = (
        "name",
        "config.instanceUuid",
        "config.template",
        "config.hardware.device",
        "runtime.powerState",
        "guest.net",
    )
    folder = place.folder
    mine = {} if folder is None else {one._GetMoId(): one for one in folder.childEntity}  # noqa: SLF001
    for one, told in api.read(place.service, there, vim.VirtualMachine, *properties):
        if told.get("config.template") or "name" not in told:
            continue
        yield FoundVm(
            id=told.get("config.instanceUuid") or api.identifier(one),
            other_ids=(api.identifier(one),),
            name=told["name"],
            powered_on=told.get("runtime.powerState") == vim.VirtualMachine.PowerState.poweredOn,
            nics=tuple(_nics(told.get("config.hardware.device", ()))),
            owner_id=_owner(one, told["name"]) if api.identifier(one) in mine else None,
            addresses=tuple(each for nic in told.get("guest.net") or () for each in nic.ipAddress),
        )


def power(place: Place, owner_id: str, *, on: bool) -> None:
    """Power it on or off, unless it is so. One of ours is only started with the vNICs that it is to have."""
    mine = ours(place, owner_id)
    found = mine if mine is not None else _others(place.service, owner_id)
    if found is None:
        raise HypervisorError(f"there is no machine {owner_id}; deploy it first")
    if on and mine is not None and not is_on(found):
        verify(found)
    switch(found, on=on)


def ask_to_stop(place: Place, owner_id: str) -> None:
    """Have the guest's tools shut it down; a machine without them is cut later."""
    vim, vmodl = binding.load()
    found = ours(place, owner_id) or _others(place.service, owner_id)
    if found is not None and is_on(found):
        refused = (vim.fault.ToolsUnavailable, vim.fault.InvalidPowerState, vim.fault.InvalidState)
        with contextlib.suppress(*refused, vmodl.fault.NotSupported):
            found.ShutdownGuest()


def is_on(vm: Any) -> bool:
    """Whether it runs."""
    vim, _ = binding.load()
    return bool(vm.runtime.powerState == vim.VirtualMachine.PowerState.poweredOn)


def switch(vm: Any, *, on: bool) -> None:
    """Power it; somebody else may do the same at once."""
    vim, _ = binding.load()
    if is_on(vm) == on:
        return
    try:
        api.finish(vm.PowerOnVM_Task() if on else vm.PowerOffVM_Task(), seconds=_POWER_SECONDS)
    except (vim.fault.InvalidPowerState, vim.fault.TaskInProgress):
        if is_on(vm) != on:
            raise


def noted(nics: Sequence[NicSpec]) -> str:
    """How the vNICs are to be, as a variable of the VM."""
    return wiring.noted(VmNic(mac=nic.mac, network=nic.segment) for nic in nics)


def verify(vm: Any) -> None:
    """Raise HypervisorError unless every vNIC has the MAC, port group and flags that it was deployed with."""
    devices = vm.config.hardware.device
    wiring.compare(vm.name, variable(vm, NICS) or "[]", _nics(devices))
    for one in devices:
        if _is_nic(one) and (one.connectable is None or not one.connectable.startConnected):
            raise wiring.disconnected(vm.name, one.macAddress)


def _is_nic(device: Any) -> bool:
    vim, _ = binding.load()
    return isinstance(device, vim.vm.device.VirtualEthernetCard)


def _nics(devices: Sequence[Any]) -> Iterator[VmNic]:
    for one in devices:
        if _is_nic(one):
            yield VmNic(mac=(one.macAddress or "").lower(), network=networks.plugged(one))


def _owner(vm: Any, name: str) -> str | None:
    owner = variable(vm, OWNER)
    return owner if owner is not None and name == owner else None


def _others(service: Any, identifier: str) -> Any:
    vim, _ = binding.load()
    try:
        wanted = str(uuid.UUID(identifier))
    except ValueError:
        if _ID.fullmatch(identifier) is None:
            return None
        return api.existing(service, vim.VirtualMachine, identifier)
    return service.content.searchIndex.FindByUuid(uuid=wanted, vmSearch=True, instanceUuid=True)


def port_groups(vm: Any) -> Iterator[str]:
    """Return the ids of what its vNICs are plugged into."""
    for nic in _nics(vm.config.hardware.device):
        yield nic.network
