"""Services of the lab's VMs on public addresses: published and withdrawn while a failover runs, or before."""

from __future__ import annotations

import ipaddress

from causeway_controller.inventory.tenancy import Tenant
from causeway_lab.assembly.lab import Lab, LabError, VmRef
from causeway_lab.service.protocol import Publication
from causeway_wire.public_rules import Protocol, PublicRule
from causeway_wire.types import IPAddress


async def publish(lab: Lab, wanted: Publication) -> PublicRule:
    """Add a rule, or replace the one of the same public address, protocol and port.

    Raises LabError for what cannot be read, ProblemError or StepFailed for what the appliance refuses.
    """
    ref = VmRef.parse(wanted.vm)
    tenant = lab.tenant(ref.tenant)
    try:
        public = ipaddress.ip_address(wanted.public) if wanted.public else _first(tenant)
        sources = tuple(map(ipaddress.ip_network, wanted.sources))
        protocol = Protocol(wanted.protocol)
    except ValueError as error:
        raise LabError(f"cannot publish {ref}: {error}") from error
    internal = [address for address in lab.vm(ref).addresses if address.version == public.version]
    if not internal:
        raise LabError(f"{ref} has no IPv{public.version} address to lead {public} to")
    rule = PublicRule(
        id=f"{ref.vm}-{protocol.value}-{public.version}-{wanted.public_port}",
        public_address=public,
        public_port=wanted.public_port,
        internal_address=internal[0],
        internal_port=wanted.port or wanted.public_port,
        protocol=protocol,
        sources=sources,
        vm=ref.vm,
    )
    others = [other for other in tenant.publications if other.id != rule.id and not _same(other, rule)]
    await lab.publish(tenant.id, (*others, rule))
    return rule


async def withdraw(lab: Lab, name: str) -> None:
    """Remove a rule, written `tenant/rule`; its connections end. Raises LabError naming what there is."""
    owner, separator, wanted = name.partition("/")
    if not separator:
        raise LabError(f"a rule is written tenant/rule, for example acme/web-4; {name!r} is not")
    tenant = lab.tenant(owner)
    left = tuple(rule for rule in tenant.publications if rule.id != wanted)
    if len(left) == len(tenant.publications):
        known = ", ".join(f"{owner}/{rule.id}" for rule in tenant.publications)
        raise LabError(f"there is no rule {name}; {owner} has {known or 'none'}")
    await lab.publish(tenant.id, left)


def _first(tenant: Tenant) -> IPAddress:
    return tenant.public_addresses[0]


def _same(one: PublicRule, other: PublicRule) -> bool:
    return (one.public_address, one.protocol, one.public_port) == (
        other.public_address,
        other.protocol,
        other.public_port,
    )
