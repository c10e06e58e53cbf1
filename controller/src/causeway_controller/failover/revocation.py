"""Certificates that count no longer, and in whose documents they are refused: where they would be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from msgspec import UNSET, UnsetType, structs

from causeway_controller.inventory import refused_lists
from causeway_controller.inventory.tenancy import Holder, Revocation, Site
from causeway_controller.trust import pki
from causeway_wire.desired import (
    Desired,
    GatewayRole,
    GatewayTunnel,
    ProviderRole,
    Role,
    TenantRole,
    TunnelClient,
    TunnelServer,
)
from causeway_wire.types import Name, SerialNumber, TenantId

Serials = tuple[SerialNumber, ...] | UnsetType


def revoke(site: Site, *revocations: Revocation) -> Site:
    """The site in which these certificates are refused, too."""
    new = tuple(each for each in dict.fromkeys(revocations) if each not in site.revoked)
    return replace(site, revoked=(*site.revoked, *new))


def take_back(site: Site, *serials: SerialNumber) -> Site:
    """The site in which these certificates count again."""
    return replace(site, revoked=tuple(each for each in site.revoked if each.serial not in serials))


def applied(site: Site, document: Desired) -> Desired:
    """The document, refusing what is revoked of whoever is at the other end."""
    management = structs.replace(document.management, revoked=_serials(site, Holder.CONTROLLER))
    return structs.replace(document, management=management, role=_in_role(site, document.role))


def _in_role(site: Site, role: Role) -> Role:
    match role:
        case ProviderRole(tenant=tenant):
            networks = tuple(
                structs.replace(network, tunnel=_server(site, tenant, network.tunnel))
                for network in role.networks
            )
            return structs.replace(role, networks=networks)
        case TenantRole(tenant=tenant):
            return structs.replace(role, tunnel=_client(site, tenant, role.tunnel))
        case GatewayRole():
            tunnels = tuple(
                structs.replace(each, revoked=_serials(site, Holder.CLIENT, each.tenant, each.client_name))
                for each in role.tunnels
            )
            return structs.replace(role, tunnels=tuple(_that_fit(tunnels)))


def _that_fit(tunnels: Sequence[GatewayTunnel]) -> Iterator[GatewayTunnel]:
    counts = {(each.tenant, each.client_name): len(each.revoked or ()) for each in tunnels}
    out = refused_lists.left_out(counts)
    return (each for each in tunnels if (each.tenant, each.client_name) not in out)


def _server(site: Site, tenant: TenantId, tunnel: TunnelServer | None) -> TunnelServer | None:
    if tunnel is None:
        return None
    return structs.replace(tunnel, revoked=_serials(site, Holder.CLIENT, tenant, tunnel.peer_name))


def _client(site: Site, tenant: TenantId, tunnel: TunnelClient | None) -> TunnelClient | None:
    if tunnel is None:
        return None
    return structs.replace(
        tunnel,
        revoked=_serials(site, Holder.SERVER, tenant, tunnel.peer_name),
        gateway_revoked=_serials(site, Holder.GATEWAY, name=tunnel.gateway_name),
    )


def _serials(site: Site, holder: Holder, tenant: TenantId | None = None, name: Name | None = None) -> Serials:
    """Those that would be taken there otherwise: of the tenant's authority, or the gateway pool's, under the
    one name that is accepted. What the tunnel is called has nothing to do with it. A list of a document is
    short (`Revoked`), so what nobody there would take is not in it.
    """
    found = (
        each.serial
        for each in site.revoked
        if (each.holder, each.tenant) == (holder, tenant) and each.name in {None, name}
    )
    return tuple(found) or UNSET


def named(document: Desired) -> frozenset[SerialNumber]:
    """All that the document has its appliance refuse, wherever it may be shown."""
    return frozenset(_named(document))


def shown(document: Desired) -> frozenset[SerialNumber]:
    """All that the document has its appliance show at its ends of tunnels."""
    return frozenset(pki.serial(one.certificate) for one in _ends(document.role))


def _named(document: Desired) -> Iterator[SerialNumber]:
    yield from document.management.revoked or ()
    for end in _ends(document.role):
        yield from end.revoked or ()
        if isinstance(end, TunnelClient):
            yield from end.gateway_revoked or ()
    if isinstance(document.role, GatewayRole):
        for each in document.role.tunnels:
            yield from each.revoked or ()


def _ends(role: Role) -> Iterator[TunnelServer | TunnelClient]:
    """The appliance's ends of tunnels; a gateway has none."""
    match role:
        case ProviderRole(networks=networks):
            yield from (network.tunnel for network in networks if network.tunnel is not None)
        case TenantRole(tunnel=tunnel) if tunnel is not None:
            yield tunnel
        case _:
            pass
