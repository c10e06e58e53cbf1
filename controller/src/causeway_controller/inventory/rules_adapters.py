"""Rules of what an adapter is given: addresses that a machine can have, gateways that they reach."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from causeway_controller.contract.tenant import TenantNetwork
from causeway_controller.inventory.addressing import inside
from causeway_controller.inventory.findings import Findings, distinct
from causeway_wire import address_kinds
from causeway_wire.problem import ProblemType
from causeway_wire.types import IPAddress, IPInterface


def addresses(findings: Findings, given: Iterable[IPInterface], pointer: str, what: str) -> None:
    """Note addresses of no single machine: of everybody, of nobody, of a link."""
    for n, interface in enumerate(given):
        if (why := address_kinds.special(interface.ip)) is not None:
            detail = f"{interface.ip} is {why}; no {what} can have it"
            findings.add(ProblemType.INVALID, f"{pointer}/{n}", detail)


def by_dhcp(findings: Findings, pointer: str) -> None:
    """Note an appliance of ours whose address the network would give: nobody could speak to it."""
    detail = (
        "an appliance has a static address: the controller must know it before the appliance is there, and "
        "tunnels are led to it; reserve one in the DHCP server, if there is one, and enter it as static"
    )
    findings.add(ProblemType.UNSUPPORTED, pointer, detail)


def gateways(
    findings: Findings, given: Sequence[IPAddress], own: Sequence[IPInterface], pointer: str
) -> None:
    """Note default gateways that are not on the link of the adapter's `own` addresses, or one too many."""
    versions = ((gateway.version, f"{pointer}/{n}") for n, gateway in enumerate(given))
    distinct(findings, versions, "a gateway of IP version")
    for n, gateway in enumerate(given):
        if not inside([interface.network for interface in own], gateway):
            detail = f"gateway {gateway} is in the prefix of none of the addresses; correct it or the prefix"
            findings.add(ProblemType.OUTSIDE_NETWORK, f"{pointer}/{n}", detail)


def member(findings: Findings, network: TenantNetwork, address: IPAddress, pointer: str, what: str) -> None:
    """Note an address that lies outside the production network, or is the network's own."""
    if not inside(network.prefixes, address):
        prefixes = ", ".join(str(prefix) for prefix in network.prefixes)
        detail = f"{what} {address} is outside network {network.id} ({prefixes}); correct it or the prefix"
        findings.add(ProblemType.OUTSIDE_NETWORK, pointer, detail)
    elif address_kinds.names_network(network.prefixes, address):
        detail = f"{address} is the network or broadcast address of network {network.id}; no machine has it"
        findings.add(ProblemType.INVALID, pointer, detail)
