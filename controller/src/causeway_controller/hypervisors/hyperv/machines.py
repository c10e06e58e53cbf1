"""VMs: found by owner id or by id, and powered. Blocking, and repeatable.

A VM is ours if its notes say so and the claim of the owner id names it: a file in our folder that is there
once (see `deployment`). Others are powered by their ids, never changed and never removed.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from causeway_controller.contract.hosts import VmNic
from causeway_controller.hypervisors import wiring
from causeway_controller.hypervisors.base import FoundVm, HypervisorError, Machine, NicSpec
from causeway_controller.hypervisors.hyperv import networks
from causeway_controller.hypervisors.hyperv.binding import Call, CmdletError, Login
from causeway_controller.hypervisors.hyperv.place import Place, vm_rows
from causeway_controller.inventory import hyperv_names

OWNER: Final = "causeway.owner"
NICS: Final = "causeway.nics"
"""Lines of the notes: whose it is, and how its vNICs are to be."""
_OFF: Final = frozenset({"Off", "OffCritical", "Saved", "SavedCritical", "FastSaved", "FastSavedCritical"})
"""States in which it does not run. One that is saved is left so: its memory is its owner's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """A VM as the host lists it."""

    id: str
    name: str
    state: str
    notes: Mapping[str, str]
    """Its lines of the form NAME=VALUE."""
    path: str
    """Where its files are."""
    heartbeat: str

    @property
    def on(self) -> bool:
        """Whether it runs; one that is paused does."""
        return self.state not in _OFF


def listed(login: Login) -> tuple[Vm, ...]:
    """Return all VMs of the host.

    Who may not see them is shown none: whether this login may is asked when it is made.
    """
    return tuple(
        Vm(
            id=str(one["Id"]).lower(),
            name=str(one["Name"]),
            state=str(one["State"]),
            notes=_lines(str(one["Notes"] or "")),
            path=str(one["Path"] or "").rstrip("\\"),
            heartbeat=str(one["Heartbeat"] or ""),
        )
        for one in vm_rows(login)
    )


def _lines(notes: str) -> dict[str, str]:
    split = (line.partition("=") for line in notes.splitlines())
    return {name: value for name, equals, value in split if equals}


def claim(owner_id: str) -> str:
    """The name of the file that says which VM is this machine."""
    return f"{owner_id}.claim"


def claimed(place: Place, owner_id: str) -> str | None:
    """Return the id of the VM that was made this machine; None where none was."""
    found = place.folder.read(claim(owner_id))
    return None if found is None else found.decode("ascii", errors="replace").strip()


def ours(place: Place, owner_id: str) -> Vm | None:
    """Return the VM with this owner id. Raises HypervisorError where another has its place."""
    # The claim first: a VM that is not listed after it was named is gone.
    named = claimed(place, owner_id)
    if named is None:
        return None
    found = next((one for one in listed(place.login) if one.id == named), None)
    if found is not None and found.notes.get(OWNER) != owner_id:
        raise HypervisorError(
            f"VM {found.name} ({found.id}) is {owner_id}, and its notes do not say {OWNER}={owner_id}; "
            "put that line there again, or remove the VM"
        )
    return found


def find(place: Place, owner_id: str) -> Machine | None:
    """The machine with this owner id, else the VM with this id."""
    found = ours(place, owner_id) or _other(place.login, owner_id)
    if found is None:
        return None
    told = found.heartbeat if found.on else ""
    answers = None if told in {"", "Unknown", "Disabled"} else told.startswith("Ok")
    return Machine(owner_id=owner_id, name=found.name, powered_on=found.on, guest_answers=answers)


def vms(place: Place) -> Iterator[FoundVm]:
    """All VMs of the host, by their ids."""
    nics: dict[str, list[VmNic]] = {}
    for vm, nic in _nics(place.login, ("Get-VM", {})):
        nics.setdefault(vm, []).append(nic)
    addresses = _addresses(place.login)
    for one in listed(place.login):
        owner = one.notes.get(OWNER)
        yield FoundVm(
            id=one.id,
            name=one.name,
            powered_on=one.on,
            nics=tuple(nics.get(one.id, ())),
            owner_id=owner if owner is not None and claimed(place, owner) == one.id else None,
            addresses=tuple(addresses[one.id]) if one.on else (),
        )


def power(place: Place, owner_id: str, *, on: bool) -> None:
    """Power it on or off, unless it is so. One of ours is only started with the vNICs that it is to have."""
    mine = ours(place, owner_id)
    found = mine or _other(place.login, owner_id)
    if found is None:
        raise HypervisorError(f"there is no machine {owner_id}; deploy it first")
    if on and mine is not None and not mine.on:
        verify(place.login, mine)
    switch(place.login, found, on=on)


