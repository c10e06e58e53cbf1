"""The cmdlets that a Hyper-V host of the tests knows, with parameters and types as Microsoft documents them.

For Windows Server 2022 (Hyper-V, SmbShare) and Windows PowerShell 5.1 (the others). What is not in here is
refused, as Windows refuses it: an unknown cmdlet, an unknown parameter, another type. Windows converts some
types where this does not: a caller who sends what is documented does not depend on it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from psrpcore import types

ON_OFF: Final = ("On", "Off")
BOOT_DEVICES: Final = ("Floppy", "CD", "IDE", "LegacyNetworkAdapter", "NetworkAdapter", "VHD")
CHECKPOINTS: Final = ("Disabled", "Production", "ProductionOnly", "Standard")
STARTS: Final = ("Nothing", "StartIfRunning", "Start")
STOPS: Final = ("TurnOff", "Save", "ShutDown")
SWITCH_TYPES: Final = ("Private", "Internal", "External")
Type = str | tuple[str, ...]
"""A type's name, or the members of an enumeration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmdlet:
    """What may be said, and what may come in by the pipeline, as names of types."""

    parameters: Mapping[str, Type]
    pipeline: tuple[str, ...] = ()
    needed: tuple[str, ...] = field(default=())
    """Parameters without which a human would be asked."""


_VM: Final = "VirtualMachine"
_NIC: Final = "VMNetworkAdapterBase"
_REMOTE: Final[Mapping[str, Type]] = {"ComputerName": "String[]"}
_SWITCH: Final = "SwitchParameter"
_DRIVE: Final[Mapping[str, Type]] = {
    "ControllerNumber": "Int32",
    "ControllerLocation": "Int32",
    "Path": "String",
}
_PASS: Final[Mapping[str, Type]] = {"Passthru": _SWITCH, "WhatIf": _SWITCH, "Confirm": _SWITCH}

