"""What a libvirt host would not understand is refused when it is entered, under the member's pointer."""

from __future__ import annotations

import pytest

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Host, HostKind, Storage, StorageKind
from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.inventory import book, rules_libvirt
from causeway_controller.inventory.findings import Findings
from tests.provider_inventory import found, seed_example, with_

UUID = "7c1f6c3e-5a0e-4a53-9b1c-0242ac120002"
POOL = Storage(id="appliances", kind=StorageKind.DIRECTORY)


def example(**members: object) -> Inventory:
    """The seed's example with a libvirt host in place of its host; `members` are that host's."""
    made = seed_example()
    (before,) = made.hosts
    host = with_(
        Host(id=before.id, kind=HostKind.LIBVIRT, endpoint="qemu+tls://kvm1.example/system", storage=POOL),
        **members,
    )
    tenants = tuple(
        with_(
            tenant,
            platform=HostKind.LIBVIRT,
            vms=tuple(
                with_(vm, replica=ReplicaVm(host=host.id, vm_id=UUID[:-1] + str(n)))
                for n, vm in enumerate(tenant.vms)
            ),
            subscriptions=tuple(
                with_(one, uplink=with_(one.uplink, network="bridge:br-uplink"))
                for one in tenant.subscriptions
            ),
        )
        for tenant in made.tenants
    )
    pools = tuple(with_(pool, switch="bridge:br{vlan}") for pool in made.vlan_pools)
    return with_(made, hosts=(host,), tenants=tenants, vlan_pools=pools)


def edited(kind: str, place: int, **members: object) -> Inventory:
    """The example with other members of the entry at this place."""
    made = example()
    entries = list(getattr(made, kind))
    entries[place] = with_(entries[place], **members)
    return with_(made, **{kind: tuple(entries)})


def pointers(inventory: Inventory) -> list[str]:
    return sorted({pointer for pointer, _ in found(inventory)})


def test_a_libvirt_host_is_sound() -> None:
    assert found(example()) == []


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"endpoint": "https://kvm1.example/sdk"}, "/hosts/0/endpoint"),
        ({"endpoint": "qemu+tls://kvm1.example/system?no_verify=1"}, "/hosts/0/endpoint"),
        ({"endpoint": "qemu:///session"}, "/hosts/0/endpoint"),
        ({"endpoint": "lxc:///system"}, "/hosts/0/endpoint"),
        ({"storage": Storage(id="appliances")}, "/hosts/0/storage/kind"),
        ({"storage": with_(POOL, kind=StorageKind.VIRTUAL_VOLUMES)}, "/hosts/0/storage/kind"),
        ({"pin": "0" * 64}, "/hosts/0/pin"),
        ({"endpoint": "qemu+ssh://kvm1.example/system", "login": "key"}, "/hosts/0/login"),
    ],
)
def test_a_host_is_what_libvirt_takes(members: dict[str, object], pointer: str) -> None:
    assert pointers(example(**members)) == [pointer]


def test_a_login_over_tls_is_taken() -> None:
    assert found(example(login="kvm1")) == []


def test_switches_and_networks_are_named_as_libvirt_plugs_vnics_in() -> None:
    assert pointers(edited("vlan_pools", 0, switch="dvs-7")) == ["/vlan_pools/0/switch"]
    gateway = edited("gateways", 0, public_network="vmnic:0", inside_network="bridge:a-name-of-16-oct")
    assert pointers(gateway) == ["/gateways/0/inside_network", "/gateways/0/public_network"]


def test_uplinks_and_replicas_too() -> None:
    (tenant, *_) = example().tenants
    (first, *rest) = tenant.subscriptions
    uplink = with_(first, uplink=with_(first.uplink, network="port:group"))
    wrong = edited("tenants", 0, subscriptions=(uplink, *rest))
    assert "/tenants/0/subscriptions/0/uplink/network" in pointers(wrong)
    vms = tuple(
        with_(vm, replica=ReplicaVm(host=example().hosts[0].id, vm_id=f"vm-{n}"))
        for n, vm in enumerate(tenant.vms)
    )
    assert pointers(edited("tenants", 0, vms=vms)) == [
        f"/tenants/0/vms/{n}/replica/vm_id" for n in range(len(vms))
    ]


def test_hosts_of_other_kinds_are_not_asked() -> None:
    findings, other = Findings(), seed_example()
    rules_libvirt.check(findings, other, book.index(other))
    assert findings.problems == []
