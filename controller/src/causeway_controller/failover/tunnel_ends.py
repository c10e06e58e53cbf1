"""Both ends of a network's tunnel, as documents have them: where they are, and what they are known by."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from causeway_controller.inventory.tenancy import (
    Network,
    Site,
    Tenant,
    TenantAppliance,
    TenantCredentials,
    TunnelCredentials,
)
from causeway_wire.desired import Extension, InnerAddresses, Remote, TunnelClient, TunnelServer
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import IPAddress, KeyName, TenantId

CLIENT_KEY: KeyName = "vpn-client"
"""Name of the key born on a tenant appliance for its tunnel."""


class EndRevoked(ProblemError):  # noqa: N818
    """The certificate of a tunnel's end or a gateway was revoked, and the next one is not there yet."""


def server_key(network: Network) -> KeyName:
    """Return the name of the key born on a provider appliance for this network's tunnel."""
    return f"vpn-server-{network.port}"


def server(site: Site, tenant: Tenant, network: Network) -> TunnelServer:
    """Return the provider's end. Raises ProblemError where it has no address or no certificate."""
    known = credentials(site, tenant.id, network)
    authority = _tenant_credentials(site, tenant.id)
    return TunnelServer(
        id=network.tunnel,
        inner=_inner(network.inner, network.extension),
        listen=server_address(tenant),
        second_listen=second_server_address(tenant),
        port=network.port,
        key=known.server_key or server_key(network),
        certificate=_counting(known.server_certificate, network),
        ca=authority.ca,
        peer_name=known.client_name,
        tls_crypt=authority.tls_crypt,
        extension=network.extension,
    )


def client(site: Site, tenant: Tenant, network: Network, appliance: TenantAppliance) -> TunnelClient:
    """Return the tenant's end, on this appliance. Raises ProblemError where it has no certificate."""
    known = credentials(site, tenant.id, network)
    return TunnelClient(
        id=network.tunnel,
        inner=_inner(((ours, theirs) for theirs, ours in network.inner), network.extension),
        remotes=remotes(site, appliance),
        key=known.client_key or CLIENT_KEY,
        certificate=_counting(known.client_certificate, network),
        ca=_tenant_credentials(site, tenant.id).ca,
        peer_name=known.server_name,
        tls_crypt=known.client_tls_crypt,
        gateway_ca=site.gateway_credentials.ca,
        gateway_name=site.entrances[0].name,
        extension=network.extension,
    )


def server_address(tenant: Tenant) -> IPAddress:
    """Return where the tenant's VPN servers listen: the first address of the provider appliance's uplink.

    Raises ProblemError where it has none.
    """
    addresses = tenant.server.uplink.addresses
    if not addresses:
        raise _unknown(f"the uplink of {tenant.provider.id} has no address for VPN servers to listen on")
    return addresses[0].ip


def second_server_address(tenant: Tenant) -> IPAddress | None:
    """Return the uplink's first address of the other IP version; the servers listen there for UDP, too."""
    first = server_address(tenant)
    others = (one.ip for one in tenant.server.uplink.addresses if one.version != first.version)
    return next(others, None)


def remotes(site: Site, appliance: TenantAppliance) -> tuple[Remote, ...]:
    """Return the gateways this appliance can reach, by the IP versions it has.

    Every gateway in the site's order, then every gateway by its other version, so that a lost one is left for
    the next, not for itself.
    """
    families = {address.version for address in appliance.nic.addresses}
    reachable = [
        [Remote(address=address, port=gateway.port) for address in gateway.addresses]
        for gateway in site.entrances
    ]
    turns = itertools.zip_longest(*reachable)
    return tuple(one for turn in turns for one in turn if one is not None and one.address.version in families)


def credentials(site: Site, tenant: TenantId, network: Network) -> TunnelCredentials:
    """Return certificates and keys of the network's tunnel. Raises ProblemError when they were never made."""
    found = _tenant_credentials(site, tenant).tunnels.get(network.tunnel)
    if found is None:
        hint = "`causeway appliance deploy` makes them"
        raise _unknown(f"tunnel {network.tunnel} of network {network.id} has no certificates yet; {hint}")
    return found


def _tenant_credentials(site: Site, tenant: TenantId) -> TenantCredentials:
    if tenant not in site.credentials:
        raise _unknown(f"tenant {tenant} has no VPN authority yet; `causeway appliance deploy` makes it")
    return site.credentials[tenant]


def _counting(certificate: str, network: Network) -> str:
    """Raises EndRevoked."""
    if not certificate:
        hint = "its appliance gets another one by itself, or by `causeway appliance deploy`"
        detail = f"the certificate of network {network.id}'s tunnel was revoked; {hint}"
        raise EndRevoked(problem(ProblemType.UNAVAILABLE, detail))
    return certificate


def _inner(ends: Iterable[tuple[IPAddress, IPAddress]], extension: Extension) -> tuple[InnerAddresses, ...]:
    """Addresses of the tunnel; one that carries frames has none."""
    if extension is Extension.BRIDGED:
        return ()
    return tuple(InnerAddresses(local=local, peer=peer) for local, peer in ends)


def _unknown(detail: str) -> ProblemError:
    return ProblemError(problem(ProblemType.UNKNOWN_REFERENCE, detail))
