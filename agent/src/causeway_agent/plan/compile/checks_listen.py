"""Where a tunnel's server listens, and where gateways send its flows: addresses that can be meant. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from causeway_agent.plan.compile.adapters import Adapter
from causeway_agent.plan.compile.contribution import Surroundings
from causeway_agent.plan.model import checks
from causeway_wire.desired import GatewayTunnel, TunnelServer
from causeway_wire.problem import ProblemType
from causeway_wire.types import IPAddress


def server(tunnel: TunnelServer, base: str, around: Surroundings, uplink: Adapter | None) -> None:
    """Note what is wrong with the addresses that the provider's end listens on; `base` points to it."""
    findings = around.findings
    for member, address in _named("listen", tunnel.listen, tunnel.second_listen):
        if uplink is not None and address not in uplink.own:
            detail = f"{address} is not an address of the uplink {uplink.nic.name}"
            findings.add(ProblemType.UNKNOWN_REFERENCE, f"{base}/{member}", detail)
        if around.takes_management_port(address, tunnel.port):
            detail = f"port {tunnel.port} of {address} is the agent's or SSH's"
            findings.add(ProblemType.DUPLICATE, f"{base}/port", detail)
    _versions(findings, tunnel.listen, tunnel.second_listen, f"{base}/second_listen")


def relayed(
    tunnel: GatewayTunnel,
    base: str,
    around: Surroundings,
    public: Adapter | None,
    taken: Mapping[IPAddress, tuple[ProblemType, str]],
) -> None:
    """Note what is wrong with the addresses that a gateway sends a tunnel's flows to.

    `taken` is what no server's can be, `public` the gateway's adapter toward the tenants.
    """
    findings = around.findings
    versions = {address.version for address in public.own} if public is not None else set()
    for member, address in _named("server", tunnel.server, tunnel.second_server):
        checks.elsewhere(findings, address, f"{base}/{member}", taken)
    _versions(findings, tunnel.server, tunnel.second_server, f"{base}/second_server")
    served = {address.version for _, address in _named("", tunnel.server, tunnel.second_server)}
    if versions and not versions & served:
        detail = f"{tunnel.server}: the public adapter has no address of this IP version to relay from"
        findings.add(ProblemType.UNSUPPORTED, f"{base}/server", detail)


def _named(member: str, first: IPAddress, second: IPAddress | None) -> tuple[tuple[str, IPAddress], ...]:
    return ((member, first), *(((f"second_{member}", second),) if second is not None else ()))


def _versions(findings: checks.Findings, first: IPAddress, second: IPAddress | None, where: str) -> None:
    if second is not None and second.version == first.version:
        detail = f"{second} is of the same IP version as {first}; one address of each is enough"
        findings.add(ProblemType.INVALID, where, detail)
