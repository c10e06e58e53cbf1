"""An appliance that is a bridge is not put where its frames would be kept, and nothing is made before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from causeway_controller.contract.hosts import Finding, Grade, Topic
from causeway_controller.hypervisors.base import FoundVm, HypervisorError, Inspection, unwatched
from causeway_controller.inventory.host_needs import BridgeNeed, HostNeeds
from causeway_controller.inventory.tenancy import Adapter, ManagementAccess
from causeway_controller.inventory.vnics import InVlan, Vnic
from causeway_controller.trust.identity import make_office
from causeway_controller.workflows.appliances import Onboarding, Wanted
from causeway_wire.seed import RoleName
from tests.fakes.hypervisor import FakeHypervisor
from tests.fakes.tokens import FakeTokens

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
VLAN = ("vswitch:vSwitch0", 101)
KEPT = Finding(
    topic=Topic.TRAPS, grade=Grade.PROBLEM, text="VLAN 101 refuses forged transmits", advice="accept them"
)
MAC = "02:00:00:00:00:01"


class Looked(FakeHypervisor):
    """A host that says what it keeps."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__({})
        self.findings = findings
        self.asked: list[HostNeeds] = []
        self.made: list[int] = []

    async def segment(self, switch: str, vlan: int) -> str:
        self.made.append(vlan)
        return await super().segment(switch, vlan)

    async def inspect(self, needs: HostNeeds) -> Inspection:
        self.asked.append(needs)
        return Inspection(findings=self.findings)

    async def vms(self) -> Sequence[FoundVm]:
        return ()


@pytest.fixture
def onboarding(tmp_path: Path) -> Onboarding:
    office = make_office("controller", tmp_path, now=AT)
    return Onboarding(
        identity=lambda: office.identity,
        issuer=lambda _: office.authority,
        tokens=FakeTokens(),
        now=lambda: AT,
    )


def wanted(*bridged: tuple[str, int], bridges: tuple[BridgeNeed, ...] = ()) -> Wanted:
    adapter = Adapter(name="uplink", mac=MAC)
    return Wanted(
        id="acme-one",
        role=RoleName.PROVIDER,
        management=ManagementAccess(
            nic="uplink", address=ip_address("192.0.2.1"), sources=(ip_network("192.0.2.9/32"),)
        ),
        adapters=(adapter,),
        vnics=(Vnic(adapter="uplink", mac=MAC, place=InVlan(switch=VLAN[0], vlan=VLAN[1])),),
        bridged=bridged,
        bridges=bridges,
    )


async def test_where_a_bridge_would_not_work_no_port_group_and_no_machine_is_made(
    onboarding: Onboarding,
) -> None:
    host = Looked(KEPT)
    with pytest.raises(HypervisorError, match="refuses forged transmits: accept them"):
        await onboarding.deploy(wanted(VLAN), host, unwatched)
    assert (host.made, host.specs, host.asked[0].bridged_vlans) == ([], {}, (VLAN,))


async def test_a_tenants_own_appliance_is_not_put_where_a_bridge_would_not_work_either(
    onboarding: Onboarding,
) -> None:
    here, host = BridgeNeed(network="pg-lan", mac=MAC), Looked(KEPT)
    with pytest.raises(HypervisorError, match="refuses forged transmits: accept them"):
        await onboarding.deploy(wanted(bridges=(here,)), host, unwatched)
    assert (host.made, host.specs, host.asked[0].bridges) == ([], {}, (here,))
    assert host.asked[0].networks == ("pg-lan",), "whose traps are looked at"


async def test_what_is_not_bridged_is_deployed_there_and_a_warning_stops_nobody(
    onboarding: Onboarding,
) -> None:
    host = Looked(KEPT)
    await onboarding.deploy(wanted(), host, unwatched)
    assert (set(host.specs), host.asked) == ({"acme-one"}, [])
    unknown = Looked(Finding(topic=Topic.TRAPS, grade=Grade.UNKNOWN, text="it does not tell", advice="look"))
    await onboarding.deploy(wanted(VLAN), unknown, unwatched)
    assert set(unknown.specs) == {"acme-one"}


async def test_where_another_bridge_would_not_work_the_one_that_is_there_is_not_removed(
    onboarding: Onboarding,
) -> None:
    """It is asked before a rebuild or a redeployment deletes its machine."""
    with pytest.raises(HypervisorError, match="refuses forged transmits: accept them"):
        await onboarding.check_in_place(wanted(VLAN), Looked(KEPT))
    await onboarding.check_in_place(wanted(), Looked(KEPT))
