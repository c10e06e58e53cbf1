"""From a document to a target: every rule of meaning is here or in the role's own module.

Total: the answer is a target, or all problems with their pointers. After this nobody checks a document again.
"""

from __future__ import annotations

from collections.abc import Mapping

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile import adapters as nics
from causeway_agent.plan.compile import checks_management, checks_totals, revocation
from causeway_agent.plan.compile import gateway as compile_gateway
from causeway_agent.plan.compile import provider as compile_provider
from causeway_agent.plan.compile import tenant as compile_tenant
from causeway_agent.plan.compile.adapters import Adapter
from causeway_agent.plan.compile.contribution import Contribution, Surroundings
from causeway_agent.plan.model.checks import Findings
from causeway_agent.plan.model.objects import Address, Link, Vlan
from causeway_agent.plan.model.target import Facts, Target
from causeway_wire.desired import Desired, GatewayRole, Management, ProviderRole, Role, TenantRole
from causeway_wire.problem import ProblemType
from causeway_wire.types import IPAddress, NicName


def compile_document(desired: Desired, facts: Facts) -> Target:
    """The target that the document means on this machine; raises CompileError with all problems found."""
    findings = Findings()
    if desired.appliance != facts.appliance:
        detail = f"the document is for {desired.appliance}, this appliance is {facts.appliance}"
        findings.add(ProblemType.WRONG_APPLIANCE, "/appliance", detail)
    adapters = nics.resolve(desired, facts, findings)
    management = _management(desired.management, adapters, findings)
    checks_management.check(desired, adapters, findings)
    checks_totals.check(desired.role, findings)
    surroundings = Surroundings(
        adapters=adapters, management=desired.management, facts=facts, findings=findings
    )
    contribution = _role(desired.role, surroundings)
    if findings.problems or management is None or contribution is None:
        raise CompileError(tuple(findings.problems), more=findings.more)
    return _target(desired.management, management, adapters, contribution)


def _role(role: Role, surroundings: Surroundings) -> Contribution | None:
    match role:
        case ProviderRole():
            return compile_provider.compile_role(role, surroundings)
        case TenantRole():
            return compile_tenant.compile_role(role, surroundings)
        case GatewayRole():
            return compile_gateway.compile_role(role, surroundings)


def _management(
    management: Management, adapters: Mapping[NicName, Adapter], findings: Findings
) -> Adapter | None:
    adapter = nics.find(adapters, management.nic, "/management/nic", findings)
    if adapter is not None and management.address not in adapter.own:
        detail = f"{management.address} is not an address of adapter {management.nic}"
        findings.add(ProblemType.UNKNOWN_REFERENCE, "/management/address", detail)
    checks_management.check_sources(management, adapter, findings)
    revocation.check(findings, management.revoked or (), "/management/revoked")
    if management.port == management.ssh_port:
        detail = f"the agent and SSH cannot both listen on port {management.port}"
        findings.add(ProblemType.DUPLICATE, "/management/ssh_port", detail)
    return adapter


def _target(
    management: Management, adapter: Adapter, adapters: Mapping[NicName, Adapter], role: Contribution
) -> Target:
    everyone = tuple(adapters.values())
    way_in = nics.management_policy(adapter.device, management)
    policy = role.policy | way_in | nics.neighbourhood(everyone, told=role.policy)
    routes = role.routes.union(*(each.default_routes() for each in everyone))
    return Target(
        management=_address(role.addresses, adapter.device, management.address),
        devices=frozenset(each.device for each in everyone),
        links=frozenset[Link]().union(*(each.link() for each in everyone)),
        vlans=frozenset[Vlan]().union(*(each.vlan() for each in everyone)),
        tuns=role.tuns,
        lent=role.lent,
        bridges=role.bridges,
        ports=role.ports,
        addresses=role.addresses,
        routes=routes,
        rules=role.rules,
        proxies=role.proxies,
        sysctls=role.sysctls | nics.ipv6_settings(role.addresses, routes),
        policy=policy,
        processes=role.processes,
        vacant=role.vacant,
        heralded=role.heralded,
    )


def _address(addresses: frozenset[Address], device: str, ip: IPAddress) -> Address:
    return next(entry for entry in addresses if entry.device == device and entry.interface.ip == ip)
