"""A large tenant: hundreds of failed-over VMs in one document, on a real kernel, in force and taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.service import drill
from causeway_lab.world import namespaces
from causeway_wire.desired import Desired
from causeway_wire.observed import ApplianceState
from tests import large_failovers

pytestmark = pytest.mark.kernel

DB = VmRef("acme", "db1")
VMS = 300
TENANT, PROVIDER = "acme-nea1", "acme-sp"


@pytest_asyncio.fixture(loop_scope="session")
async def large(lab: Lab) -> AsyncIterator[Lab]:
    """The lab with one VM failed over, as it is again after the test."""
    await drill.fail_over(lab, [DB])
    yield lab
    await drill.undo(lab, [DB])


def hundreds(document: Desired) -> Desired:
    return large_failovers.with_vms(document, VMS)


def one_more(document: Desired) -> Desired:
    return large_failovers.with_vms(document, VMS + 1)


def claimed(appliance: str) -> set[str]:
    """Addresses of theirs that the appliance answers for."""
    return theirs(appliance, "neigh", "show", "proxy")


def routed(appliance: str) -> set[str]:
    """Those that it has a route of its own to."""
    return theirs(appliance, "route", "show", "table", "all", "proto", "202")


def theirs(appliance: str, *listing: str) -> set[str]:
    """Addresses of theirs that begin a line."""
    texts = [namespaces.run(appliance, "ip", f"-{family}", *listing) for family in (4, 6)]
    return {line.split()[0] for text in texts for line in text.splitlines()} & addresses(VMS + 1)


def addresses(vms: int) -> set[str]:
    """Of so many VMs."""
    return {str(address) for number in range(vms) for address in large_failovers.addresses(number)}


async def test_hundreds_of_vms_are_answered_for_and_one_more_is_too(large: Lab) -> None:
    await large.put(TENANT, hundreds)
    assert claimed(TENANT) == routed(TENANT) == addresses(VMS)
    await large.put(TENANT, one_more)
    assert claimed(TENANT) == routed(TENANT) == addresses(VMS + 1)
    assert (await large.agent(TENANT).observed()).state is ApplianceState.READY
    await large.put(TENANT)
    assert claimed(TENANT) == routed(TENANT) == set()


async def test_hundreds_of_replicas_are_found_and_one_more_is_too(large: Lab) -> None:
    await large.put(PROVIDER, hundreds)
    assert routed(PROVIDER) == addresses(VMS)
    await large.put(PROVIDER, one_more)
    assert routed(PROVIDER) == addresses(VMS + 1)
    assert (await large.agent(PROVIDER).observed()).state is ApplianceState.READY
    await large.put(PROVIDER)
    assert routed(PROVIDER) == set()
