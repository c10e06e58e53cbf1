"""Many tenants of a provider by name, and the appliances and machines that they have there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from causeway_wire.types import TenantId
from tests.controller_crash.world import Tenancy, World
from tests.fakes.agent import FakeAgent
from tests.fakes.hypervisor import FakeHypervisor
from tests.fakes.two_slots import TwoSlots
from tests.workflow_bench import SITE

HOST: Final = "esx1"
NETWORK: Final = "lan"
VMS: Final = ("db1", "web1")
FAILED_OVER: Final = frozenset({"db1"})


def now() -> datetime:
    """The time, aware."""
    return datetime.now(UTC)


def names(count: int) -> tuple[TenantId, ...]:
    """So many tenants."""
    return tuple(f"t{number}" for number in range(count))


def appliance(tenant: TenantId) -> str:
    """The provider's appliance for it."""
    return f"{tenant}-{HOST}"


def world(count: int) -> World:
    """What the provider's controller commands for them, each tenant's by its name."""
    made = World(SITE, [])
    made.tenancies.update((tenant, _tenancy(tenant)) for tenant in names(count))
    return made


def _tenancy(tenant: TenantId) -> Tenancy:
    name = appliance(tenant)
    return Tenancy(
        agents={name: FakeAgent(name, [])},
        hypervisor=FakeHypervisor({name: True, **{f"{tenant}/{vm}": False for vm in VMS}}),
        slots={name: TwoSlots(name, [])},
    )


def served(made: World, tenant: TenantId) -> bool:
    """Whether the provider serves the VM of this tenant that was failed over, and nothing awaits."""
    found = made.tenancies[tenant]
    agent = found.agents[appliance(tenant)]
    on = {vm for vm in VMS if found.hypervisor.on[f"{tenant}/{vm}"]}
    return agent.awaiting is None and {agent.mode} == on == set(FAILED_OVER)
