"""The lab's world as values: segments, machines with their adapters, and the inventory of both sites.

    internet 203.0.113.0/24     internet host .99, cloud gateways .10 .11, a production router per tenant
    TENANT-net1, -net2          production networks; the same prefixes for every tenant, on purpose
    TENANT-vlan1, -vlan2        the same networks at the provider, where replicas are
    sp 10.10.0.0/24             controller, gateways' inside, provider appliances' uplinks; its router leads
                                the public prefixes 198.51.100.0/24 and 2001:db8:51::/64 there, on-link:
                                whoever answers for one of their addresses has it

Pure: nothing here touches the machine.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from causeway_controller.inventory.tenancy import (
    Adapter,
    Gateway,
    ManagementAccess,
    Network,
    PlannedVm,
    ProviderAppliance,
    Tenant,
    TenantAppliance,
    Vm,
)
from causeway_lab.world import numbering, services
from causeway_wire.desired import Extension
from causeway_wire.seed import RoleName
from causeway_wire.types import (
    ApplianceId,
    IPAddress,
    IPInterface,
    IPNetwork,
    MacAddress,
    TenantId,
    VlanId,
)

TENANT_NAMES = ("acme", "globex")
ROUTING_TENANT = "acme"
"""The one tenant that asked for packets to be routed between its networks in full failover."""
INTERNET = "internet"
SP = "sp"
SP_CONTROLLER = "sp-ctl"
SWITCH = "lab-switch"
"""The provider's virtual switch."""
FIRST_VLANS = (100, 150)
"""Of networks with internet, and of those without."""
INTERNET_HOST = "internet-host"
INTERNET_ADDRESSES = (ipaddress.ip_address("203.0.113.99"), ipaddress.ip_address("2001:db8:ffff::99"))
"""The internet host's."""
GATEWAY_NAME = "gateway.provider.example"
PUBLIC_PREFIXES = (ipaddress.ip_network("198.51.100.0/24"), ipaddress.ip_network("2001:db8:51::/64"))
"""The provider's public addresses, out of which tenants get theirs."""
OLD_VM = "old1"
"""A VM whose replica is powered on at the provider without being failed over; production has none."""

_VM_NAMES = (("web1", "db1"), ("app2", "files2"))
_VM_HOSTS = (11, 12)
_OLD_HOST = 99
_ROUTER_HOST, _CONTROLLER_HOST, _TENANT_HOST, _PROVIDER_HOST = 1, 200, 250, 251


