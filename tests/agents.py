"""An agent's engine on fakes, and documents to send to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface, ip_network

from causeway_agent.engine.journal import Journal
from causeway_agent.engine.lockdown import HOLD_SECONDS, Lockdown
from causeway_agent.engine.machine import Machine
from causeway_agent.engine.reconcile import Pace
from causeway_agent.engine.rules_journal import RulesJournal
from causeway_agent.engine.service import Engine
from causeway_agent.plan.compile import base
from causeway_agent.plan.model.target import Facts, Target
from causeway_wire.desired import (
    Desired,
    Failover,
    Idle,
    InnerAddresses,
    Management,
    Nic,
    Partial,
    ProductionNetwork,
    ProviderNetwork,
    ProviderRole,
    Remote,
    Replica,
    TenantFailover,
    TenantRole,
    TunnelClient,
    TunnelServer,
)
from causeway_wire.types import Secret
from tests.fakes.clock import FakeClock
from tests.fakes.connections import FakeConnections
from tests.fakes.dead_man import FakeDeadMan
from tests.fakes.firewall import FakeFirewall
from tests.fakes.fuse import Fuse
from tests.fakes.network import FakeKernel, FakeNeighbours
from tests.fakes.processes import FakeProcesses
from tests.fakes.publications import FakePublications
from tests.fakes.slots import FakeSlots
from tests.fakes.storage import FakeStorage
from tests.fakes.tunnel_loads import FakeTunnelLoads


def pem(label: str, content: str = "AAAA") -> str:
    """Text framed as PEM (RFC 7468)."""
    return f"-----BEGIN {label}-----\n{content}\n-----END {label}-----\n"


CERTIFICATE = pem("CERTIFICATE")
SECRET_CONTENT = "c2VjcmV0c2VjcmV0"
APPLIANCE = "acme-tenant"
MANAGEMENT_MAC = "02:00:00:00:00:01"
PRODUCTION_MAC = "02:00:00:00:00:02"
DEVICES = {MANAGEMENT_MAC: "eth0", PRODUCTION_MAC: "eth1"}
REPLICA = ip_address("192.168.7.20")
SECOND_REPLICA = ip_address("192.168.7.21")
PACE = Pace(debounce=0.0, interval=0.2, first_rest=0.01, longest_rest=0.05, share=0.0)

MANAGEMENT = Management(
    nic="management", address=ip_address("10.9.0.2"), sources=(ip_network("10.9.0.0/24"),)
)
NICS = (
    Nic(name="management", mac=MANAGEMENT_MAC, addresses=(ip_interface("10.9.0.2/24"),)),
    Nic(
        name="production",
        mac=PRODUCTION_MAC,
        addresses=(ip_interface("192.168.7.5/24"),),
        gateways=(ip_address("192.168.7.1"),),
    ),
)


def partial(*addresses: object) -> Partial:
    """These replicas run at the provider."""
    return Partial(
        replicas=tuple(
            Replica(vm=f"vm-{index}", network="net-0", addresses=(ip_address(str(address)),))
            for index, address in enumerate(addresses)
        )
    )


def tenant(
    generation: int = 1, *, epoch: int = 1, failover: TenantFailover | None = None, appliance: str = APPLIANCE
) -> Desired:
    """A tenant appliance's document."""
    network = ProductionNetwork(
        id="net-0",
        nic="production",
        prefixes=(ip_network("192.168.7.0/24"),),
        gateways=(ip_address("192.168.7.1"),),
    )
    inner = InnerAddresses(local=ip_address("100.64.0.2"), peer=ip_address("100.64.0.1"))
    tunnel = TunnelClient(
        id="acme-0",
        inner=(inner,),
        remotes=(Remote(address=ip_address("203.0.113.1")),),
        key="vpn",
        certificate=CERTIFICATE,
        ca=CERTIFICATE,
        peer_name="acme-provider",
        tls_crypt=Secret(pem("OpenVPN tls-crypt-v2 client key", SECRET_CONTENT)),
        gateway_ca=CERTIFICATE,
        gateway_name="gateway.example",
    )
    return Desired(
        appliance=appliance,
        generation=generation,
        epoch=epoch,
        management=MANAGEMENT,
        nics=NICS,
        role=TenantRole(tenant="acme", network=network, tunnel=tunnel, failover=failover or Idle()),
    )


