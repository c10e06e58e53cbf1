"""What the inventory calls things of a vSphere host, and what is refused when it is entered."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import HostKind, Storage, StorageKind
from causeway_controller.inventory import rules, vsphere_names
from causeway_controller.inventory.vsphere_names import Switch
from tests.provider_inventory import seed_example, with_


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://vcenter.example/sdk", ("vcenter.example", 443)),
        ("https://192.0.2.7:8443/sdk", ("192.0.2.7", 8443)),
        ("https://[2001:db8::7]/sdk", ("[2001:db8::7]", 443)),
    ],
)
def test_an_endpoint_is_a_host_and_a_port(text: str, found: tuple[str, int]) -> None:
    assert vsphere_names.endpoint(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "http://vcenter.example/sdk",
        "https://vcenter.example",
        "https://user@vcenter.example/sdk",
        "https://user:password@vcenter.example/sdk",
        "https://vcenter.example/sdk?thumbprint=1",
        "https:///sdk",
        "https://vcenter.example:99999/sdk",
    ],
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"https://(HOST|vcenter\.example)/sdk"):
        vsphere_names.endpoint(text)


def test_switches_are_by_id_or_by_name() -> None:
    assert vsphere_names.switch("dvs-7") == Switch(distributed=True, name="dvs-7")
    assert vsphere_names.switch("vswitch:vSwitch 0") == Switch(distributed=False, name="vSwitch 0")
    for text in ("vSwitch0", "dvs-", "vswitch:", "dvs-7x"):
        with pytest.raises(ValueError, match="is neither dvs-NUMBER"):
            vsphere_names.switch(text)


def refused(inventory: Inventory) -> list[tuple[object, str]]:
    return [(one.pointer, one.detail) for one in rules.check(inventory).problems]


def changed(**members: object) -> Inventory:
    example = seed_example()
    return with_(example, hosts=(with_(example.hosts[0], **members), *example.hosts[1:]))


@pytest.mark.parametrize(
    ("members", "pointer", "said"),
    [
        ({"endpoint": "https://esx1.example"}, "/hosts/0/endpoint", "say https://HOST/sdk"),
        ({"login": UNSET}, "/hosts/0/login", "secret of two lines"),
        (
            {"storage": Storage(id="d", kind=StorageKind.DIRECTORY)},
            "/hosts/0/storage/kind",
            "such as datastore-11",
        ),
        ({"kind": HostKind.LAB, "cluster": "domain-c8"}, "/hosts/0/cluster", "has no clusters"),
    ],
)
def test_what_a_host_would_not_understand_is_refused_when_it_is_entered(
    members: dict[str, object], pointer: str, said: str
) -> None:
    assert said in dict(refused(changed(**members)))[pointer]


def test_a_switch_that_is_none_is_refused() -> None:
    example = seed_example()
    pools = (with_(example.vlan_pools[0], switch="Production"), *example.vlan_pools[1:])
    told = dict(refused(with_(example, vlan_pools=pools)))
    assert "is neither dvs-NUMBER" in told["/vlan_pools/0/switch"]