class Kind(StrEnum):
    """What runs on a machine."""

    ROUTER = "router"
    """Forwards, and translates sources behind its last adapter."""
    GUEST = "guest"
    """Runs the guest program: VMs, replicas, the internet host."""
    APPLIANCE = "appliance"
    """Runs the agent, which configures the adapters itself."""
    CONTROLLER = "controller"
    """Only a place that the controller's connections start from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An adapter on a segment; `eth0`, `eth1`, ... in order."""

    segment: str
    mac: MacAddress
    addresses: tuple[IPInterface, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine of the lab; its name is its namespace's name."""

    name: str
    kind: Kind
    ports: tuple[Port, ...]
    gateways: tuple[IPAddress, ...] = ()
    routes: tuple[tuple[IPNetwork, IPAddress], ...] = ()
    """Prefixes and their next hops, besides the default gateways."""
    led_inside: tuple[IPNetwork, ...] = ()
    """Of a router: public prefixes that are on-link at its first adapter, and never translated."""
    powered_on: bool = True
    """Whether it runs once the lab is up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """All machines, and the inventory the controller knows."""

    machines: Mapping[str, Machine]
    tenants: Mapping[TenantId, Tenant]
    gateways: tuple[Gateway, ...]
    routers: Mapping[TenantId, str]
    port_groups: Mapping[tuple[str, VlanId], str] = field(default_factory=dict)
    """Segments by the provider's virtual switch and the VLAN that each is."""

    @property
    def segments(self) -> tuple[str, ...]:
        """Every segment that a machine is attached to, sorted."""
        return tuple(sorted({port.segment for m in self.machines.values() for port in m.ports}))

    def appliances(self) -> Iterator[tuple[str, ManagementAccess, tuple[Adapter, ...], str]]:
        """(id, management, adapters, controller's machine) of every appliance, gateways first."""
        for gateway in self.gateways:
            yield gateway.id, gateway.management, (gateway.public, gateway.inside), SP_CONTROLLER
        for tenant in self.tenants.values():
            provider = tenant.server
            adapters = (provider.uplink, *provider.vlans.values())
            yield provider.id, provider.management, adapters, SP_CONTROLLER
            for item in tenant.appliances.values():
                second = () if item.extension_nic is None else (item.extension_nic,)
                yield item.id, item.management, (item.nic, *second), controller_of(tenant.id)

    def role(self, appliance: ApplianceId) -> RoleName:
        """What this appliance is for."""
        if any(gateway.id == appliance for gateway in self.gateways):
            return RoleName.GATEWAY
        provider = any(tenant.provider.id == appliance for tenant in self.tenants.values())
        return RoleName.PROVIDER if provider else RoleName.TENANT


def controller_of(tenant: TenantId) -> str:
    """The machine that a tenant's own controller runs on."""
    return f"{tenant}-ctl"


def original_of(tenant: TenantId, vm: str) -> str:
    """The machine of a production VM."""
    return f"{tenant}-{vm}"


def replica_of(tenant: TenantId, vm: str) -> str:
    """The machine of a VM's replica at the provider."""
    return f"{tenant}-{vm}-replica"


def vlan_of(tenant: TenantId, k: int) -> str:
    """The segment at the provider that extends the tenant's network `k` (0, 1)."""
    return f"{tenant}-vlan{k + 1}"


def build(
    *, tenants: int = 2, networks: int = 2, gateways: int = 2, extension: Extension = Extension.ROUTED
) -> Topology:
    """The topology with this many tenants, networks per tenant and cloud gateways (each 1 or 2), and every
    network extended this way.
    """
    builder = _Builder(extension=extension)
    doors = tuple(builder.gateway(index) for index in range(gateways))
    builder.provider_site()
    built = {name: builder.tenant(name, index, networks) for index, name in enumerate(TENANT_NAMES[:tenants])}
    routers = {name: f"{name}-router" for name in built}
    port_groups = {
        (SWITCH, FIRST_VLANS[k] + index): vlan_of(name, k)
        for index, name in enumerate(built)
        for k in range(networks)
    }
    return Topology(
        machines=builder.machines, tenants=built, gateways=doors, routers=routers, port_groups=port_groups
    )


_SP_ROUTER = numbering.sp(1)
_SP_CONTROLLER = numbering.sp(2)
_TO_PUBLIC = tuple(zip(PUBLIC_PREFIXES, numbering.ips(numbering.internet(1)), strict=True))
"""How the internet knows where the public prefixes are."""


@dataclass(slots=True)
class _Builder:
    """Collects machines while the sites are described; numbers the MAC addresses."""

    extension: Extension
    machines: dict[str, Machine] = field(default_factory=dict)
    macs: int = 0

    @property
    def bridged(self) -> bool:
        return self.extension is Extension.BRIDGED

    def port(self, segment: str, addresses: tuple[IPInterface, ...] = ()) -> Port:
        self.macs += 1
        mac = f"02:ca:05:00:{self.macs >> 8:02x}:{self.macs & 0xFF:02x}"
        return Port(segment=segment, mac=mac, addresses=addresses)

    def machine(
        self,
        name: str,
        kind: Kind,
        *ports: Port,
        gateways: tuple[IPAddress, ...] = (),
        routes: tuple[tuple[IPNetwork, IPAddress], ...] = (),
        led_inside: tuple[IPNetwork, ...] = (),
        powered_on: bool = True,
    ) -> None:
        self.machines[name] = Machine(
            name=name,
            kind=kind,
            ports=ports,
            gateways=gateways,
            routes=routes,
            led_inside=led_inside,
            powered_on=powered_on,
        )

    def adapter(
        self,
        name: str,
        segment: str,
        addresses: tuple[IPInterface, ...],
        gateways: tuple[IPAddress, ...] = (),
    ) -> tuple[Adapter, Port]:
        """An appliance's adapter: in the inventory with its addresses, in the wiring without."""
        port = self.port(segment)
        return Adapter(name=name, mac=port.mac, addresses=addresses, gateways=gateways), port

    def provider_site(self) -> None:
        inside, outside = self.port(SP, _SP_ROUTER), self.port(INTERNET, numbering.internet(1))
        self.machine("sp-router", Kind.ROUTER, inside, outside, led_inside=PUBLIC_PREFIXES)
        self.machine(
            SP_CONTROLLER, Kind.CONTROLLER, self.port(SP, _SP_CONTROLLER), gateways=numbering.ips(_SP_ROUTER)
        )
        port = self.port(INTERNET, numbering.internet(99))
        self.machine(INTERNET_HOST, Kind.GUEST, port, routes=_TO_PUBLIC)

    def gateway(self, index: int) -> Gateway:
        name = f"gateway{index + 1}"
        public, outer = self.adapter(
            "public", INTERNET, numbering.internet(10 + index), numbering.ips(numbering.internet(1))
        )
        inside, inner = self.adapter("inside", SP, numbering.sp(5 + index))
        self.machine(name, Kind.APPLIANCE, outer, inner)
        return Gateway(
            id=name,
            management=_managed("inside", inside, _SP_CONTROLLER),
            public=public,
            inside=inside,
            name=GATEWAY_NAME,
        )

    def tenant(self, name: TenantId, index: int, networks: int) -> Tenant:
        ids = [f"net{k + 1}" for k in range(networks)]
        lans = [self.port(f"{name}-{ids[k]}", numbering.production(k, _ROUTER_HOST)) for k in range(networks)]
        wan = self.port(INTERNET, numbering.internet(21 + index))
        self.machine(f"{name}-router", Kind.ROUTER, *lans, wan, routes=_TO_PUBLIC)
        controller = numbering.production(0, _CONTROLLER_HOST)
        self.machine(
            controller_of(name),
            Kind.CONTROLLER,
            self.port(f"{name}-net1", controller),
            gateways=numbering.ips(numbering.production(0, _ROUTER_HOST)),
        )
        provider = self.provider_appliance(name, index, networks)
        vms: dict[str, Vm] = {}
        appliances: dict[str, TenantAppliance] = {}
        for k, network in enumerate(ids):
            appliances[network] = self.tenant_appliance(name, k, network, controller[:1])
            for vm, host in zip(_VM_NAMES[k], _VM_HOSTS, strict=True):
                vms[vm] = self.vm(name, k, vm, host)
        self.guest(replica_of(name, OLD_VM), vlan_of(name, 0), 0, _OLD_HOST)
        public, second = numbering.public(10 * index + 11), numbering.public(10 * index + 12)
        return Tenant(
            id=name,
            networks={network: _network(k, network, self.extension) for k, network in enumerate(ids)},
            provider=provider,
            appliances=appliances,
            vms=vms,
            plan_name="site",
            plan=tuple(PlannedVm(vm=vm) for names in reversed(_VM_NAMES) for vm in names if vm in vms),
            routed=tuple(ids) if name == ROUTING_TENANT else (),
            public_addresses=(*public, *second),
            test_addresses=(*numbering.public(10 * index + 111), *numbering.public(10 * index + 112)),
            publications=services.published(vms, public, second),
        )

    def provider_appliance(self, tenant: TenantId, index: int, networks: int) -> ProviderAppliance:
        name = f"{tenant}-sp"
        uplink, port = self.adapter("uplink", SP, numbering.sp(20 + index), numbering.ips(_SP_ROUTER))
        vlans: dict[str, Adapter] = {}
        ports = [port]
        for k in range(networks):
            addresses = () if self.bridged else numbering.production(k, _PROVIDER_HOST)
            adapter, vlan = self.adapter(f"vlan{k + 1}", vlan_of(tenant, k), addresses)
            vlans[f"net{k + 1}"] = adapter
            ports.append(vlan)
        self.machine(name, Kind.APPLIANCE, *ports)
        return ProviderAppliance(
            id=name, management=_managed("uplink", uplink, _SP_CONTROLLER), uplink=uplink, vlans=vlans
        )

    def tenant_appliance(
        self, tenant: TenantId, k: int, network: str, controller: tuple[IPInterface, ...]
    ) -> TenantAppliance:
        name = f"{tenant}-nea{k + 1}"
        nic, port = self.adapter(
            "lan",
            f"{tenant}-{network}",
            numbering.production(k, _TENANT_HOST),
            numbering.ips(numbering.production(k, _ROUTER_HOST)),
        )
        second, *ports = self.adapter("extension", f"{tenant}-{network}", ()) if self.bridged else (None,)
        self.machine(name, Kind.APPLIANCE, port, *ports)
        return TenantAppliance(
            id=name,
            management=_managed("lan", nic, controller),
            network=network,
            nic=nic,
            extension_nic=second,
        )

    def vm(self, tenant: TenantId, k: int, vm: str, host: int) -> Vm:
        """A production VM and its replica, which is powered off."""
        original = self.guest(original_of(tenant, vm), f"{tenant}-net{k + 1}", k, host)
        replica = self.guest(replica_of(tenant, vm), vlan_of(tenant, k), k, host, powered_on=False)
        return Vm(
            name=vm,
            network=f"net{k + 1}",
            addresses=numbering.ips(original.addresses),
            macs=(replica.mac,) if self.bridged else (),
        )

    def guest(self, name: str, segment: str, k: int, host: int, *, powered_on: bool = True) -> Port:
        port = self.port(segment, numbering.production(k, host))
        self.machine(
            name,
            Kind.GUEST,
            port,
            gateways=numbering.ips(numbering.production(k, _ROUTER_HOST)),
            powered_on=powered_on,
        )
        return port


def _managed(nic: str, adapter: Adapter, controller: tuple[IPInterface, ...]) -> ManagementAccess:
    """The agent's door on the adapter's first address, for one controller host only."""
    sources = tuple(ipaddress.ip_network(address.ip) for address in controller)
    return ManagementAccess(nic=nic, address=adapter.addresses[0].ip, sources=sources)


def _network(k: int, name: str, extension: Extension) -> Network:
    inner = (
        (ipaddress.ip_address(f"100.64.{k + 1}.1"), ipaddress.ip_address(f"100.64.{k + 1}.2")),
        (ipaddress.ip_address(f"fd00:6180:{k + 1}::1"), ipaddress.ip_address(f"fd00:6180:{k + 1}::2")),
    )
    return Network(
        id=name,
        prefixes=tuple(interface.network for interface in numbering.production(k, _ROUTER_HOST)),
        gateways=numbering.ips(numbering.production(k, _ROUTER_HOST)),
        tunnel=name,
        inner=inner,
        port=1195 + 2 * k,
        internet=k == 0,
        extension=extension,
    )
