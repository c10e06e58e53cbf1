"""What the inventory calls things of a Hyper-V host, and what is refused when it is entered."""

from __future__ import annotations

import pytest

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Host, HostKind, Storage, StorageKind
from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.inventory import hyperv_names
from causeway_controller.inventory.hyperv_names import Segment
from tests.provider_inventory import found, seed_example, with_

SWITCH = "5b2c1f0e-7d1a-4b8e-9f66-0a1b2c3d4e5f"
STORAGE = Storage(id="D:\\Hyper-V", kind=StorageKind.DIRECTORY)


def test_an_endpoint_is_a_host_and_a_port() -> None:
    assert hyperv_names.endpoint("https://hv1.example/wsman") == ("hv1.example", 5986)
    assert hyperv_names.endpoint("https://[2001:db8::7]:8443/wsman") == ("2001:db8::7", 8443)


@pytest.mark.parametrize(
    "text",
    [
        "http://hv1.example/wsman",
        "https://hv1.example",
        "https://user:password@hv1.example/wsman",
        "https://hv1.example/wsman?x",
        "https:///wsman",
        "https://hv1.example:99999/wsman",
    ],
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"https://(HOST|hv1\.example)/wsman"):
        hyperv_names.endpoint(text)


@pytest.mark.parametrize(
    ("text", "segment"),
    [
        (SWITCH, Segment(switch=SWITCH)),
        (f"{SWITCH}/7", Segment(switch=SWITCH, vlan=7)),
        (f"{SWITCH}/trunk:101-103,110", Segment(switch=SWITCH, trunk=(101, 102, 103, 110))),
    ],
)
def test_a_segment_is_a_switch_and_what_its_port_does_with_vlans(text: str, segment: Segment) -> None:
    assert hyperv_names.segment(text) == segment
    assert hyperv_names.segment(text.replace(SWITCH, SWITCH.upper())) == segment
    assert str(segment) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "External",
        f"{{{SWITCH}}}",
        f"{SWITCH}/",
        f"{SWITCH}/0",
        f"{SWITCH}/4095",
        f"{SWITCH}/07",
        f"{SWITCH}/trunk:",
        f"{SWITCH}/trunk:9-7",
        f"{SWITCH}/trunk:7,7",
        f"{SWITCH}/trunk:1-2,3",
    ],
)
def test_what_is_no_segment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        hyperv_names.segment(text)


def test_segments_are_named_without_a_look_at_the_host() -> None:
    assert hyperv_names.segment_of(SWITCH.upper(), 7) == f"{SWITCH}/7"
    assert hyperv_names.trunk_of(SWITCH, (9, 7, 8, 12)) == f"{SWITCH}/trunk:7-9,12"


def test_directories_are_local_and_folders_are_what_windows_takes() -> None:
    assert hyperv_names.directory("d:\\Hyper-V\\") == "D:\\Hyper-V"
    for text in ("\\\\server\\share", "D:Hyper-V", "/srv", "D:\\a\\..\\b", "D:\\" + "a" * 120):
        with pytest.raises(ValueError, match=r"directory|folder|characters"):
            hyperv_names.directory(text)
    for text in ("a/b", "a\\b", "nul", "COM1.txt", "a.", "a ", "..", "a:b", "a\nb"):
        with pytest.raises(ValueError, match="no name of a folder"):
            hyperv_names.folder(text)


def example(**members: object) -> Inventory:
    """The seed's example with a Hyper-V host in place of its host; `members` are that host's."""
    made = seed_example()
    (before,) = made.hosts
    host = Host(
        id=before.id, kind=HostKind.HYPERV, endpoint="https://hv1.example/wsman", storage=STORAGE, login="hv1"
    )
    tenants = tuple(
        with_(
            tenant,
            platform=HostKind.HYPERV,
            vms=tuple(
                with_(vm, replica=ReplicaVm(host=before.id, vm_id=SWITCH[:-1] + str(n)))
                for n, vm in enumerate(tenant.vms)
            ),
            subscriptions=tuple(
                with_(one, uplink=with_(one.uplink, network=f"{SWITCH}/9")) for one in tenant.subscriptions
            ),
        )
        for tenant in made.tenants
    )
    pools = tuple(with_(pool, switch=SWITCH) for pool in made.vlan_pools)
    gateways = tuple(with_(one, public_network=SWITCH, inside_network=f"{SWITCH}/9") for one in made.gateways)
    return with_(made, hosts=(with_(host, **members),), tenants=tenants, vlan_pools=pools, gateways=gateways)


def edited(kind: str, **members: object) -> list[str]:
    """Pointers to what is wrong when the first entry of this kind has these members."""
    made = example()
    first, *rest = getattr(made, kind)
    wrong = with_(made, **{kind: (with_(first, **members), *rest)})
    return sorted({pointer for pointer, _ in found(wrong)})


def test_a_hyperv_host_is_sound() -> None:
    assert found(example()) == []


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"endpoint": "https://hv1.example/sdk"}, "/hosts/0/endpoint"),
        ({"storage": Storage(id="D:\\Hyper-V")}, "/hosts/0/storage/kind"),
        ({"storage": with_(STORAGE, id="hyper-v")}, "/hosts/0/storage/id"),
        ({"storage": with_(STORAGE, kind=StorageKind.VIRTUAL_VOLUMES)}, "/hosts/0/storage/kind"),
        ({"folder": "a\\b"}, "/hosts/0/folder"),
        ({"cluster": "domain-c8"}, "/hosts/0/cluster"),
    ],
)
def test_a_host_is_what_hyperv_takes(members: dict[str, object], pointer: str) -> None:
    assert sorted({pointer for pointer, _ in found(example(**members))}) == [pointer]


def test_a_host_without_a_login_is_refused() -> None:
    (host,) = example().hosts
    nobody = Host(id=host.id, kind=host.kind, endpoint=host.endpoint, storage=host.storage)
    assert [pointer for pointer, _ in found(with_(example(), hosts=(nobody,)))] == ["/hosts/0/login"]


def test_switches_networks_and_replicas_are_named_by_their_ids() -> None:
    assert edited("vlan_pools", switch="External") == ["/vlan_pools/0/switch"]
    assert edited("gateways", public_network="public", inside_network=f"{SWITCH}/x") == [
        "/gateways/0/inside_network",
        "/gateways/0/public_network",
    ]
    (tenant, *_) = example().tenants
    (first, *rest) = tenant.subscriptions
    uplink = with_(first, uplink=with_(first.uplink, network="External"))
    assert "/tenants/0/subscriptions/0/uplink/network" in edited("tenants", subscriptions=(uplink, *rest))
    vms = tuple(with_(vm, replica=ReplicaVm(host="esx1", vm_id=f"vm-{n}")) for n, vm in enumerate(tenant.vms))
    assert "/tenants/0/vms/0/replica/vm_id" in edited("tenants", vms=vms)
