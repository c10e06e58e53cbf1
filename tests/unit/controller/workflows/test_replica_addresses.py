"""`host_checks.replicas`: what a guest says of its addresses counts, what its host has seen is a hint."""

from __future__ import annotations

from ipaddress import ip_address

from causeway_controller.contract.hosts import Grade
from causeway_controller.hypervisors.base import FoundVm
from causeway_controller.inventory.host_needs import Replica
from causeway_controller.inventory.modes import Partial
from causeway_controller.workflows.host_checks import replicas

WANTED = Replica(
    tenant="acme",
    vm="db1",
    vm_id="vm-1",
    macs=(),
    addresses=(ip_address("192.168.10.12"), ip_address("2001:db8::12")),
)


def graded(*, addresses: tuple[str, ...] = (), seen: tuple[str, ...] = (), on: bool = True) -> list[Grade]:
    found = FoundVm(id="vm-1", name="db1-r", powered_on=on, addresses=addresses, seen=seen)
    modes = {"acme": Partial(frozenset({"db1"}))}
    return [one.grade for one in replicas((WANTED,), (found,), modes)]


def test_a_replica_that_was_seen_under_other_addresses_only_is_a_warning() -> None:
    assert graded(seen=("192.168.122.7",)) == [Grade.WARNING]


def test_a_host_need_not_have_seen_all_and_what_it_saw_may_be_old() -> None:
    assert graded(seen=("192.168.122.7", "192.168.10.12")) == [Grade.GOOD]
    assert graded(seen=("192.168.122.7",), on=False) == [Grade.GOOD]
    assert graded() == [Grade.GOOD]


def test_a_guest_that_says_so_itself_is_a_problem_where_one_is_lacking() -> None:
    assert graded(addresses=("192.168.10.12",)) == [Grade.PROBLEM]
    assert graded(addresses=("192.168.10.12", "2001:db8::12", "fe80::1")) == [Grade.GOOD]
