"""Inventory to documents: what each appliance should be, given each tenant's failover mode.

A tunnel is in the documents of its two ends exactly while a VM of its network is in partial failover, so that
an idle site compiles to idle documents. In full failover and in rehearsal only the provider's appliance takes
part: no tunnel, and tenant appliances are idle. A gateway's document names the tunnels of all tenants and
changes with the inventory only: no failover waits for a gateway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import UNSET, UnsetType, structs

from causeway_controller.failover import tunnel_ends
from causeway_controller.failover.desired import desired
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import (
    Adapter,
    Gateway,
    Network,
    Site,
    Tenant,
    TenantAppliance,
    Vm,
)
from causeway_controller.trust import tls_crypt
from causeway_wire.desired import (
    Claims,
    Desired,
    Extension,
    Failover,
    Full,
    FullNetwork,
    GatewayRole,
    GatewayTenant,
    GatewayTunnel,
    Idle,
    Partial,
    ProductionNetwork,
    ProviderNetwork,
    ProviderRole,
    Rehearsal,
    Replica,
    TenantFailover,
    TenantRole,
)
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import (
    ApplianceId,
    Epoch,
    Generation,
    IPAddress,
    KeyName,
    NetworkId,
    VmName,
)

GATEWAY_KEY: KeyName = "gateway"
"""Name of the key born on a gateway for its TLS certificate."""


def document(site: Site, appliance: ApplianceId, *, generation: Generation, epoch: Epoch) -> Desired:
    """The document of any appliance of the site; raises ProblemError when it is none of the site's."""
    for tenant in site.tenants.values():
        if tenant.provider.id == appliance:
            return provider_document(site, tenant, generation=generation, epoch=epoch)
        for network, end in tenant.appliances.items():
            if end.id == appliance:
                return tenant_document(site, tenant, network, generation=generation, epoch=epoch)
    for gateway in site.gateways:
        if gateway.id == appliance:
            return gateway_document(site, gateway, generation=generation, epoch=epoch)
    raise ProblemError(problem(ProblemType.UNKNOWN_REFERENCE, f"the site has no appliance {appliance}"))


def provider_document(site: Site, tenant: Tenant, *, generation: Generation, epoch: Epoch) -> Desired:
    """The provider appliance of this tenant."""
    appliance = tenant.server
    mode = tenancy.mode(site, tenant.id)
    extended = {vm.network for vm in extended_vms(site, tenant)}
    networks = tuple(
        ProviderNetwork(
            id=network.id,
            nic=appliance.vlans[network.id].name,
            prefixes=network.prefixes,
            gateways=network.gateways,
            tunnel=tunnel_ends.server(site, tenant, network) if network.id in extended else None,
            hosts=tuple(
                address for vm in tenant.vms.values() if vm.network == network.id for address in vm.addresses
            ),
        )
        for network in tenant.networks.values()
        if network.id in appliance.vlans
    )
    role = ProviderRole(
        tenant=tenant.id,
        uplink=appliance.uplink.name,
        networks=networks,
        failover=_provider_failover(tenant, mode),
        public_addresses=tenant.public_addresses,
        test_addresses=tenant.test_addresses,
        denied=appliance.denied,
        claims=_claims(tenant),
    )
    carrier = () if appliance.trunk is None else (appliance.trunk,)
    carried = (appliance.vlans[network.id] for network in networks)
    adapters = (appliance.uplink, *carrier, *carried, *appliance.spare)
    return desired(
        site, appliance.id, appliance.management, adapters, role, generation=generation, epoch=epoch
    )


def tenant_document(
    site: Site, tenant: Tenant, network: NetworkId, *, generation: Generation, epoch: Epoch
) -> Desired:
    """The tenant appliance of this production network."""
    appliance = tenant.appliances[network]
    extended = tenant.networks[network]
    vms = tuple(vm for vm in extended_vms(site, tenant) if vm.network == network)
    role = TenantRole(
        tenant=tenant.id,
        network=ProductionNetwork(
            id=extended.id,
            nic=_production_adapter(extended, appliance).name,
            prefixes=extended.prefixes,
            gateways=extended.gateways,
        ),
        tunnel=tunnel_ends.client(site, tenant, extended, appliance) if vms else None,
        failover=_partial(vms),
        claims=_claims(tenant),
    )
    management = appliance.management
    adapters = (appliance.nic, *([appliance.extension_nic] if appliance.extension_nic is not None else []))
    return desired(site, appliance.id, management, adapters, role, generation=generation, epoch=epoch)


def _claims(tenant: Tenant) -> Claims | UnsetType:
    return Claims(anyway=tenant.stale) if tenant.stale else UNSET


