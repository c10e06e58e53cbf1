"""The cloud gateway: one public port for the tunnels of all tenants, over UDP and over TCP.

Over UDP the first packet of a flow proves which tunnel it belongs to and the kernel carries the rest; over
TCP a client certificate does. Neither can read a tunnel: OpenVPN's TLS runs end to end through both.
"""

from __future__ import annotations

from causeway_agent.plan.compile import adapters as nics
from causeway_agent.plan.compile import checks_listen, haproxy_config, revocation
from causeway_agent.plan.compile.adapters import Adapter
from causeway_agent.plan.compile.contribution import Contribution, Surroundings
from causeway_agent.plan.model import checks
from causeway_agent.plan.model.objects import Address, Sysctl
from causeway_agent.plan.model.policy import Listener, Policy, Relay
from causeway_agent.plan.model.processes import FirstPacketFilter, Process
from causeway_wire.desired import GatewayRole, GatewayTunnel
from causeway_wire.problem import ProblemType
from causeway_wire.types import IPAddress


def compile_role(role: GatewayRole, around: Surroundings) -> Contribution | None:
    """What the role adds; None, with problems noted, when the document cannot be meant."""
    public = nics.find(around.adapters, role.public, "/role/public", around.findings)
    inside = nics.find(around.adapters, role.inside, "/role/inside", around.findings)
    _check(role, around, public)
    if public is None or inside is None or around.findings.problems:
        return None
    addresses = tuple(interface.ip for interface in public.nic.addresses)
    return Contribution(
        addresses=frozenset[Address]().union(*(each.addresses() for each in around.adapters.values())),
        sysctls=_settings(role, around, {public.device, inside.device}),
        policy=_policy(role, public, inside=inside.device),
        processes=_processes(role, addresses, inside=inside.device),
    )


def _check(role: GatewayRole, around: Surroundings, public: Adapter | None) -> None:
    findings = around.findings
    checks.key(findings, role.key, "/role/key")
    checks.pem(findings, role.certificate, "/role/certificate", checks.CERTIFICATE)
    tenants = ((tenant.id, f"/role/tenants/{i}/id") for i, tenant in enumerate(role.tenants))
    checks.distinct(findings, tenants, "tenant")
    for index, tenant in enumerate(role.tenants):
        checks.pem(findings, tenant.ca, f"/role/tenants/{index}/ca", checks.CERTIFICATE)
        where = f"/role/tenants/{index}/tls_crypt"
        checks.pem(findings, tenant.tls_crypt.reveal(), where, checks.SERVER_KEY)
    _check_tunnels(role, findings)
    revocation.check_gateway(findings, role)
    taken = around.not_elsewhere()
    for index, tunnel in enumerate(role.tunnels):
        checks_listen.relayed(tunnel, f"/role/tunnels/{index}", around, public, taken)
    if public is None:
        return
    if not public.own:
        findings.add(ProblemType.INVALID, "/role/public", f"adapter {role.public} has no address")
    if any(around.takes_management_port(address, role.port) for address in public.own):
        findings.add(ProblemType.DUPLICATE, "/role/port", f"port {role.port} is the agent's or SSH's")


def _check_tunnels(role: GatewayRole, findings: checks.Findings) -> None:
    known = {tenant.id for tenant in role.tenants}
    base = "/role/tunnels"
    for index, tunnel in enumerate(role.tunnels):
        if tunnel.tenant not in known:
            detail = f"tenant {tunnel.tenant} is not in the document"
            findings.add(ProblemType.UNKNOWN_REFERENCE, f"{base}/{index}/tenant", detail)
    tunnels = list(enumerate(role.tunnels))
    names = ((f"{t.tenant}/{t.tunnel}", f"{base}/{i}/tunnel") for i, t in tunnels)
    checks.distinct(findings, names, "tunnel")
    clients = ((f"{t.tenant}/{t.client_name}", f"{base}/{i}/client_name") for i, t in tunnels)
    checks.distinct(findings, clients, "client name")
    _check_tags(role, findings)
    servers = ((f"{a} port {t.port}", f"{base}/{i}/port") for i, t in tunnels for a in _addresses(t))
    checks.distinct(findings, servers, "server")


def _check_tags(role: GatewayRole, findings: checks.Findings) -> None:
    """A client key is one tenant's: wrapped with its server key."""
    owners: dict[str, str] = {}
    for index, tunnel in enumerate(role.tunnels):
        for place, tag in enumerate(tunnel.tls_crypt_tags):
            if owners.setdefault(tag, tunnel.tenant) != tunnel.tenant:
                where = f"/role/tunnels/{index}/tls_crypt_tags/{place}"
                detail = f"the key with this tag is already tenant {owners[tag]}'s; give each its own"
                findings.add(ProblemType.DUPLICATE, where, detail)


def _settings(role: GatewayRole, around: Surroundings, relaying: set[str]) -> frozenset[Sysctl]:
    """`default` forwards too: the first-packet filter's device comes and goes with the filter."""
    on = bool(role.tunnels)
    adapters = (
        nics.settings(each.device, forwarding=on and each.device in relaying)
        for each in around.adapters.values()
    )
    six = bool(_servers(role, checks.IPV6))
    return nics.machine_settings(forwarding6=six, forwarding_default=on).union(*adapters)


def _policy(role: GatewayRole, public: Adapter, *, inside: str) -> Policy:
    if not role.tunnels:
        return Policy()
    tags = frozenset(tag for tunnel in role.tunnels for tag in tunnel.tls_crypt_tags)
    unnamed = any(not tunnel.tls_crypt_tags for tunnel in role.tunnels)
    return Policy(
        listeners=frozenset(Listener(public.device, address, "tcp", role.port) for address in public.own),
        relays=frozenset(
            Relay(
                public.device,
                inside,
                address,
                role.port,
                servers=_servers(role, address.version),
                tags=tags,
                unnamed=unnamed,
            )
            for address in public.own
        ),
    )


def _servers(role: GatewayRole, version: int) -> frozenset[tuple[IPAddress, int]]:
    return frozenset(
        (address, tunnel.port)
        for tunnel in role.tunnels
        for address in _addresses(tunnel)
        if address.version == version
    )


def _addresses(tunnel: GatewayTunnel) -> tuple[IPAddress, ...]:
    return (tunnel.server, *([tunnel.second_server] if tunnel.second_server is not None else []))


def _processes(role: GatewayRole, addresses: tuple[IPAddress, ...], *, inside: str) -> frozenset[Process]:
    """Without a tunnel there is nothing to admit anybody to, and no authority to check a client with."""
    if not role.tunnels:
        return frozenset()
    door = FirstPacketFilter(
        addresses=addresses,
        port=role.port,
        inside=inside,
        keys=tuple((tenant.id, tenant.tls_crypt) for tenant in role.tenants),
        servers=tuple(
            (tunnel.tenant, tunnel.tunnel, address, tunnel.port)
            for tunnel in role.tunnels
            for address in _addresses(tunnel)
        ),
        tags=tuple(
            (tag, tunnel.tenant, tunnel.tunnel) for tunnel in role.tunnels for tag in tunnel.tls_crypt_tags
        ),
    )
    return frozenset({door, haproxy_config.gateway(role, addresses=addresses)})
