r"""An appliance made of the VHDX: whole, in a folder of this attempt, then claimed. Blocking.

Hyper-V has names of VMs twice and gives ids itself, so nothing of a VM can be had once only. A file can: the
claim is renamed into the folder of appliances, under the machine's name, with the VM's id in it. That is the
one act that counts. Whoever is second finds the name taken, and deletes what he made.

    FOLDER\acme-one.claim                  the id of the VM that is acme-one
    FOLDER\acme-one-5f0c21ab\              of an attempt: its disk, its seed, the VM's own files
    FOLDER\causeway-image-SHA256.vhdx      what disks are copied of (`images`)
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import ntpath
import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from causeway_controller.hypervisors import digests, seed_image, sizes
from causeway_controller.hypervisors.base import HypervisorError, MachineSpec
from causeway_controller.hypervisors.hyperv import binding, images, machines, networks
from causeway_controller.hypervisors.hyperv.binding import CmdletError, Login
from causeway_controller.hypervisors.hyperv.files import TakenError
from causeway_controller.hypervisors.hyperv.machines import Vm
from causeway_controller.hypervisors.hyperv.place import Place
from causeway_controller.hypervisors.uploads import Upload
from causeway_controller.inventory import hyperv_names

ABANDONED_SECONDS: Final = 900.0
"""An attempt that is this old by the host's clock is nobody's any more: an upload that stalls ends sooner."""
SECURE_BOOT: Final = "MicrosoftUEFICertificateAuthority"
"""Of loaders that Microsoft signs for others, such as Debian's shim; the default is of Windows alone."""
_READ_SECONDS, _MAKE_SECONDS = 600.0, 300.0
_DISK, _SEED, _CLAIM = "disk.vhdx", "seed.iso", "claim"
_RELEASED: Final = (0.2, 0.5, 1.0, 2.0, 0.0)
"""Seconds after each try to delete files: the host has those of a removed VM open for a moment."""


def attempt_name(owner_id: str, attempt: str) -> str:
    """What the VM and its folder are called until the VM is whole; the folder remains so."""
    return f"{owner_id}-{attempt}"


def make(place: Place, spec: MachineSpec, image: Path, *, attempt: str, kept: bool, upload: Upload) -> None:
    """Put disk and seed there, and make the VM. What was made when this raises, `take_back` deletes.

    `kept`: there is room for the image beside the disk.
    """
    name = attempt_name(spec.owner_id, attempt)
    place.folder.make()
    place.folder.make(name)
    _put_disk(place, name, image, upload, kept=kept)
    upload.waits("make the VM", _MAKE_SECONDS)
    if spec.seed:
        place.folder.write((name, _SEED), io.BytesIO(seed_image.iso(spec.seed)), lambda _: None)
    _make_vm(place, spec, name)


def commit(place: Place, spec: MachineSpec, attempt: str) -> None:
    """Make the VM of this attempt the machine, unless another is."""
    name = attempt_name(spec.owner_id, attempt)
    vm = next((one for one in machines.listed(place.login) if _in(place, one, name)), None)
    if vm is None:
        raise HypervisorError(f"somebody removed {name} while it was deployed")
    machines.verify(place.login, vm)
    place.folder.write((name, _CLAIM), io.BytesIO(vm.id.encode("ascii")), lambda _: None)
    try:
        place.folder.rename((name, _CLAIM), machines.claim(spec.owner_id))
    except TakenError:
        if machines.ours(place, spec.owner_id) is None:
            raise
        return
    settle(place, spec.owner_id)


def settle(place: Place, owner_id: str) -> None:
    """Give the machine its name, and let a claim go whose VM somebody removed."""
    named = machines.claimed(place, owner_id)
    if named is None:
        return
    vm = machines.ours(place, owner_id)
    if vm is None:
        place.folder.delete_if(machines.claim(owner_id), named.encode("ascii"))
    elif vm.name != owner_id:
        place.login.run(machines.by_id(vm.id), ("Rename-VM", {"NewName": owner_id}))


def take_back(place: Place, owner_id: str, attempt: str) -> None:
    """Delete what this attempt made, unless it became the machine."""
    _remove_attempt(place, owner_id, attempt_name(owner_id, attempt))
    images.remove_unneeded(place)


