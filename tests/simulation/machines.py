"""The fakes of one appliance's machine, with the time that things take, and a fuse that ends its agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import Protocol

from causeway_agent.engine.journal import Journal
from causeway_agent.engine.lockdown import Lockdown
from causeway_agent.engine.machine import Machine
from causeway_agent.engine.ports import Sighting
from causeway_agent.engine.reconcile import Pace
from causeway_agent.engine.rules_journal import RulesJournal
from causeway_agent.engine.service import Engine
from causeway_agent.plan.compile import base
from causeway_agent.plan.model.objects import Claim, KernelObject, ProxyNeighbour, Route
from causeway_agent.plan.model.processes import Process, VpnClient, VpnServer
from causeway_agent.plan.model.target import Facts, Target
from causeway_wire.desired import Desired
from causeway_wire.types import ChangeId, IPAddress, MacAddress
from tests.fakes.connections import FakeConnections
from tests.fakes.dead_man import FakeDeadMan
from tests.fakes.firewall import FakeFirewall
from tests.fakes.fuse import Crash, Fuse
from tests.fakes.network import FakeKernel, FakeNeighbours
from tests.fakes.processes import FakeProcesses
from tests.fakes.publications import FakePublications
from tests.fakes.slots import FakeSlots
from tests.fakes.storage import FakeStorage
from tests.fakes.tunnel_loads import FakeTunnelLoads
from tests.simulation.loop import VirtualLoop

OPERATION_SECONDS = 0.004
"""Mean time of an operation of the kernel."""
SLOW = 0.01
"""Share of operations that take up to `SLOW_SECONDS`."""
SLOW_SECONDS = 4.0
PROCESS_SECONDS = 0.05
GRACE_SECONDS = 2.0
"""How long behind the deadline the one outside the agent acts (`backends.processes.dead_man`)."""


class LifeFuse(Fuse):
    """Once it has blown nothing of the agent has an effect any more, until `mend`."""

    def __init__(self) -> None:
        super().__init__()
        self.blown = False
        self.on_blow: Callable[[], None] = lambda: None

    def blow(self) -> None:
        """End the agent's life."""
        self.blown = True

    def enter(self, doing: str) -> None:
        self._check(doing)
        try:
            super().enter(doing)
        except Crash:
            self._blown()
            raise

    def leave(self, doing: str) -> None:
        self._check(doing)
        try:
            super().leave(doing)
        except Crash:
            self._blown()
            raise

    def mend(self) -> None:
        super().mend()
        self.blown = False

    def _check(self, doing: str) -> None:
        if self.blown:
            raise Crash(doing)

    def _blown(self) -> None:
        self.blown = True
        self.on_blow()


class Segment(Protocol):
    """The machines beside an appliance."""

    def answers(self, address: IPAddress) -> MacAddress | None:
        """Who answers for the address now, when asked; None when nobody does, or the answer is lost."""


class SlowKernel(FakeKernel):
    """Each operation takes a while, some a long one; tells of each that is about routes or claims."""

    loop: VirtualLoop
    changed: Callable[[], None]

    async def put(self, item: KernelObject) -> None:
        await self._pause()
        await super().put(item)
        self._tell(item)

    async def drop(self, item: KernelObject) -> None:
        await self._pause()
        await super().drop(item)
        self._tell(item)

    async def _pause(self) -> None:
        draw = self.loop.random
        slow = draw.random() < SLOW
        await asyncio.sleep(SLOW_SECONDS * draw.random() if slow else 2 * OPERATION_SECONDS * draw.random())

    def _tell(self, item: KernelObject) -> None:
        if isinstance(item, Route | ProxyNeighbour):
            self.changed()


class SlowProcesses(FakeProcesses):
    """Processes take a moment to start; tunnels connect when somebody says so."""

    loop: VirtualLoop
    changed: Callable[[], None]

    async def start(self, process: Process) -> None:
        await asyncio.sleep(2 * PROCESS_SECONDS * self.loop.random.random())
        await super().start(process)
        self.changed()

    async def stop(self, process: Process) -> None:
        await asyncio.sleep(2 * PROCESS_SECONDS * self.loop.random.random())
        await super().stop(process)
        self.changed()

    def ends(self) -> frozenset[str]:
        """Tunnels that a process here carries."""
        return frozenset(p.tunnel for p in self.processes.values() if isinstance(p, VpnServer | VpnClient))