def ask_to_stop(place: Place, owner_id: str) -> None:
    """Have the guest shut down; one that does not listen is cut later."""
    found = ours(place, owner_id) or _other(place.login, owner_id)
    if found is None or not found.on:
        return
    try:
        # As a job: the cmdlet itself would wait for the guest, for minutes.
        place.login.run(by_id(found.id), ("Stop-VM", {"Force": True, "AsJob": True}))
    except CmdletError:
        return  # no guest services run there


def switch(login: Login, vm: Vm, *, on: bool) -> None:
    """Power it; somebody else may do the same at once."""
    if vm.on == on:
        return
    try:
        login.run(by_id(vm.id), ("Start-VM", {}) if on else ("Stop-VM", {"TurnOff": True, "Force": True}))
    except CmdletError:
        if not any(one.id == vm.id and one.on == on for one in listed(login)):
            raise


def by_id(identifier: str) -> Call:
    """The call that has the VM with this id go into the next one: names need not be unique."""
    return "Get-VM", {"Id": uuid.UUID(identifier)}


def noted(owner_id: str, nics: Sequence[NicSpec]) -> str:
    """The notes of a machine."""
    described = wiring.noted(VmNic(mac=nic.mac, network=_canonical(nic.segment)) for nic in nics)
    told = (
        f"Network extension appliance {owner_id}, kept by Causeway: change neither hardware nor these lines.",
        f"{OWNER}={owner_id}",
        f"{NICS}={described}",
    )
    return "\r\n".join(told)


def verify(login: Login, vm: Vm) -> None:
    """Raise HypervisorError unless every vNIC has the MAC and segment that it was deployed with."""
    wiring.compare(vm.name, vm.notes.get(NICS, "[]"), (nic for _, nic in _nics(login, by_id(vm.id))))


def _nics(login: Login, source: Call) -> Iterator[tuple[str, VmNic]]:
    """The VM's id and the vNIC, of each of those VMs."""
    settings = ["OperationMode", "AccessVlanId", "NativeVlanId", "AllowedVlanIdList"]
    own = ["VMId", "MacAddress", "SwitchId"]
    rows = login.run(
        source,
        ("Get-VMNetworkAdapter", {}),
        # The VLANs are an object of their own, which would come as its title only.
        ("Select-Object", {"Property": own, "ExpandProperty": "VlanSetting"}),
        ("Select-Object", {"Property": [*own, *settings]}),
    )
    for one in rows:
        nic = VmNic(mac=networks.mac(str(one["MacAddress"] or "")), network=networks.plugged(one))
        yield str(one["VMId"]).lower(), nic


def _addresses(login: Login) -> Mapping[str, list[str]]:
    """What guests say they have, by their VMs' ids: those whose integration services run (KVP)."""
    rows = login.run(
        ("Get-VM", {}),
        ("Get-VMNetworkAdapter", {}),
        ("Select-Object", {"Property": ["VMId", "IPAddresses"]}),
    )
    found: dict[str, list[str]] = defaultdict(list)
    for one in rows:
        found[str(one["VMId"]).lower()] += map(str, one["IPAddresses"] or ())
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Unspoofed:
    """A vNIC of an appliance that is not let send frames of others' MAC addresses."""

    vm: str
    adapter: str
    mac: str
    network: str


def unspoofed(login: Login, appliances: Container[str]) -> Iterator[Unspoofed]:
    """Each of those appliances' vNICs that is one."""
    names = {one.id: one.name for one in listed(login) if one.notes.get(OWNER) in appliances}
    places = {(vm, nic.mac): nic.network for vm, nic in _nics(login, ("Get-VM", {}))}
    rows = login.run(
        ("Get-VM", {}),
        ("Get-VMNetworkAdapter", {}),
        ("Select-Object", {"Property": ["VMId", "Name", "MacAddress", "MacAddressSpoofing"]}),
    )
    for one in rows:
        vm, mac = str(one["VMId"]).lower(), networks.mac(str(one["MacAddress"] or ""))
        if vm in names and str(one["MacAddressSpoofing"]) != "On":
            network = places.get((vm, mac), "")
            yield Unspoofed(vm=names[vm], adapter=str(one["Name"]), mac=mac, network=network)


def _other(login: Login, identifier: str) -> Vm | None:
    try:
        wanted = hyperv_names.guid(identifier)
    except ValueError:
        return None
    return next((one for one in listed(login) if one.id == wanted), None)


def _canonical(segment: str) -> str:
    return str(hyperv_names.segment(segment))
