"""What a Hyper-V host of the tests has: VMs with vNICs, with the properties that cmdlets give them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from psrpcore import types

_ENUMERATION: Final = ("System.Enum", "System.ValueType", "System.Object")


@types.PSType(["Microsoft.HyperV.PowerShell.VMState", *_ENUMERATION])
class State(types.PSEnumBase):
    """Of a VM."""

    Running = 2
    Off = 3
    Saved = 6


@types.PSType(["Microsoft.HyperV.PowerShell.VMHeartbeatStatus", *_ENUMERATION])
class Heartbeat(types.PSEnumBase):
    """What a guest's services say of themselves."""

    Disabled = 1
    OkApplicationsUnknown = 4


@types.PSType(["Microsoft.HyperV.PowerShell.VMNetworkAdapterVlanMode", *_ENUMERATION])
class Mode(types.PSEnumBase):
    """What a vNIC does with VLANs."""

    Untagged = 0
    Access = 1
    Trunk = 2


@types.PSType(["Microsoft.HyperV.PowerShell.OnOffState", *_ENUMERATION])
class OnOff(types.PSEnumBase):
    """Of a setting."""

    On = 0
    Off = 1


@dataclass
class Vlan:
    """Of a vNIC."""

    mode: Mode = Mode.Untagged
    access: int = 0
    native: int = 0
    allowed: tuple[int, ...] = ()
    kind: str = "VMNetworkAdapterVlanSetting"

    def properties(self) -> Mapping[str, object]:
        return {
            "OperationMode": self.mode,
            "AccessVlanId": self.access,
            "NativeVlanId": self.native,
            "AllowedVlanIdList": list(self.allowed),
            "AllowedVlanIdListString": ",".join(map(str, self.allowed)),
        }


@dataclass
class Nic:
    """A vNIC; `switch` is an id."""

    vm: Vm
    name: str
    switch: uuid.UUID | None
    switch_name: str
    mac: str
    vlan: Vlan = field(default_factory=Vlan)
    spoofing: OnOff = OnOff.Off
    addresses: list[str] = field(default_factory=list)
    """What its guest says."""
    kind: str = "VMNetworkAdapterBase"

    def properties(self) -> Mapping[str, object]:
        return {
            "Name": self.name,
            "VMId": self.vm.id,
            "VMName": self.vm.name,
            "SwitchId": self.switch,
            "SwitchName": self.switch_name,
            "MacAddress": self.mac,
            "DynamicMacAddressEnabled": not self.mac.strip("0"),
            "MacAddressSpoofing": self.spoofing,
            "IPAddresses": list(self.addresses),
            "VlanSetting": self.vlan,
        }


@dataclass
class Vm:
    """A VM; `path` is the host's."""

    name: str
    path: str
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    state: State = State.Off
    generation: int = 2
    notes: str = ""
    disk: str = ""
    discs: list[str] = field(default_factory=list)
    nics: list[Nic] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)
    kind: str = "VirtualMachine"

    def properties(self) -> Mapping[str, object]:
        beat = Heartbeat.OkApplicationsUnknown if self.state is State.Running else Heartbeat.Disabled
        return {
            "Id": self.id,
            "VMId": self.id,
            "Name": self.name,
            "State": self.state,
            "Notes": self.notes,
            "Path": self.path,
            "Generation": self.generation,
            "Heartbeat": beat,
            "NetworkAdapters": list(self.nics),
        }


@dataclass
class Thing:
    """Anything else that has properties."""

    values: Mapping[str, object]
    kind: str = "PSObject"

    def properties(self) -> Mapping[str, object]:
        return self.values