def remove_abandoned(place: Place, owner_id: str, *, all_of_them: bool) -> None:
    """Delete attempts that nobody goes on with: all, once the machine is there or is not wanted any more."""
    found = attempts(place, owner_id)
    if not found:
        return
    now = clock(place.login).timestamp()
    for name, made in found.items():
        if all_of_them or now - made > ABANDONED_SECONDS:
            # One that is still written into is refused by the host, and deleted by whoever writes it.
            with contextlib.suppress(HypervisorError):
                _remove_attempt(place, owner_id, name)


def remove(place: Place, owner_id: str) -> None:
    """Power the machine off and delete it with its files and its claim; nothing to do when it is gone."""
    vm = machines.ours(place, owner_id)
    if vm is not None:
        _remove_vm(place.login, vm)
    named = machines.claimed(place, owner_id)
    if named is not None and not any(one.id == named for one in machines.listed(place.login)):
        place.folder.delete_if(machines.claim(owner_id), named.encode("ascii"))
    for name in attempts(place, owner_id):
        _remove_attempt(place, owner_id, name)
    images.remove_unneeded(place)


def attempts(place: Place, owner_id: str) -> Mapping[str, float]:
    """Return the deployments of this machine, also the one that succeeded, and when each was begun.

    By names of folders: one is a folder, or a VM in it. When: seconds of the epoch, by the host's clock.
    A VM whose folder somebody deleted while it was made is nobody's, and as old as can be.
    """
    pattern = re.compile(re.escape(owner_id) + r"-[0-9a-f]{8}")
    # VMs first: each was made in a folder, so one that is not there afterwards was deleted.
    found = {ntpath.basename(vm.path): 0.0 for vm in machines.listed(place.login) if _ours(place, vm)}
    found |= {entry.name: entry.made for entry in place.folder.entries() if entry.directory}
    return {name: made for name, made in found.items() if pattern.fullmatch(name)}


def clock(login: Login) -> datetime:
    """The host's time."""
    (row,) = login.run(("Get-Date", {"Format": "o"}))
    return datetime.fromisoformat(str(row["Value"]))


def _put_disk(place: Place, name: str, image: Path, upload: Upload, *, kept: bool) -> None:
    """Have the host copy the disk of the image that it keeps; where it keeps none, send it."""
    digest = digests.sha256(image)
    if not _copied(place, name, digest, upload):
        _send_disk(place, name, image, upload)
        if kept:
            upload.waits("keep the image", _READ_SECONDS)
            images.keep(place, digest, name, _DISK)
    images.remove_others(place, digest, lambda: clock(place.login).timestamp() - ABANDONED_SECONDS)


def _copied(place: Place, name: str, digest: str, upload: Upload) -> bool:
    """Have the host copy the disk; whether it could, and the disk is the image."""
    if not images.find(place, digest):
        return False
    upload.waits("copy the image", _READ_SECONDS)
    if not images.copy(place, digest, name, _DISK):
        return False
    upload.waits("read the disk that it copied", _READ_SECONDS)
    if _digest(place, name) == digest:
        return True
    place.folder.delete(name, _DISK)
    images.let_go(place, digest)
    return False


def _send_disk(place: Place, name: str, image: Path, upload: Upload) -> None:
    digest = hashlib.sha256()
    with image.open("rb") as file:
        read = _Read(file, digest.update)
        place.folder.write((name, _DISK), read, upload.sent, large=True)  # type: ignore[arg-type]
    upload.waits("read the disk that it was sent", _READ_SECONDS)
    if _digest(place, name) != digest.hexdigest():
        raise HypervisorError(f"{place.path(name, _DISK)} is not what was sent; look at the host's disk")


def _digest(place: Place, name: str) -> str:
    """The SHA-256 of the attempt's disk, as the host reads it."""
    (row,) = place.login.run(
        ("Get-FileHash", {"LiteralPath": place.path(name, _DISK), "Algorithm": "SHA256"}),
        ("Select-Object", {"Property": ["Hash"]}),
    )
    return str(row["Hash"]).lower()


