"""What a role adds to the target, and the checks that every role needs its surroundings for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from causeway_agent.plan.compile.adapters import Adapter
from causeway_agent.plan.model.checks import Findings
from causeway_agent.plan.model.objects import (
    Address,
    Bridge,
    BridgePort,
    Claim,
    ProcessDevice,
    ProxyNeighbour,
    Route,
    Rule,
    Sysctl,
    Tun,
)
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.prefixes import Prefixes
from causeway_agent.plan.model.processes import Process
from causeway_agent.plan.model.target import Facts
from causeway_wire import address_kinds
from causeway_wire.desired import Management, ProductionNetwork
from causeway_wire.problem import ProblemType
from causeway_wire.types import IPAddress, NicName


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a role is compiled in."""

    adapters: Mapping[NicName, Adapter]
    management: Management
    facts: Facts
    findings: Findings

    def others(self, *names: NicName) -> tuple[Adapter, ...]:
        """All adapters but these."""
        excluded = frozenset(names)
        return tuple(adapter for name, adapter in self.adapters.items() if name not in excluded)

    def occupied(self, *networks: ProductionNetwork) -> Prefixes[str]:
        """Where others are: in these production networks, and on-link. What is on-link at the adapter of
        management is the controllers' way, which has checks of its own.
        """
        production = ((prefix, f"in production network {n.id}") for n in networks for prefix in n.prefixes)
        on_link = (
            (network, f"in a network of adapter {each.nic.name}")
            for each in self.others(self.management.nic)
            for network in each.networks
        )
        return Prefixes((*production, *on_link))

    def not_elsewhere(self) -> Mapping[IPAddress, tuple[ProblemType, str]]:
        """Addresses that no other machine has: the appliance's own, and those of on-link networks as such."""
        everyone = self.adapters.values()
        own = frozenset[IPAddress]().union(*(each.own for each in everyone))
        naming = (
            address
            for network in {network for each in everyone for network in each.networks}
            for address in (network.network_address, network.broadcast_address)
            if address_kinds.names_network((network,), address)
        )
        why = "the network or broadcast address of an on-link network"
        return dict.fromkeys(naming, (ProblemType.INVALID, why)) | dict.fromkeys(
            own, (ProblemType.DUPLICATE, "the appliance's own address")
        )

    def takes_management_port(self, address: object, port: int) -> bool:
        """Whether the agent or SSH listens there (TCP)."""
        ports = (self.management.port, self.management.ssh_port)
        return address == self.management.address and port in ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What a role adds. `addresses` and `sysctls` cover every adapter of the document."""

    tuns: frozenset[Tun] = frozenset()
    lent: frozenset[ProcessDevice] = frozenset()
    bridges: frozenset[Bridge] = frozenset()
    ports: frozenset[BridgePort] = frozenset()
    addresses: frozenset[Address] = frozenset()
    routes: frozenset[Route] = frozenset()
    rules: frozenset[Rule] = frozenset()
    proxies: frozenset[ProxyNeighbour] = frozenset()
    sysctls: frozenset[Sysctl] = frozenset()
    policy: Policy = field(default_factory=Policy)
    processes: frozenset[Process] = frozenset()
    vacant: frozenset[Claim] = frozenset()
    heralded: frozenset[Claim] = frozenset()

    def __or__(self, other: Contribution) -> Contribution:
        """What two parts of one document add together."""
        return Contribution(**{f.name: getattr(self, f.name) | getattr(other, f.name) for f in fields(self)})