def provider(
    generation: int = 1,
    *,
    epoch: int = 1,
    failover: Failover | None = None,
    public: tuple[str, ...] = (),
) -> Desired:
    """A provider appliance's document for the same network, on the same adapters."""
    inner = InnerAddresses(local=ip_address("100.64.0.1"), peer=ip_address("100.64.0.2"))
    tunnel = TunnelServer(
        id="acme-0",
        inner=(inner,),
        listen=ip_address("10.9.0.2"),
        port=1195,
        key="vpn",
        certificate=CERTIFICATE,
        ca=CERTIFICATE,
        peer_name="acme-tenant",
        tls_crypt=Secret(pem("OpenVPN tls-crypt-v2 server key", SECRET_CONTENT)),
    )
    network = ProviderNetwork(
        id="net-0",
        nic="production",
        prefixes=(ip_network("192.168.7.0/24"),),
        gateways=(ip_address("192.168.7.1"),),
        tunnel=tunnel,
    )
    vlan = Nic(name="production", mac=PRODUCTION_MAC, addresses=(ip_interface("192.168.7.5/24"),))
    return Desired(
        appliance=APPLIANCE,
        generation=generation,
        epoch=epoch,
        management=MANAGEMENT,
        nics=(NICS[0], vlan),
        role=ProviderRole(
            tenant="acme",
            uplink="management",
            networks=(network,),
            failover=failover or Idle(),
            public_addresses=tuple(map(ip_address, public)),
        ),
    )


CONSTANTS = Facts(
    appliance=APPLIANCE, devices=DEVICES, vpn_uid=990, key_directory="/keys", run_directory="/run/causeway"
)


@dataclass
class Bench:
    """A machine of fakes that outlives the engines started on it, as hardware does."""

    fuse: Fuse = field(default_factory=Fuse)
    clock: FakeClock = field(default_factory=FakeClock)
    neighbours: FakeNeighbours = field(default_factory=FakeNeighbours)
    connections: FakeConnections = field(default_factory=FakeConnections)
    loads: FakeTunnelLoads = field(default_factory=FakeTunnelLoads)
    constants: Facts = CONSTANTS
    management: Management = MANAGEMENT
    nics: tuple[Nic, ...] = NICS[:1]
    """Of first boot."""
    hold: float = HOLD_SECONDS
    """How long the packet filter must have stood after it was lost again and again."""

    def __post_init__(self) -> None:
        self.kernel = FakeKernel(dict(self.constants.devices), self.fuse)
        self.firewall = FakeFirewall(self.fuse)
        self.publications = FakePublications(self.firewall, self.fuse)
        self.processes = FakeProcesses(self.fuse)
        self.storage = FakeStorage(self.fuse)
        self.dead_man = FakeDeadMan(self.fuse)
        self.slots = FakeSlots()
        self.neighbours.up = self.kernel.up

    def machine(self) -> Machine:
        """The machine as an agent meets it."""
        return Machine(
            kernel=self.kernel,
            firewall=self.firewall,
            publications=self.publications,
            processes=self.processes,
            neighbours=self.neighbours,
            connections=self.connections,
            loads=self.loads,
            clock=self.clock,
            dead_man=self.dead_man,
            slots=self.slots,
            constants=self.constants,
            lockdown=Lockdown(hold=self.hold),
        )

    def engine(self, *, pace: Pace = PACE) -> Engine:
        """An agent's engine as it is after the start of its process."""
        return Engine(
            machine=self.machine(),
            journal=Journal(self.storage),
            rules=RulesJournal(self.storage),
            base=self.base,
            management=self.management,
            nics=self.nics,
            pace=pace,
        )

    def base(self, facts: Facts) -> Target:
        """The closed target of this machine."""
        return base.compile_base(management=self.management, nics=self.nics, facts=facts)