class _Read:
    """A file that tells somebody what was read of it."""

    def __init__(self, file: io.BufferedReader, told: Callable[[bytes], object]) -> None:
        self._file = file
        self._told = told

    def read(self, most: int) -> bytes:
        piece = self._file.read(most)
        self._told(piece)
        return piece


def _make_vm(place: Place, spec: MachineSpec, name: str) -> None:
    login = place.login
    there = networks.switches(login)
    segments = [hyperv_names.segment(nic.segment) for nic in spec.nics]
    titles = [networks.title(there, one.switch) for one in segments]
    (made,) = login.run(
        (
            "New-VM",
            {
                "Name": name,
                "MemoryStartupBytes": binding.long(sizes.MEBIBYTES << 20),
                "Generation": binding.short(2),
                "VHDPath": place.path(name, _DISK),
                "BootDevice": "VHD",
                "Path": place.local,
            },
        ),
        ("Select-Object", {"Property": ["Id"]}),
    )
    vm = machines.by_id(str(made["Id"]))
    settings = {
        "ProcessorCount": binding.long(sizes.PROCESSORS),
        "StaticMemory": True,
        "AutomaticStartAction": "StartIfRunning",
        "AutomaticStopAction": "ShutDown",
        "CheckpointType": "Disabled",
        "Notes": machines.noted(spec.owner_id, spec.nics),
    }
    login.run(vm, ("Set-VM", settings))
    login.run(vm, ("Set-VMFirmware", {"EnableSecureBoot": "On", "SecureBootTemplate": SECURE_BOOT}))
    # The host gives a VM a vNIC that nobody asked for.
    login.run(vm, ("Get-VMNetworkAdapter", {}), ("Remove-VMNetworkAdapter", {}))
    for number, (nic, segment, title) in enumerate(zip(spec.nics, segments, titles, strict=True)):
        vnic = {
            "Name": f"causeway-{number}",
            "SwitchName": title,
            "StaticMacAddress": nic.mac.replace(":", "").upper(),
        }
        port = networks.port(segment)
        if port is None:
            login.run(vm, ("Add-VMNetworkAdapter", vnic))
        else:
            login.run(vm, ("Add-VMNetworkAdapter", {**vnic, "Passthru": True}), port)
    if spec.seed:
        login.run(vm, ("Add-VMDvdDrive", {"Path": place.path(name, _SEED)}))


def _remove_attempt(place: Place, owner_id: str, name: str) -> None:
    """Delete a folder and the VM in it, unless that is the machine."""
    for pause in _RELEASED:
        # Each time, for whoever writes into the folder may have made the machine meanwhile.
        if not _emptied(place, owner_id, name):
            return
        try:
            place.folder.remove(name)
        except binding.LostError:
            raise
        except HypervisorError:
            if not pause:
                raise
            time.sleep(pause)
            continue
        # A VM may have been made meanwhile, too. Without the disk none is any more.
        if not any(_in(place, vm, name) for vm in machines.listed(place.login)):
            return


def _emptied(place: Place, owner_id: str, name: str) -> bool:
    """Delete the VM in a folder; False, and it is left, where it is the machine."""
    # The claim first: what it does not name now never becomes the machine without its folder.
    named = machines.claimed(place, owner_id)
    found = [vm for vm in machines.listed(place.login) if _in(place, vm, name)]
    if any(vm.id == named for vm in found):
        return False
    for vm in found:
        _remove_vm(place.login, vm)
    return True


def _remove_vm(login: Login, vm: Vm) -> None:
    """Cut it off and delete it; its disk stays. Nothing to do when somebody else does the same."""
    try:
        machines.switch(login, vm, on=False)
        login.run(machines.by_id(vm.id), ("Remove-VM", {"Force": True}))
    except CmdletError:
        if any(one.id == vm.id for one in machines.listed(login)):
            raise


def _in(place: Place, vm: Vm, name: str) -> bool:
    """Whether the VM's files are in the folder of this attempt."""
    return vm.path.lower() == place.path(name).lower()


def _ours(place: Place, vm: Vm) -> bool:
    """Whether they are in a folder that is in that of appliances."""
    return ntpath.dirname(vm.path).lower() == place.local.lower()
