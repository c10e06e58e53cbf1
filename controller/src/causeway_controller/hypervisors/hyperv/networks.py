"""Virtual switches, and what a vNIC has of VLANs. Blocking; changes nothing.

A VLAN is a property of the vNIC, so no segment is made and none is removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from causeway_controller.hypervisors.base import HypervisorError, NicSpec
from causeway_controller.hypervisors.hyperv.binding import Call, Login, Row
from causeway_controller.inventory import hyperv_names
from causeway_controller.inventory.hyperv_names import Segment

_NATIVE: Final = 0
"""The VLAN of a trunk whose frames come untagged: none."""


def switches(login: Login) -> Mapping[str, str]:
    """Return the titles of the host's switches by their ids."""
    rows = login.run(("Get-VMSwitch", {}), ("Select-Object", {"Property": ["Id", "Name"]}))
    return {str(one["Id"]).lower(): str(one["Name"]) for one in rows}


def title(there: Mapping[str, str], switch: str) -> str:
    """Return what the switch with this id is called. Raises HypervisorError.

    The cmdlet that plugs a vNIC in takes titles only, and two switches may have the same.
    """
    found = there.get(switch)
    if found is None:
        listed = ", ".join(f"{one} ({name})" for one, name in sorted(there.items())) or "none"
        raise HypervisorError(f"there is no switch {switch}; there is {listed}")
    if sum(name == found for name in there.values()) > 1:
        raise HypervisorError(f"several switches are called {found}, as {switch} is; rename one of them")
    return found


def missing(there: Mapping[str, str], nics: Iterable[NicSpec]) -> Iterator[tuple[str, str]]:
    """Yield each segment that no vNIC can be plugged into, and why."""
    for name in dict.fromkeys(nic.segment for nic in nics):
        try:
            title(there, hyperv_names.segment(name).switch)
        except (HypervisorError, ValueError) as error:
            yield name, str(error)


def port(segment: Segment) -> Call | None:
    """Return the call that gives a vNIC, out of the one before, its VLANs; None where it has none."""
    cmdlet = "Set-VMNetworkAdapterVlan"
    if segment.trunk:
        allowed = hyperv_names.ranges(segment.trunk)
        return cmdlet, {"Trunk": True, "AllowedVlanIdList": allowed, "NativeVlanId": _NATIVE}
    return None if segment.vlan is None else (cmdlet, {"Access": True, "VlanId": segment.vlan})


def plugged(row: Row) -> str:
    """Return the segment of a vNIC; empty where it is plugged in nowhere.

    What no segment can be, such as a private VLAN, is named so that it equals none.
    """
    switch = str(row["SwitchId"] or "").lower()
    if not switch.strip("0-"):
        return ""
    mode = str(row["OperationMode"])
    if mode == "Untagged":
        return str(Segment(switch=switch))
    if mode == "Access":
        return str(Segment(switch=switch, vlan=int(row["AccessVlanId"])))
    if mode == "Trunk" and int(row["NativeVlanId"]) == _NATIVE:
        return str(Segment(switch=switch, trunk=tuple(sorted(map(int, row["AllowedVlanIdList"])))))
    native = f" with native VLAN {row['NativeVlanId']}" if mode == "Trunk" else ""
    return f"{switch}/{mode}{native}"


def mac(text: str) -> str:
    """Return a MAC address as Hyper-V writes it as others do."""
    digits = text.replace("-", "").replace(":", "").lower()
    return ":".join(digits[n : n + 2] for n in range(0, len(digits), 2))
