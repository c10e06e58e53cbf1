"""VMs are meant by the names that people call them by; a name that could mean two things is told as such."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from causeway_controller.inventory.naming import KnownVm, Resolved, resolve
from causeway_wire.problem import ProblemError
from causeway_wire.types import IPAddress


def vm(tenant: str, name: str, *addresses: str, vm_id: str = "") -> KnownVm:
    return KnownVm(tenant=tenant, name=name, addresses=tuple(map(ip_address, addresses)), vm_id=vm_id)


KNOWN = (
    vm("acme", "web1", "192.168.10.11", "2001:db8:10::11"),
    vm("acme", "db1", "2001:db8:10::12", "192.168.10.12", vm_id="vm-212"),
    vm("acme", "six1", "2001:db8:10::13"),
    vm("acme", "bare", vm_id="web1"),
    vm("zeta", "web1", "192.168.10.11"),
    vm("zeta", "mail1", "192.168.10.25", vm_id="7c1f6c3e"),
)
ROUTER = ip_address("192.168.10.1")


def ends(found: Resolved) -> tuple[str, str, str]:
    return found.tenant, str(found.source), str(found.destination)


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        ("web1", "db1", ("acme", "192.168.10.11", "192.168.10.12")),
        ("WEB1", "Db1", ("acme", "192.168.10.11", "192.168.10.12")),
        ("web1", "mail1", ("zeta", "192.168.10.11", "192.168.10.25")),
        ("web1", "six1", ("acme", "2001:db8:10::11", "2001:db8:10::13")),
        ("zeta/web1", ROUTER, ("zeta", "192.168.10.11", "192.168.10.1")),
        (ROUTER, "vm-212", ("acme", "192.168.10.1", "192.168.10.12")),
        (ROUTER, "7C1F6C3E", ("zeta", "192.168.10.1", "192.168.10.25")),
        (ROUTER, "six1", ("acme", "192.168.10.1", "2001:db8:10::13")),
    ],
)
def test_names_are_those_of_one_tenant_at_addresses_of_one_version(
    source: IPAddress | str, destination: IPAddress | str, expected: tuple[str, str, str]
) -> None:
    assert ends(resolve(KNOWN, source, destination)) == expected


def test_what_a_name_was_taken_for_is_told_with_its_other_addresses() -> None:
    (one,) = resolve(KNOWN, "vm-212", ROUTER).named
    assert (one.name, one.vm, str(one.address)) == ("vm-212", "db1", "192.168.10.12")
    assert list(map(str, one.also)) == ["2001:db8:10::12"]


@pytest.mark.parametrize(
    ("source", "destination", "kind", "said"),
    [
        (
            "web1",
            ROUTER,
            "invalid",
            "web1 is a VM of acme, zeta; say which tenant is meant: `--tenant acme`, or",
        ),
        ("db1", "mail1", "invalid", "db1 is a VM of acme, mail1 is a VM of zeta; no tenant has both"),
        ("wbe1", ROUTER, "not-found", "wbe1 is neither an IP address nor the name of a VM"),
        ("wbe1", ROUTER, "not-found", "there is web1"),
        ("payroll", ROUTER, "not-found", "there are bare, db1, mail1, six1, web1"),
        ("nobody/web1", ROUTER, "not-found", "there is web1"),
        ("bare", ROUTER, "invalid", "VM bare of acme has no address in the inventory"),
    ],
)
def test_what_a_name_cannot_mean_is_told(
    source: str, destination: IPAddress | str, kind: str, said: str
) -> None:
    with pytest.raises(ProblemError) as raised:
        resolve(KNOWN, source, destination)
    found = raised.value.problem
    assert (found.type.rpartition(":")[2], said in found.detail) == (kind, True), found.detail


def test_an_id_that_two_hosts_have_given_is_told_with_the_names() -> None:
    ends = ("db1", "192.168.10.12"), ("web1", "192.168.10.11")
    known = [vm("acme", name, address, vm_id="vm-7") for name, address in ends]
    with pytest.raises(ProblemError, match="vm-7 is the id of the replicas of acme/db1, acme/web1"):
        resolve(known, "vm-7", ROUTER)


def test_where_nobody_is_known_that_is_told() -> None:
    with pytest.raises(ProblemError, match="there are none at all"):
        resolve((), "web1", ROUTER)