def gateway_document(site: Site, gateway: Gateway, *, generation: Generation, epoch: Epoch) -> Desired:
    """A cloud gateway: every tunnel of every tenant that has credentials.

    A tenant may be in the site once for each of its hosts, under keys of the caller's choice.
    """
    known = [
        (tenant, site.credentials[name]) for name, tenant in site.tenants.items() if name in site.credentials
    ]
    role = GatewayRole(
        public=gateway.public.name,
        inside=gateway.inside.name,
        key=site.gateway_credentials.keys.get(gateway.id, GATEWAY_KEY),
        certificate=_gateway_certificate(site, gateway),
        port=gateway.port,
        tenants=tuple(
            dict.fromkeys(
                GatewayTenant(id=tenant.id, tls_crypt=credentials.tls_crypt, ca=credentials.ca)
                for tenant, credentials in known
            )
        ),
        tunnels=tuple(
            GatewayTunnel(
                tenant=tenant.id,
                tunnel=network.tunnel,
                server=tunnel_ends.server_address(tenant),
                second_server=_inside_reach(gateway, tunnel_ends.second_server_address(tenant)),
                port=network.port,
                client_name=credentials.tunnels[network.tunnel].client_name,
                tls_crypt_tags=(tls_crypt.read_tag(credentials.tunnels[network.tunnel].client_tls_crypt),),
            )
            for tenant, credentials in known
            for network in tenant.networks.values()
            if network.tunnel in credentials.tunnels
        ),
    )
    adapters = (gateway.public, gateway.inside)
    return desired(site, gateway.id, gateway.management, adapters, role, generation=generation, epoch=epoch)


def _inside_reach(gateway: Gateway, server: IPAddress | None) -> IPAddress | None:
    """The server's address, unless the gateway has none of its IP version to reach it from."""
    versions = {address.version for address in gateway.inside.addresses}
    return server if server is not None and server.version in versions else None


def extended_vms(site: Site, tenant: Tenant) -> tuple[Vm, ...]:
    """The tenant's VMs in partial failover now, by name."""
    match tenancy.mode(site, tenant.id):
        case modes.Partial(vms):
            return tuple(tenant.vms[name] for name in sorted(vms))
        case modes.Idle() | modes.Full() | modes.Rehearsal():
            return ()


def covered(tenant: Tenant, vms: Iterable[VmName]) -> tuple[Network, ...]:
    """The networks of these VMs, in the inventory's order."""
    wanted = {tenant.vms[name].network for name in vms}
    return tuple(network for network in tenant.networks.values() if network.id in wanted)


def public_rules(tenant: Tenant, mode: modes.Mode) -> tuple[PublicRule, ...]:
    """The public rules of the tenant's provider appliance in this mode: those of the VMs that run, and those
    that lead to no VM.

    In rehearsal a service is published on the test address that stands in for its public one; rules of
    addresses without one are left out.
    """
    vms_of = owners(tenant)
    rules = (one for one in tenant.publications if vms_of.get(one.internal_address) in {None, *mode.vms})
    match mode:
        case modes.Full():
            return tuple(rules)
        case modes.Rehearsal():
            test = stand_ins(tenant)
            return tuple(
                structs.replace(rule, public_address=test[rule.public_address])
                for rule in rules
                if rule.public_address in test
            )
        case modes.Idle() | modes.Partial():
            return ()


def owners(tenant: Tenant) -> Mapping[IPAddress, VmName]:
    """By address the VM that has it."""
    return {address: vm.name for vm in tenant.vms.values() for address in vm.addresses}


def stand_ins(tenant: Tenant) -> Mapping[IPAddress, IPAddress]:
    """By public address the test address that stands in for it in rehearsal, family by family in order."""
    pairs: dict[IPAddress, IPAddress] = {}
    for version in (4, 6):
        public = (one for one in tenant.public_addresses if one.version == version)
        test = (one for one in tenant.test_addresses if one.version == version)
        pairs.update(zip(public, test, strict=False))
    return pairs


def _gateway_certificate(site: Site, gateway: Gateway) -> str:
    certificate = site.gateway_credentials.certificates.get(gateway.id)
    if certificate is None:
        detail = f"gateway {gateway.id} has no TLS certificate yet"
        raise tunnel_ends.EndRevoked(problem(ProblemType.UNAVAILABLE, detail))
    return certificate


def _production_adapter(network: Network, appliance: TenantAppliance) -> Adapter:
    """The tenant appliance's adapter that the network is extended with."""
    bridged = network.extension is Extension.BRIDGED
    return appliance.extension_nic if bridged and appliance.extension_nic is not None else appliance.nic


def _provider_failover(tenant: Tenant, mode: modes.Mode) -> Failover:
    match mode:
        case modes.Idle():
            return Idle()
        case modes.Partial(vms):
            return _partial(tuple(tenant.vms[name] for name in sorted(vms)))
        case modes.Full(vms):
            return Full(networks=_taken_over(tenant, vms), routed=_routed(tenant, vms))
        case modes.Rehearsal(vms, internet):
            return Rehearsal(
                networks=_taken_over(tenant, vms), routed=_routed(tenant, vms), internet=internet
            )


def _taken_over(tenant: Tenant, vms: frozenset[VmName]) -> tuple[FullNetwork, ...]:
    networks = covered(tenant, vms)
    return tuple(FullNetwork(network=network.id, internet=network.internet) for network in networks)


def _routed(tenant: Tenant, vms: frozenset[VmName]) -> tuple[NetworkId, ...]:
    """Networks to route between, as far as they are taken over; one alone has nothing to be routed to."""
    taken = {network.id for network in covered(tenant, vms)}
    routed = tuple(network for network in tenant.routed if network in taken)
    return routed if len(routed) > 1 else ()


def _partial(vms: tuple[Vm, ...]) -> TenantFailover:
    if not vms:
        return Idle()
    replicas = (Replica(vm=vm.name, network=vm.network, addresses=vm.addresses, macs=vm.macs) for vm in vms)
    return Partial(replicas=tuple(replicas))
