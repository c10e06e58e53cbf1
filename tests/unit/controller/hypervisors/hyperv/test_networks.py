"""What a vNIC has of switches and VLANs, as the cmdlets take it and as they show it."""

from __future__ import annotations

import pytest

from causeway_controller.hypervisors.base import HypervisorError, NicSpec
from causeway_controller.hypervisors.hyperv import networks
from causeway_controller.inventory import hyperv_names

SWITCH = "5b2c1f0e-7d1a-4b8e-9f66-0a1b2c3d4e5f"
OTHER = "0f8a2b6c-11d2-4d53-8a1e-7c6b5a493827"


def shown(mode: str = "Untagged", **settings: object) -> dict[str, object]:
    """A vNIC as the host shows it."""
    plain: dict[str, object] = {"AccessVlanId": 0, "NativeVlanId": 0, "AllowedVlanIdList": []}
    return {"SwitchId": SWITCH.upper(), "OperationMode": mode, **plain, **settings}


@pytest.mark.parametrize(
    ("segment", "row", "parameters"),
    [
        (SWITCH, shown(), None),
        (f"{SWITCH}/7", shown("Access", AccessVlanId=7), {"Access": True, "VlanId": 7}),
        (
            f"{SWITCH}/trunk:7-9,12",
            shown("Trunk", AllowedVlanIdList=[12, 7, 8, 9]),
            {"Trunk": True, "AllowedVlanIdList": "7-9,12", "NativeVlanId": 0},
        ),
    ],
    ids=["untagged", "access", "trunk"],
)
def test_what_was_asked_for_is_what_is_read_back(
    segment: str, row: dict[str, object], parameters: dict[str, object] | None
) -> None:
    call = networks.port(hyperv_names.segment(segment))
    assert call == (None if parameters is None else ("Set-VMNetworkAdapterVlan", parameters))
    assert networks.plugged(row) == segment


@pytest.mark.parametrize(
    "row",
    [
        shown("Trunk", AllowedVlanIdList=[7], NativeVlanId=7),
        shown("Private"),
        shown(SwitchId=None),
        shown(SwitchId=""),
        shown(SwitchId="00000000-0000-0000-0000-000000000000"),
    ],
    ids=["native VLAN", "private VLAN", "nowhere", "an empty id", "an id of zeros"],
)
def test_what_no_segment_is_equals_none(row: dict[str, object]) -> None:
    found = networks.plugged(row)
    with pytest.raises(ValueError, match="is no"):
        hyperv_names.segment(found)


def test_a_switch_is_known_by_its_id_and_has_its_title_alone() -> None:
    there = {SWITCH: "Production", OTHER: "Tenants"}
    assert networks.title(there, OTHER) == "Tenants"
    with pytest.raises(HypervisorError, match=rf"there is no switch a; there is {OTHER} \(Tenants\), "):
        networks.title(there, "a")
    with pytest.raises(HypervisorError, match="several switches are called Tenants"):
        networks.title({**there, SWITCH: "Tenants"}, OTHER)


def test_each_segment_that_lacks_something_is_said_once() -> None:
    names = (f"{OTHER}/7", f"{SWITCH}/7", f"{OTHER}/7", "External")
    said = list(networks.missing({SWITCH: "Production"}, (NicSpec(mac="", segment=one) for one in names)))
    assert [name for name, _ in said] == [f"{OTHER}/7", "External"]
    assert [text.split(";")[0] for _, text in said] == [
        f"there is no switch {OTHER}",
        "External is no id of Hyper-V's, such as 5b2c1f0e-7d1a-4b8e-9f66-0a1b2c3d4e5f",
    ]


@pytest.mark.parametrize("text", ["00155D0000A7", "00-15-5D-00-00-A7", "00:15:5d:00:00:a7"])
def test_addresses_are_compared_as_others_write_them(text: str) -> None:
    assert networks.mac(text) == "00:15:5d:00:00:a7"