CMDLETS: Final[Mapping[str, Cmdlet]] = {
    "Get-VMHost": Cmdlet(parameters=_REMOTE),
    "Get-VMSwitch": Cmdlet(
        parameters={
            "Name": "String",
            "Id": "Guid[]",
            "SwitchType": SWITCH_TYPES,
            "ResourcePoolName": "String[]",
        }
    ),
    "Get-VM": Cmdlet(parameters={"Name": "String[]", "Id": "Guid", **_REMOTE}),
    "New-VM": Cmdlet(
        parameters={
            "Name": "String",
            "MemoryStartupBytes": "Int64",
            "BootDevice": BOOT_DEVICES,
            "NoVHD": _SWITCH,
            "SwitchName": "String",
            "NewVHDPath": "String",
            "NewVHDSizeBytes": "UInt64",
            "VHDPath": "String",
            "Path": "String",
            "Generation": "Int16",
            "Force": _SWITCH,
            "AsJob": _SWITCH,
        }
    ),
    "Set-VM": Cmdlet(
        parameters={
            "Name": "String[]",
            "ProcessorCount": "Int64",
            "DynamicMemory": _SWITCH,
            "StaticMemory": _SWITCH,
            "MemoryMinimumBytes": "Int64",
            "MemoryMaximumBytes": "Int64",
            "MemoryStartupBytes": "Int64",
            "AutomaticStartAction": STARTS,
            "AutomaticStopAction": STOPS,
            "AutomaticStartDelay": "Int32",
            "AutomaticCheckpointsEnabled": "Boolean",
            "Notes": "String",
            "NewVMName": "String",
            "CheckpointType": CHECKPOINTS,
            **_PASS,
        },
        pipeline=(_VM,),
    ),
    "Set-VMFirmware": Cmdlet(
        parameters={
            "VMName": "String[]",
            "EnableSecureBoot": ON_OFF,
            "SecureBootTemplate": "String",
            "SecureBootTemplateId": "Guid",
            "PauseAfterBootFailure": ON_OFF,
            **_PASS,
        },
        pipeline=(_VM,),
    ),
    "Get-VMNetworkAdapter": Cmdlet(
        parameters={"VMName": "String[]", "Name": "String", "IsLegacy": "Boolean", "All": _SWITCH},
        pipeline=(_VM,),
    ),
    "Add-VMNetworkAdapter": Cmdlet(
        parameters={
            "VMName": "String[]",
            "SwitchName": "String",
            "IsLegacy": "Boolean",
            "Name": "String",
            "DynamicMacAddress": _SWITCH,
            "StaticMacAddress": "String",
            "ResourcePoolName": "String",
            "DeviceNaming": ON_OFF,
            **_PASS,
        },
        pipeline=(_VM,),
    ),
    "Remove-VMNetworkAdapter": Cmdlet(
        parameters={"VMName": "String[]", "Name": "String", **_PASS}, pipeline=(_NIC, _VM)
    ),
    "Set-VMNetworkAdapterVlan": Cmdlet(
        parameters={
            "VMName": "String[]",
            "VMNetworkAdapterName": "String",
            "Untagged": _SWITCH,
            "Access": _SWITCH,
            "VlanId": "Int32",
            "Trunk": _SWITCH,
            "NativeVlanId": "Int32",
            "AllowedVlanIdList": "String",
            **_PASS,
        },
        pipeline=(_NIC, _VM),
    ),
    "Add-VMDvdDrive": Cmdlet(parameters={"VMName": "String[]", **_DRIVE, **_PASS}, pipeline=(_VM,)),
    "Start-VM": Cmdlet(parameters={"Name": "String[]", "AsJob": _SWITCH, **_PASS}, pipeline=(_VM,)),
    "Stop-VM": Cmdlet(
        parameters={
            "Name": "String[]",
            "Save": _SWITCH,
            "TurnOff": _SWITCH,
            "Force": _SWITCH,
            "AsJob": _SWITCH,
            **_PASS,
        },
        pipeline=(_VM,),
    ),
    "Remove-VM": Cmdlet(
        parameters={"Name": "String[]", "Force": _SWITCH, "AsJob": _SWITCH, **_PASS}, pipeline=(_VM,)
    ),
    "Rename-VM": Cmdlet(
        parameters={"Name": "String[]", "NewName": "String", **_PASS}, pipeline=(_VM,), needed=("NewName",)
    ),
    "Get-SmbShare": Cmdlet(
        parameters={
            "Name": "String[]",
            "ScopeName": "String[]",
            "Special": "Boolean[]",
            "IncludeHidden": _SWITCH,
        }
    ),
    "Get-FileHash": Cmdlet(
        parameters={"Path": "String[]", "LiteralPath": "String[]", "Algorithm": "String"},
    ),
    "Copy-Item": Cmdlet(
        parameters={
            "Path": "String[]",
            "LiteralPath": "String[]",
            "Destination": "String",
            "Container": _SWITCH,
            "Force": _SWITCH,
            "Filter": "String",
            "Include": "String[]",
            "Exclude": "String[]",
            "Recurse": _SWITCH,
            "PassThru": _SWITCH,
            "WhatIf": _SWITCH,
            "Confirm": _SWITCH,
        },
    ),
    "Get-Date": Cmdlet(parameters={"Date": "DateTime", "Format": "String", "UFormat": "String"}),
    "Select-Object": Cmdlet(
        parameters={
            "Property": "Object[]",
            "ExcludeProperty": "String[]",
            "ExpandProperty": "String",
            "Unique": _SWITCH,
            "First": "Int32",
            "Last": "Int32",
            "Skip": "Int32",
        },
        pipeline=("PSObject",),
    ),
}

_PLAIN: Final[Mapping[str, tuple[type, ...]]] = {
    "String": (str,),
    "Int16": (types.PSInt16,),
    "Int32": (types.PSInt,),
    "Int64": (types.PSInt64,),
    "UInt64": (types.PSUInt64,),
    "Boolean": (bool,),
    "SwitchParameter": (bool, type(None)),
    "Guid": (uuid.UUID,),
}


def refusal(name: str, parameters: Mapping[str, object]) -> str | None:
    """Why this call is none that is documented, in words like PowerShell's."""
    cmdlet = CMDLETS.get(name)
    if cmdlet is None:
        return f"The term '{name}' is not recognized as the name of a cmdlet"
    for parameter, value in parameters.items():
        if parameter not in cmdlet.parameters:
            return f"A parameter cannot be found that matches parameter name '{parameter}'."
        if not _fits(value, cmdlet.parameters[parameter]):
            wanted = cmdlet.parameters[parameter]
            return f"Cannot bind parameter '{parameter}': {type(value).__name__} is no {wanted}"
    lacking = [one for one in cmdlet.needed if one not in parameters]
    return (
        f"Cannot process command because of one or more missing mandatory parameters: {lacking}"
        if lacking
        else None
    )


def _fits(value: object, wanted: Type) -> bool:
    if isinstance(wanted, tuple):
        return isinstance(value, str) and value in wanted
    if wanted.endswith("[]"):
        each = wanted.removesuffix("[]")
        values = value if isinstance(value, list) else [value]
        return all(each == "Object" or _fits(one, each) for one in values)
    if isinstance(value, bool) and "Boolean" not in wanted and wanted != "SwitchParameter":
        return False
    return isinstance(value, _PLAIN.get(wanted, ()))
