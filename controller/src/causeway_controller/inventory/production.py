"""A tenant's production networks at its own controller, with the appliance of each. Pure.

Here a network is to runs and appliances what a host is at the provider's: one appliance, one run at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET

from causeway_controller.contract.certificates import Bearer
from causeway_controller.contract.change import ApplianceNeeded
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnAppliance, OwnNetwork, Production
from causeway_controller.contract.tenant import Static
from causeway_controller.contract.tenant_view import NetworkAtHost, ReplicaView, TenantResources
from causeway_controller.contract.tunnels import KeptEnd
from causeway_controller.inventory import appliances, certificates
from causeway_controller.inventory.allocation import mac_candidates
from causeway_controller.inventory.modes import Full, Mode, Partial
from causeway_controller.inventory.tenancy import (
    Adapter,
    Entrance,
    GatewayCredentials,
    Holder,
    ManagementAccess,
    Network,
    ProviderHalf,
    Revocation,
    Site,
    Tenant,
    TenantAppliance,
    TenantCredentials,
    TunnelCredentials,
    Vm,
)
from causeway_controller.inventory.vnics import InNetwork, Vnic
from causeway_wire.desired import Extension
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, IPNetwork, NetworkId, Secret, TenantId, VmName

ADAPTER: Final = "lan"
EXTENSION: Final = "extension"
"""The second vNIC, whose frames are bridged."""
_HOLDERS: Final[Mapping[Bearer, Holder]] = {
    Bearer.GATEWAY: Holder.GATEWAY,
    Bearer.CLIENT: Holder.CLIENT,
    Bearer.SERVER: Holder.SERVER,
}
"""Of what a provider may have our appliances refuse: never a controller, which is ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an appliance of ours stands."""

    production: Production
    network: OwnNetwork
    appliance: OwnAppliance

    @property
    def tenant(self) -> TenantId:
        """Who we are at the provider."""
        return self.production.tenant

    @property
    def id(self) -> ApplianceId:
        """The appliance's name."""
        return certificates.end_name(self.tenant, self.network.id, "tenant")

    @property
    def vnics(self) -> tuple[Vnic, ...]:
        """Its vNICs, and where they are plugged in: one, or two for a network that is extended bridged."""
        names = (ADAPTER, EXTENSION) if self.appliance.extension is Extension.BRIDGED else (ADAPTER,)
        return tuple(
            Vnic(
                adapter=name,
                mac=next(mac_candidates(self.tenant, self.network.id, name)),
                place=InNetwork(network=self.appliance.network),
            )
            for name in names
        )

    def adapter(self) -> Adapter:
        """The first vNIC with its addresses. Raises ProblemError (`unsupported`) where it is to get them."""
        address = self.appliance.address
        if not isinstance(address, Static):
            detail = f"appliance {self.id} has no address of its own; enter one"
            raise ProblemError(problem(ProblemType.UNSUPPORTED, detail))
        gateways = address.gateways or self.network.gateways
        return Adapter(name=ADAPTER, mac=self.vnics[0].mac, addresses=address.addresses, gateways=gateways)

    def extending(self) -> Adapter | None:
        """The second vNIC, if it has one."""
        return next((Adapter(name=one.adapter, mac=one.mac) for one in self.vnics[1:]), None)


def places(inventory: Inventory) -> Iterator[Place]:
    """Return the appliances that production needs; none for networks that omit it."""
    for entry in inventory.production:
        for network in entry.networks:
            if network.appliance is not UNSET:
                yield Place(production=entry, network=network, appliance=network.appliance)


def needed(inventory: Inventory) -> tuple[ApplianceNeeded, ...]:
    """Return every appliance that this controller is to have: a provider's by their hosts, production's by
    their networks.
    """
    theirs = (
        ApplianceNeeded(tenant=one.tenant, host=one.host, adapters=one.adapters)
        for one in appliances.needed(inventory)
    )
    ours = (
        ApplianceNeeded(
            tenant=one.tenant,
            host=one.network.id,
            adapters=tuple(vnic.adapter for vnic in one.vnics),
        )
        for one in places(inventory)
    )
    return (*theirs, *ours)


def find(inventory: Inventory, tenant: TenantId, network: NetworkId) -> Place | None:
    """Return the place of the tenant's appliance in this network; None where there is none."""
    found = (one for one in places(inventory) if (one.tenant, one.network.id) == (tenant, network))
    return next(found, None)


def refuse_omitted(inventory: Inventory, tenant: TenantId, network: NetworkId) -> None:
    """Raise ProblemError (`unsupported`) for a network of this site whose appliance was left out (seed)."""
    for n, entry in enumerate(inventory.production):
        for m, one in enumerate(entry.networks):
            if (entry.tenant, one.id) == (tenant, network) and one.appliance is UNSET:
                detail = (
                    f"network {network} has no appliance here, so its VMs are not failed over partially: "
                    f"enter one as /production/{n}/networks/{m}/appliance, as `causeway appliance proposed "
                    f"{entry.id}` shows, or have the provider fail the whole site over, which needs none"
                )
                raise ProblemError(problem(ProblemType.UNSUPPORTED, detail))


