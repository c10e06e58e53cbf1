r"""What a Hyper-V host of the tests is: VMs, switches and shares, and what the cmdlets do to them.

Modelled after the documentation, and as strict. Files are real: `root` is what the host calls `D:\Hyper-V`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.hyperv import cmdlets
from tests.hyperv.things import Mode, Nic, State, Thing, Vlan, Vm

DIRECTORY: Final = r"D:\Hyper-V"
SHARE: Final = "Hyper-V"
TEMPLATES: Final = ("MicrosoftWindows", "MicrosoftUEFICertificateAuthority", "OpenSourceShieldedVM")
_ADAPTERS: Final = 8
_MAC: Final = re.compile(r"[0-9A-F]{12}")


class RefusedError(Exception):
    """A cmdlet says no."""


@dataclass
class Windows:
    """One host. `calls` are the names of cmdlets that were run."""

    root: Path
    vms: list[Vm] = field(default_factory=list)
    switches: dict[uuid.UUID, str] = field(default_factory=dict)
    shares: list[tuple[str, str, bool]] = field(
        default_factory=lambda: [
            ("ADMIN$", r"C:\Windows", True),
            ("D$", "D:\\", True),
            (SHARE, DIRECTORY, False),
        ]
    )
    allowed: bool = True
    """Whether who logs in may command Hyper-V."""
    full: bool = False
    no_copies: bool = False
    """Its disk gets full while a file is copied."""
    calls: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda _: None
    """Called with each cmdlet before it is run; raises RefusedError to have it refuse."""

    def run(self, stages: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Any]:
        """What comes out of a pipeline. Raises RefusedError."""
        for name, parameters in stages:
            if (refused := cmdlets.refusal(name, parameters)) is not None:
                raise RefusedError(refused)
        objects: list[Any] | None = None
        for name, parameters in stages:
            self.before(name)
            self.calls.append(name)
            objects = self._one(name, parameters, objects)
        return objects or []

    def local(self, path: str) -> Path:
        """The file that the host calls so."""
        if not path.lower().startswith(DIRECTORY.lower() + "\\"):
            raise RefusedError(f"Cannot find path '{path}' because it does not exist.")
        return self.root / path[len(DIRECTORY) + 1 :].replace("\\", "/")

    def _one(self, name: str, parameters: Mapping[str, Any], objects: list[Any] | None) -> list[Any]:
        taken = cmdlets.CMDLETS[name].pipeline
        if objects is None:
            found: list[Any] = self._act(name)(None, parameters)
            return found
        if not taken:
            raise RefusedError(f"{name}: the input object cannot be bound to any parameters for the command")
        for one in objects:
            if one.kind not in taken and "PSObject" not in taken:
                raise RefusedError(f"{name}: {one.kind} cannot be bound to any parameters for the command")
        if name == "Select-Object":
            return [out for one in objects for out in self._selected(one, parameters)]
        act = self._act(name)
        return [out for one in objects for out in act(one, parameters)]

    def _act(self, name: str) -> Callable[[Any, Mapping[str, Any]], list[Any]]:
        act: Callable[[Any, Mapping[str, Any]], list[Any]] = getattr(
            self, "_" + name.replace("-", "_").lower()
        )
        return act

    def _selected(self, one: Any, parameters: Mapping[str, Any]) -> list[Any]:
        told = one.properties()
        chosen = {name: told.get(name) for name in parameters.get("Property", ())}
        if (expanded := parameters.get("ExpandProperty")) is None:
            return [Thing(chosen)]
        if expanded not in told:
            raise RefusedError(f'Select-Object: Property "{expanded}" cannot be found.')
        inner = told[expanded].properties()
        if both := set(inner) & set(chosen):
            raise RefusedError(
                f"Select-Object: The property cannot be processed because it exists already: {both}"
            )
        return [Thing({**inner, **chosen})]

    def _permitted(self) -> None:
        if not self.allowed:
            raise RefusedError("You do not have the required permission to complete this task.")

    def _named(self, one: Any, parameters: Mapping[str, Any], parameter: str) -> Vm:
        self._permitted()
        if isinstance(one, Vm):
            if one not in self.vms:
                raise RefusedError(f"The virtual machine {one.name} was not found.")
            return one
        raise RefusedError(
            f"Here, VMs are named by the pipeline, not by {parameter}: {parameters.get(parameter)}"
        )

    def _get_vmhost(self, _one: None, _parameters: Mapping[str, Any]) -> list[Any]:
        self._permitted()
        return [Thing({"Name": "HV1", "FullyQualifiedDomainName": "hvlab.example"})]

    def _get_vm(self, _one: None, parameters: Mapping[str, Any]) -> list[Any]:
        if not self.allowed:
            return []  # as Windows does
        if "Id" in parameters:
            found = [vm for vm in self.vms if vm.id == parameters["Id"]]
            if not found:
                raise RefusedError(
                    f'Hyper-V was unable to find a virtual machine with id "{parameters["Id"]}".'
                )
            return found
        return list(self.vms)

    def _get_vmswitch(self, _one: None, _parameters: Mapping[str, Any]) -> list[Any]:
        self._permitted()
        return [Thing({"Id": one, "Name": name}) for one, name in self.switches.items()]

    def _new_vm(self, _one: None, parameters: Mapping[str, Any]) -> list[Any]:
        self._permitted()
        disk = self.local(parameters["VHDPath"])
        if not disk.is_file() or not _is_vhdx(disk):
            raise RefusedError(f"Failed to add device 'Virtual Hard Disk': {parameters['VHDPath']}")
        if parameters["Generation"] != 2 or parameters["BootDevice"] != "VHD":
            raise RefusedError("The VM is to be of generation 2 and to boot from its disk.")
        if self.full:
            raise RefusedError("There is not enough space on the disk. (0x80070070).")
        path = "\\".join((parameters["Path"].rstrip("\\"), parameters["Name"]))
        vm = Vm(name=parameters["Name"], path=path, disk=parameters["VHDPath"])
        vm.settings["MemoryStartupBytes"] = int(parameters["MemoryStartupBytes"])
        vm.nics.append(Nic(vm, "Network Adapter", None, "", "0" * 12))
        (self.local(path) / "Virtual Machines").mkdir(parents=True, exist_ok=True)
        self._configuration(vm).touch()
        self.vms.append(vm)
        return [vm]

    def _configuration(self, vm: Vm) -> Path:
        return self.local(vm.path) / "Virtual Machines" / f"{str(vm.id).upper()}.vmcx"

    def _set_vm(self, one: Any, parameters: Mapping[str, Any]) -> list[Any]:
        vm = self._named(one, parameters, "Name")
        if vm.state is not State.Off:
            raise RefusedError(
                "The operation cannot be performed while the virtual machine is in its current state."
            )
        vm.notes = parameters.get("Notes", vm.notes)
        vm.settings.update({name: value for name, value in parameters.items() if name != "Notes"})
        return [vm] if parameters.get("Passthru") else []

    def _set_vmfirmware(self, one: Any, parameters: Mapping[str, Any]) -> list[Any]:
        vm = self._named(one, parameters, "VMName")
        if parameters.get("SecureBootTemplate", TEMPLATES[0]) not in TEMPLATES:
            raise RefusedError("There is no such template of Secure Boot.")
        vm.settings.update(parameters)
        return []

    def _get_vmnetworkadapter(self, one: Any, parameters: Mapping[str, Any]) -> list[Any]:
        return list(self._named(one, parameters, "VMName").nics)

    def _add_vmnetworkadapter(self, one: Any, parameters: Mapping[str, Any]) -> list[Any]:
        vm = self._named(one, parameters, "VMName")
        mac, switch = parameters.get("StaticMacAddress", "0" * 12), parameters.get("SwitchName", "")
        found = [identifier for identifier, name in self.switches.items() if name == switch]
        if len(found) != 1:
            raise RefusedError(
                f"Hyper-V was unable to find a virtual switch with name '{switch}', or found several."
            )
        if _MAC.fullmatch(mac) is None:
            raise RefusedError(f"The address {mac} is no static MAC address.")
        if len(vm.nics) == _ADAPTERS:
            raise RefusedError("The maximum number of network adapters was reached.")
        vm.nics.append(Nic(vm, parameters.get("Name", "Network Adapter"), found[0], switch, mac))
        return vm.nics[-1:] if parameters.get("Passthru") else []

    def _remove_vmnetworkadapter(self, one: Any, parameters: Mapping[str, Any]) -> list[Any]:
        self._permitted()
        assert isinstance(one, Nic)
        one.vm.nics.remove(one)
        return []

    def _set_vmnetworkadaptervlan(self, one: Any, parameters: Mapping[str, Any]) -> list[Any]:
        self._permitted()
        assert isinstance(one, Nic)
        modes = [mode for mode in ("Untagged", "Access", "Trunk") if parameters.get(mode)]
        if len(modes) != 1:
            raise RefusedError("Parameter set cannot be resolved using the specified named parameters.")
        if modes == ["Access"]:
            one.vlan = Vlan(mode=Mode.Access, access=_vlan(parameters["VlanId"]))
        elif modes == ["Trunk"]:
            allowed = tuple(
                one for part in parameters["AllowedVlanIdList"].split(",") for one in _range(part)
            )
            one.vlan = Vlan(mode=Mode.Trunk, native=parameters["NativeVlanId"], allowed=allowed)
        else:
            one.vlan = Vlan()
        return []

    def _add_vmdvddrive(self, one: Any, parameters: Mapping[str, Any]) -> list[Any]:
        vm = self._named(one, parameters, "VMName")
        if not self.local(parameters["Path"]).is_file():
            raise RefusedError(f"Cannot find path '{parameters['Path']}' because it does not exist.")
        vm.discs.append(parameters["Path"])
        return []

    def _start_vm(self, one: Any, parameters: Mapping[str, Any]) -> list[Any]:
        vm = self._named(one, parameters, "Name")
        for path in (vm.disk, *vm.discs):
            if path and not self.local(path).is_file():
                raise RefusedError(f"'{vm.name}' failed to start: {path} is not there.")
        vm.state = State.Running
        return []

    def _stop_vm(self, one: Any, parameters: Mapping[str, Any]) -> list[Any]:
        vm = self._named(one, parameters, "Name")
        if not parameters.get("Force"):
            raise RefusedError(
                "A command that prompts the user failed because the host program does not support it."
            )
        if not parameters.get("TurnOff") and not vm.settings.get("listens"):
            raise RefusedError("Failed to shut down: the integration service is not available.")
        vm.state = State.Off
        return []

    def _remove_vm(self, one: Any, parameters: Mapping[str, Any]) -> list[Any]:
        vm = self._named(one, parameters, "Name")
        if vm.state is State.Running or not parameters.get("Force"):
            raise RefusedError(
                "The operation cannot be performed while the virtual machine is in its current state."
            )
        self._configuration(vm).unlink(missing_ok=True)
        self.vms.remove(vm)
        return []

    def _rename_vm(self, one: Any, parameters: Mapping[str, Any]) -> list[Any]:
        self._named(one, parameters, "Name").name = parameters["NewName"]
        return []

    def _get_smbshare(self, _one: None, _parameters: Mapping[str, Any]) -> list[Any]:
        return [
            Thing({"Name": name, "Path": path, "ScopeName": "*", "Special": special})
            for name, path, special in self.shares
        ]

    def _get_filehash(self, _one: None, parameters: Mapping[str, Any]) -> list[Any]:
        if parameters.get("Algorithm", "SHA256") != "SHA256":
            raise RefusedError("That algorithm is not used here.")
        path = self.local(parameters["LiteralPath"])
        if not path.is_file():
            raise RefusedError(f"Cannot find path '{path}' because it does not exist.")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest().upper()
        return [Thing({"Algorithm": "SHA256", "Hash": found, "Path": parameters["LiteralPath"]})]

    def _copy_item(self, _one: None, parameters: Mapping[str, Any]) -> list[Any]:
        source, target = self.local(parameters["LiteralPath"]), self.local(parameters["Destination"])
        if not source.is_file():
            raise RefusedError(f"Cannot find path '{parameters['LiteralPath']}' because it does not exist.")
        if not target.parent.is_dir():
            raise RefusedError(f"Could not find a part of the path '{parameters['Destination']}'.")
        if self.no_copies:
            target.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
            raise RefusedError("There is not enough space on the disk.")
        shutil.copyfile(source, target)
        return []

    def _get_date(self, _one: None, parameters: Mapping[str, Any]) -> list[Any]:
        if parameters.get("Format") != "o":
            raise RefusedError("That format is not used here.")
        # Seven digits of a second, as .NET writes them.
        return [datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0+00:00")]


def _is_vhdx(disk: Path) -> bool:
    with disk.open("rb") as file:
        return file.read(8) == b"vhdxfile"


def _vlan(number: int) -> int:
    if not 1 <= number <= 4094:
        raise RefusedError(f"{number} is no VLAN.")
    return number


def _range(part: str) -> range:
    first, _, last = part.partition("-")
    return range(_vlan(int(first)), _vlan(int(last or first)) + 1)
