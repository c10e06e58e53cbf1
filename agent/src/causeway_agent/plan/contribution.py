"""What a role adds to the target, and the checks that every role needs its surroundings for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from causeway_agent.plan.adapters import Adapter
from causeway_agent.plan.checks import Findings
from causeway_agent.plan.objects import (
    Address,
    Bridge,
    BridgePort,
    Claim,
    ProxyNeighbour,
    Route,
    Rule,
    Sysctl,
    Tun,
)
from causeway_agent.plan.policy import Policy
from causeway_agent.plan.processes import Process
from causeway_agent.plan.target import Facts
from causeway_wire.desired import Management
from causeway_wire.types import NicName


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

    def takes_management_port(self, address: object, port: int) -> bool:
        """Whether the agent or SSH listens there (TCP)."""
        ports = (self.management.port, self.management.ssh_port)
        return address == self.management.address and port in ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What a role adds. `addresses` and `sysctls` cover every adapter of the document."""

    tuns: frozenset[Tun] = frozenset()
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