def overtaken(mode: Mode, told: TenantResources | None) -> frozenset[VmName]:
    """Return the VMs that this site answers for, although the provider has failed their host over as a whole.

    `mode`: of a network of this site; `told`: what the provider said last.
    """
    if told is None or not isinstance(mode, Partial):
        return frozenset()
    whole = {one.host for one in told.failovers if one.mode == Full.name}
    return mode.vms & {one.vm for one in told.replicas if one.host in whole}


def site(
    place: Place,
    *,
    told: TenantResources,
    end: KeptEnd | None,
    mode: Mode,
    controllers: tuple[IPNetwork, ...],
    revoked: tuple[Revocation, ...] = (),
) -> Site:
    """Return the network as a site of its own, with the provider's half in place of its appliance.

    `told`: what the provider said last; `end`: what it gave for the tunnel, None before that; `revoked`: by
    us, to which comes what the provider revoked. Raises ProblemError (`unsupported`) for what cannot be.
    """
    own, tenant, nic = place.network, place.tenant, place.adapter()
    seen = next((one for one in told.networks if one.id == own.id), None)
    replicas = [one for one in told.replicas if one.network == own.id]
    if not isinstance(mode, Partial):  # what stands ends as it is, whatever was entered since
        _refuse_otherwise(place, () if seen is None else seen.at)
    access = ManagementAccess(nic=ADAPTER, address=nic.addresses[0].ip, sources=controllers)
    network = Network(
        id=own.id,
        prefixes=own.prefixes,
        gateways=own.gateways,
        tunnel=own.id if end is None else end.tunnel,
        inner=() if end is None else tuple((one.provider, one.tenant) for one in end.inner),
        port=0,
        extension=place.appliance.extension,
    )
    found = Tenant(
        id=tenant,
        networks={own.id: network},
        provider=ProviderHalf(
            id=place.production.id,
            hosts={one.vm: one.host for one in replicas},
            elsewhere={one.vm: one.network for one in told.replicas if one.network != own.id},
            serves=frozenset(vm for one in told.failovers if one.mode == Partial.name for vm in one.vms),
        ),
        appliances={
            own.id: TenantAppliance(
                id=place.id, management=access, network=own.id, nic=nic, extension_nic=place.extending()
            )
        },
        vms={one.vm: _vm(one) for one in replicas},
    )
    return Site(
        tenants={tenant: found},
        gateways=(),
        credentials={} if end is None else {tenant: _credentials(end)},
        gateway_credentials=GatewayCredentials(
            ca="" if end is None else end.gateway_authority, certificates={}
        ),
        modes={tenant: mode},
        revoked=(*revoked, *_revocations(tenant, told)),
        told=tuple(_entrances(told)),
    )


def _refuse_otherwise(place: Place, at: tuple[NetworkAtHost, ...]) -> None:
    """Raise ProblemError (`unsupported`) where the provider extends the network in another way than we do."""
    ours = place.appliance.extension
    for one in at:
        if one.extension is not ours:
            detail = (
                f"the provider extends network {place.network.id} {one.extension.value} at its host "
                f"{one.host}, and its appliance here is entered as {ours.value}: enter the same `extension` "
                f"here and apply, then `causeway appliance redeploy {place.tenant} {place.network.id}`"
            )
            raise ProblemError(problem(ProblemType.UNSUPPORTED, detail))


def _revocations(tenant: TenantId, told: TenantResources) -> Iterator[Revocation]:
    for one in told.revoked:
        if one.bearer not in _HOLDERS:
            continue
        yield Revocation(
            serial=one.serial,
            holder=_HOLDERS[one.bearer],
            tenant=tenant if one.tunnel else None,
            tunnel=one.tunnel or None,
            name=one.name or None,
        )


def _vm(told: ReplicaView) -> Vm:
    return Vm(
        name=told.vm,
        network=told.network,
        addresses=told.addresses,
        macs=told.macs,
        restored_to=told.restored_to or None,
    )


def _credentials(end: KeptEnd) -> TenantCredentials:
    """The server's certificate and key are the provider's: no document made here names them."""
    return TenantCredentials(
        ca=end.authority,
        tls_crypt=Secret(""),
        tunnels={
            end.tunnel: TunnelCredentials(
                server_certificate="",
                client_certificate="" if end.revoked else end.certificate,
                client_key=end.key,
                server_name=end.server_name,
                client_name=end.client_name,
                client_tls_crypt=Secret(end.tls_crypt),
            )
        },
    )


def _entrances(told: TenantResources) -> Iterator[Entrance]:
    if told.gateways is not UNSET:
        for address in told.gateways.addresses:
            yield Entrance(name=told.gateways.name, addresses=(address,), port=told.gateways.port)
