"""A large tenant: hundreds of failed-over VMs in one document, on a real kernel, in force and taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from causeway_controller.lab import drill, namespaces
from causeway_controller.lab.lab import Lab, VmRef
from causeway_wire.desired import Desired
from causeway_wire.observed import ApplianceState
from tests import large_failovers

pytestmark = pytest.mark.kernel

DB = VmRef("acme", "db1")
VMS = 300
THEIRS = ("172.20.", "2001:db8:10::10", "2001:db8:10::11")
"""How their addresses begin (see `large_failovers`), and no others."""
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


def claimed(appliance: str) -> int:
    """Addresses that the appliance answers for."""
    listed = (namespaces.run(appliance, "ip", f"-{family}", "neigh", "show", "proxy") for family in (4, 6))
    return sum(
        line.startswith(("172.20.", "2001:db8:10::1")) for text in listed for line in text.splitlines()
    )


def routed(appliance: str) -> int:
    """Single hosts that it has a route of its own to."""
    listed = (
        namespaces.run(appliance, "ip", f"-{family}", "route", "show", "table", "all", "proto", "202")
        for family in (4, 6)
    )
    lines = [line.removeprefix("unicast ") for text in listed for line in text.splitlines()]
    hosts = (line.split()[0].partition("/") for line in lines)
    return sum(name.startswith(THEIRS) and not length for name, _, length in hosts)


async def test_hundreds_of_vms_are_answered_for_and_one_more_is_too(large: Lab) -> None:
    await large.put(TENANT, hundreds)
    assert (claimed(TENANT), routed(TENANT)) == (2 * VMS, 2 * VMS)
    await large.put(TENANT, one_more)
    assert (claimed(TENANT), routed(TENANT)) == (2 * VMS + 2, 2 * VMS + 2)
    assert (await large.agent(TENANT).observed()).state is ApplianceState.READY
    await large.put(TENANT)
    assert (claimed(TENANT), routed(TENANT)) == (0, 0)


async def test_hundreds_of_replicas_are_found_and_one_more_is_too(large: Lab) -> None:
    await large.put(PROVIDER, hundreds)
    assert routed(PROVIDER) == 2 * VMS
    await large.put(PROVIDER, one_more)
    assert routed(PROVIDER) == 2 * VMS + 2
    assert (await large.agent(PROVIDER).observed()).state is ApplianceState.READY
    await large.put(PROVIDER)
    assert routed(PROVIDER) == 0
