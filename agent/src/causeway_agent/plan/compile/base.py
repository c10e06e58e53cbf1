"""The closed target: what holds before the first document, and when none can be meant.

Adapters are up with their addresses, the agent and SSH answer their controllers, nothing else is answered and
nothing is forwarded. An adapter that is missing, or a VLAN that this machine cannot carry, is left out as
long as it is not the management one: the controller must find a door.
"""

from __future__ import annotations

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile import adapters
from causeway_agent.plan.model import objects
from causeway_agent.plan.model.objects import Address, Link, Route
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.target import Facts, Target
from causeway_wire.desired import Management, Nic, Vlan
from causeway_wire.problem import ProblemType, problem


def compile_base(
    *, management: Management, nics: tuple[Nic, ...], facts: Facts, vlans: tuple[Vlan, ...] = ()
) -> Target:
    """The closed target on this machine; raises CompileError when its management door cannot be made."""
    here = [nic for nic in nics if nic.mac in facts.devices]
    present = adapters.assemble(here, vlans if facts.vlan_8021q else (), facts)
    addresses = frozenset[Address]().union(*(each.addresses() for each in present))
    devices = {each.device for each in present if each.nic.name == management.nic}
    door = next((a for a in addresses if a.device in devices and a.interface.ip == management.address), None)
    if door is None:
        found = ", ".join(sorted(facts.devices)) or "none"
        detail = f"no adapter {management.nic} with {management.address}; this machine has {found}"
        raise CompileError((problem(ProblemType.NIC_NOT_FOUND, detail, pointer="/management/nic"),))
    return Target(
        management=door,
        devices=frozenset(each.device for each in present),
        links=frozenset[Link]().union(*(each.link() for each in present)),
        vlans=frozenset[objects.Vlan]().union(*(each.vlan() for each in present)),
        addresses=addresses,
        routes=frozenset[Route]().union(*(each.default_routes() for each in present)),
        sysctls=adapters.machine_settings(forwarding6=False).union(
            *(adapters.settings(each.device) for each in present)
        ),
        policy=adapters.management_policy(door.device, management)
        | adapters.neighbourhood(present, told=Policy()),
    )
