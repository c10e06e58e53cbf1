"""Claims that another machine answers for, as problems with the member that names the address."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from causeway_agent.engine import conflicts
from causeway_agent.plan.model.objects import Claim
from causeway_wire.desired import Desired, Partial
from causeway_wire.observed import DuplicateAddress
from causeway_wire.problem import ProblemType
from tests import documents

MAC = "02:00:00:00:00:99"
PARTIAL = Partial(
    replicas=(
        documents.replica(20, "net-0", "192.168.0.20"),
        documents.replica(21, "net-0", "192.168.0.21", "2001:db8::21"),
    )
)
FULL = documents.provider(documents.full("net-0", "net-1"))
REHEARSAL = documents.provider(documents.rehearsal("net-0", "net-1"))


@pytest.mark.parametrize(
    ("document", "address", "pointer"),
    [
        (documents.tenant(PARTIAL), "2001:db8::21", "/role/failover/replicas/1/addresses/1"),
        (FULL, "192.168.1.1", "/role/networks/1/gateways/0"),
        (FULL, "2001:db8::1", "/role/networks/0/gateways/1"),
        (FULL, documents.PUBLIC[2], "/role/public_addresses/2"),
        (REHEARSAL, "192.168.0.1", "/role/networks/0/gateways/0"),
        (REHEARSAL, documents.TEST[1], "/role/test_addresses/1"),
        (FULL, documents.TEST[1], "/role"),
        (documents.gateway(), "192.168.0.1", "/role"),
    ],
)
def test_a_duplicate_points_to_the_member_that_names_it(
    document: Desired, address: str, pointer: str
) -> None:
    found = conflicts.address_problem(document, {Claim("eth1", ip_address(address)): MAC})
    assert (found.type, found.pointer) == (ProblemType.ADDRESS_IN_USE.urn, pointer)
    assert address in found.detail
    assert MAC in found.detail


def test_every_duplicate_is_told() -> None:
    taken = {Claim("eth1", ip_address("192.168.0.1")): MAC, Claim("eth0", ip_address("198.51.100.10")): MAC}
    found = conflicts.address_problem(FULL, taken)
    assert isinstance(found.errors, tuple)
    assert [problem.pointer for problem in found.errors] == [
        "/role/networks/0/gateways/0",
        "/role/public_addresses/0",
    ]
    assert conflicts.duplicates(taken) == tuple(
        DuplicateAddress(address=ip_address(text), mac=MAC) for text in ("192.168.0.1", "198.51.100.10")
    )


def test_of_very_many_the_first_are_told_and_how_many_more() -> None:
    first = int(ip_address("192.168.0.20"))
    taken = {Claim("eth1", ip_address(first + number)): MAC for number in range(130)}
    found = conflicts.address_problem(documents.tenant(PARTIAL), taken)
    assert isinstance(found.errors, tuple)
    assert (len(found.errors), found.more) == (100, 30)
