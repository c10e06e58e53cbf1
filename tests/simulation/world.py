"""Everything of one history: appliances, machines, the line, the controllers; and what people do to VMs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import Final

from causeway_agent.plan.model.processes import FirstPacketFilter
from causeway_controller.failover import documents
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.runs import Runs as StoredRuns
from causeway_controller.store.tenancies import Standings
from causeway_wire.observed import Transport
from causeway_wire.types import IPAddress, MacAddress
from tests.simulation.appliance import Appliance, Watching
from tests.simulation.controller import HOST, Controller, Machines, Surroundings
from tests.simulation.loop import VirtualLoop
from tests.simulation.network import Conditions, Network
from tests.simulation.store import Kept, MemoryLeases, Shared

TENANT: Final = "acme"
PROVIDER: Final = "acme-provider"
GATEWAY: Final = "gateway-0"
ORIGINAL: Final[MacAddress] = "02:00:00:00:07:01"
"""Of every original: only one is asked for at a time."""
BOOT_SECONDS: Final = 8.0
"""Until appliances that were switched on are up."""
HANDSHAKE: Final = (0.05, 0.6)
"""Seconds from two ends that run to a tunnel."""


@dataclass(eq=False)
class Originals:
    """The VMs of production that replicas stand in for."""

    addresses: dict[str, IPAddress]
    on: set[str] = field(default_factory=set)
    deaf: int = 0
    """How many questions for an address are not answered, since it was asked for first."""
    _asked: Counter[IPAddress] = field(default_factory=Counter)

    def answers(self, address: IPAddress) -> MacAddress | None:
        """Who answers for the address when asked."""
        if not any(self.addresses[vm] == address for vm in self.on):
            return None
        self._asked[address] += 1
        return ORIGINAL if self._asked[address] > self.deaf else None


class World:
    """One provider's and one tenant's site, their gateway, and one or more controllers that come and go."""

    host = HOST
    """Where runs that people ask for are."""
    calm_seconds = 400.0
    """In which what is open must end, once nothing is lost and nobody dies any more."""

    rest_seconds = 0.0
    """Which people let pass before they ask for something once more."""

    hurried = False
    """Whether people ask for the end of a failover before the provider may be through with its beginning."""

    def __init__(
        self, loop: VirtualLoop, site: Site, shared: Shared, conditions: Conditions, *, refuses: float
    ) -> None:
        self.loop, self.site = loop, site
        self.trace: list[str] = []
        self.tenant = site.tenants[TENANT]
        self.originals = Originals(
            {name: vm.addresses[0] for name, vm in self.tenant.vms.items()}, set(self.tenant.vms)
        )
        names = [PROVIDER, *(one.id for one in self.tenant.appliances.values()), GATEWAY]
        self.appliances: dict[str, Appliance] = {}
        self._names = names
        self._tunnels: dict[str, bool] = {}
        self.machines = Machines(loop, self._switched, refuses=refuses)
        self.network = Network(loop, conditions, self.appliances)
        self.around = Surroundings(
            loop=loop,
            site=site,
            shared=shared,
            leases=MemoryLeases(loop),
            kept=Kept(),
            network=self.network,
            machines=self.machines,
            tell=self.tell,
        )
        self.controllers: list[Controller] = []
        self.powered: Callable[[str, bool], None] = lambda _owner, _on: None

    def populate(self, watching: Watching, *, on: bool) -> None:
        """Make the appliances; `on`: switch them on."""
        for name in self._names:
            document = documents.document(self.site, name, generation=1, epoch=0)
            self.appliances[name] = Appliance(self.loop, document, self.originals, watching)
        self.machines.on = {
            **dict.fromkeys(self._names, False),
            **{f"{TENANT}/{vm}": False for vm in self.tenant.vms},
        }
        for name in self._names if on else [GATEWAY]:
            self.machines.on[name] = True
            self.appliances[name].power(on=True)

    def tell(self, line: str) -> None:
        """Add a line to the history."""
        self.trace.append(f"{self.loop.time():9.3f}  {line}")

    def new_controller(self) -> Controller:
        """Start one more."""
        made = Controller(self.around, f"c{len(self.controllers) + 1}")
        self.controllers.append(made)
        made.begin()
        return made

    async def begin(self) -> None:
        """Come to where the history begins, before anything is in the way."""

    def wishes(self, drawn: tuple[str, ...]) -> tuple[str, ...]:
        """What people ask for, of what was drawn."""
        return drawn

    def is_full(self) -> bool:
        """Whether the provider has the site failed over as a whole."""
        return False

    def living(self) -> list[Controller]:
        """Controllers that are not dead; one that is stopped looks alive."""
        return [one for one in self.controllers if one.alive]

    def asked(self) -> list[Controller]:
        """Those of them that people ask."""
        return self.living()

    def last(self, able: Controller) -> frozenset[Controller]:
        """Those that live on when there is peace: one, or one at each site."""
        return frozenset({able})

    def revive(self) -> None:
        """See that somebody lives."""
        if not self.living():
            self.new_controller()

    def run_to_stop(self, run: str) -> tuple[StoredRuns, str]:
        """What people ask to stop who asked for this run, and where it is kept."""
        return StoredRuns(self.around.shared.database), run

    def open_runs(self) -> bool:
        """Whether a run goes on."""
        return bool(StoredRuns(self.around.shared.database).open())

    def cut(self, _amount: int) -> str | None:
        """What besides an appliance such a cut cuts off."""
        return None

    def said(self) -> tuple[frozenset[str], ...]:
        """The VMs that are failed over as runs left it, at each site that has controllers."""
        return (Standings(self.around.shared.database).get(TENANT, self.host).mode.vms,)

    def tenants(self) -> list[Appliance]:
        """The tenant's appliances."""
        return [self.appliances[one.id] for one in self.tenant.appliances.values()]

    @property
    def provider(self) -> Appliance:
        return self.appliances[PROVIDER]

    def look_at_tunnels(self) -> None:
        """Connect the tunnels whose both ends run, and break the others."""
        door = self.appliances[GATEWAY].hardware.processes
        opened = any(isinstance(one, FirstPacketFilter) for one in door.processes.values())
        for network, end in self.tenant.appliances.items():
            tunnel = self.tenant.networks[network].tunnel
            ends = (self.provider.hardware, self.appliances[end.id].hardware)
            up = opened and all(tunnel in one.processes.ends() for one in ends)
            if up == self._tunnels.get(tunnel, False):
                continue
            self._tunnels[tunnel] = up
            if up:
                after = self.loop.random.uniform(*HANDSHAKE)
                self.loop.call_later(after, self._connect, tunnel, ends, context=Context())
            else:
                for one in ends:
                    if one.processes.transports.pop(tunnel, None) is not None:
                        one.processes.feed.emit("a tunnel is down")

    def _connect(self, tunnel: str, ends: tuple[object, ...]) -> None:
        if not self._tunnels[tunnel]:
            return
        for appliance in (self.provider, *self.tenants()):
            if appliance.hardware in ends:
                appliance.hardware.processes.transports[tunnel] = Transport.UDP
                appliance.hardware.processes.feed.emit("a tunnel is up")

    def _switched(self, owner_id: str, on: bool) -> None:  # noqa: FBT001 - as the hypervisor says it
        self.tell(f"{owner_id} is switched {'on' if on else 'off'}")
        if owner_id in self.appliances:
            self.appliances[owner_id].power(on=on)
        self.powered(owner_id, on)