class LateDeadMan(FakeDeadMan):
    """Acts when it is time, unless it was disarmed."""

    loop: VirtualLoop
    act: Callable[[ChangeId], None]

    async def arm(self, change: ChangeId, *, seconds: float) -> None:
        await super().arm(change, seconds=seconds)
        number = len(self.history)

        def fire() -> None:
            newest = max(i for i, (one, _) in enumerate(self.history, 1) if one == change)
            if change in self.armed and newest == number:
                self.act(change)

        self.loop.call_later(seconds + GRACE_SECONDS, fire, context=Context())


class LossyNeighbours(FakeNeighbours):
    """A segment on which the original of a VM may be on, and may be heard late or never."""

    loop: VirtualLoop
    segment: Segment

    async def probe(self, claims: Iterable[Claim]) -> dict[Claim, MacAddress]:
        asked = tuple(claims)
        await asyncio.sleep(0.2)
        await super().probe(asked)
        answers = {claim: self.segment.answers(claim.address) for claim in asked}
        return {claim: mac for claim, mac in answers.items() if mac is not None}

    async def ask(self, claims: Iterable[Claim]) -> None:
        asked = tuple(claims)
        for claim in asked:
            mac = self.segment.answers(claim.address)
            if mac is not None:
                self.seen.put_nowait(Sighting(claim, mac))


class Hardware:
    """One appliance's machine: it outlives its agents, and what is in memory is gone with the power."""

    def __init__(self, loop: VirtualLoop, document: Desired, segment: Segment) -> None:
        """`document`: any of the appliance; what first boot is told is taken from it."""
        self.loop = loop
        self._management, self._nics = document.management, document.nics
        self.constants = Facts(
            appliance=document.appliance,
            devices={nic.mac: f"eth{number}" for number, nic in enumerate(document.nics)},
            vpn_uid=990,
            key_directory="/keys",
            run_directory="/run/causeway",
        )
        self.fuse = LifeFuse()
        self.kernel = SlowKernel(dict(self.constants.devices), self.fuse)
        self.firewall = FakeFirewall(self.fuse)
        self.publications = FakePublications(self.firewall, self.fuse)
        self.processes = SlowProcesses(self.fuse)
        self.storage = FakeStorage(self.fuse)
        self.dead_man = LateDeadMan(self.fuse)
        self.neighbours = LossyNeighbours()
        self.neighbours.up = self.kernel.up
        self.neighbours.segment = segment
        self.kernel.loop = self.processes.loop = self.dead_man.loop = self.neighbours.loop = loop

    def engine(self) -> Engine:
        """An agent's engine as it is after the start of its process."""
        self.neighbours.seen = asyncio.Queue()
        machine = Machine(
            kernel=self.kernel,
            firewall=self.firewall,
            publications=self.publications,
            processes=self.processes,
            neighbours=self.neighbours,
            connections=FakeConnections(),
            loads=FakeTunnelLoads(),
            clock=self.loop,
            dead_man=self.dead_man,
            slots=FakeSlots(),
            constants=self.constants,
            lockdown=Lockdown(),
        )
        return Engine(
            machine=machine,
            journal=Journal(self.storage),
            rules=RulesJournal(self.storage),
            base=self._base,
            management=self._management,
            nics=self._nics,
            pace=Pace(),
        )

    def _base(self, facts: Facts) -> Target:
        return base.compile_base(management=self._management, nics=self._nics, facts=facts)

    def lose_power(self) -> None:
        """Forget what is not on the disk."""
        self.kernel.objects.clear()
        self.processes.processes.clear()
        self.processes.transports.clear()
        self.firewall.policy = None
        self.firewall.history.clear()
        self.publications.__post_init__()
        self.dead_man.armed.clear()

    def claims(self) -> frozenset[IPAddress]:
        """Addresses of others that the machine answers for."""
        return frozenset(o.address for o in self.kernel.objects.values() if isinstance(o, ProxyNeighbour))

    def routed(self) -> frozenset[IPAddress]:
        """Addresses that it routes to a machine on one of its segments."""
        real = set(self.constants.devices.values())
        return frozenset(
            o.destination.network_address
            for o in self.kernel.objects.values()
            if isinstance(o, Route) and o.device in real and o.destination.num_addresses == 1
        )
