"""Rules of subscriptions: one platform per tenant, one appliance per host, and adapters for every network."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from causeway_controller.contract.provider import HardwarePlan
from causeway_controller.contract.tenant import (
    Static,
    SubscribedNetwork,
    Subscription,
    Tenant,
    TenantNetwork,
)
from causeway_controller.inventory import appliances, capacity, rules_adapters
from causeway_controller.inventory import book as names_of
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import Findings, distinct, unknown
from causeway_wire.desired import Extension
from causeway_wire.problem import ProblemType
from causeway_wire.types import Name


def check(findings: Findings, tenant: Tenant, book: Book, pointer: str) -> None:
    """Note what is wrong with the tenant's subscriptions."""
    plans = (
        (entry.plan, f"{pointer}/subscriptions/{n}/plan") for n, entry in enumerate(tenant.subscriptions)
    )
    distinct(findings, plans, "plan")
    for n, subscription in enumerate(tenant.subscriptions):
        where = f"{pointer}/subscriptions/{n}"
        plan = book.plans.get(subscription.plan)
        if plan is None:
            unknown(findings, f"{where}/plan", "hardware plan", subscription.plan, book.plans)
        else:
            _platform(findings, tenant, plan, book, where)
            _mapped(findings, tenant, subscription, plan, where)
        _uplink(findings, subscription, f"{where}/uplink/address")
    carried = (
        (entry.network, f"{pointer}/subscriptions/{n}/networks/{m}/network")
        for n, subscription in enumerate(tenant.subscriptions)
        for m, entry in enumerate(subscription.networks)
    )
    distinct(findings, carried, "production network")
    _one_appliance(findings, tenant, book, pointer)
    _capacity(findings, tenant, book, pointer)


def _platform(findings: Findings, tenant: Tenant, plan: HardwarePlan, book: Book, pointer: str) -> None:
    host = book.hosts.get(plan.host)
    if host is not None and host.kind is not tenant.platform:
        detail = (
            f"plan {plan.id} is on a host of {host.kind.value}, and tenant {tenant.id} is of "
            f"{tenant.platform.value}; one tenant is of one platform: enter another tenant for the other"
        )
        findings.add(ProblemType.INVALID, f"{pointer}/plan", detail)


def _mapped(
    findings: Findings, tenant: Tenant, subscription: Subscription, plan: HardwarePlan, pointer: str
) -> None:
    """Networks of the plan stand for networks of the tenant, one for one."""
    offered, owned = names_of.plan_networks(plan), names_of.networks(tenant)
    for n, entry in enumerate(subscription.networks):
        where = f"{pointer}/networks/{n}"
        if entry.plan_network not in offered:
            unknown(
                findings, f"{where}/plan_network", f"network of plan {plan.id}", entry.plan_network, offered
            )
        if entry.network not in owned:
            unknown(findings, f"{where}/network", "network of the tenant", entry.network, owned)
        else:
            _appliance_addresses(findings, tenant, entry, owned[entry.network], where)
    mapped = (
        (entry.plan_network, f"{pointer}/networks/{n}/plan_network")
        for n, entry in enumerate(subscription.networks)
    )
    distinct(findings, mapped, "network of the plan")


def _appliance_addresses(
    findings: Findings, tenant: Tenant, entry: SubscribedNetwork, network: TenantNetwork, pointer: str
) -> None:
    """The appliance is one more machine of the network, and none where frames are bridged through it."""
    if entry.appliance_addresses and entry.extension is Extension.BRIDGED:
        detail = "an adapter that is bridged has no address; remove them, or extend the network routed"
        findings.add(ProblemType.INVALID, f"{pointer}/appliance_addresses", detail)
    used = {address: f"VM {vm.name}'s" for vm in tenant.vms for address in vm.addresses}
    used |= dict.fromkeys(network.gateways, "the network's gateway")
    if network.tenant_end is not UNSET and isinstance(network.tenant_end.address, Static):
        used |= {each.ip: "the tenant's appliance's" for each in network.tenant_end.address.addresses}
    for n, interface in enumerate(entry.appliance_addresses):
        where = f"{pointer}/appliance_addresses/{n}"
        rules_adapters.member(findings, network, interface.ip, where, "appliance")
        if interface.ip in used:
            detail = f"{interface.ip} is {used[interface.ip]}; give the appliance an address that nobody has"
            findings.add(ProblemType.DUPLICATE, where, detail)


def _uplink(findings: Findings, subscription: Subscription, pointer: str) -> None:
    address = subscription.uplink.address
    if not isinstance(address, Static):
        rules_adapters.by_dhcp(findings, pointer)
        return
    if not address.addresses:
        detail = "name an address of the appliance"
        findings.add(ProblemType.INVALID, f"{pointer}/addresses", detail)
    rules_adapters.addresses(findings, address.addresses, f"{pointer}/addresses", "appliance")
    rules_adapters.gateways(findings, address.gateways, address.addresses, f"{pointer}/gateways")


def _one_appliance(findings: Findings, tenant: Tenant, book: Book, pointer: str) -> None:
    """Subscriptions on one host share an appliance: what they say of it must be the same."""
    first: dict[Name, tuple[Subscription, int]] = {}
    for place, subscription, plan in book.subscribed(tenant):
        said, where = first.setdefault(plan.host, (subscription, place))
        for member in ("uplink", "adapters"):
            if getattr(said, member) != getattr(subscription, member):
                detail = (
                    f"tenant {tenant.id} has one appliance on host {plan.host}, and {pointer}/subscriptions/"
                    f"{where}/{member} says otherwise; say the same"
                )
                findings.add(ProblemType.INVALID, f"{pointer}/subscriptions/{place}/{member}", detail)


def _capacity(findings: Findings, tenant: Tenant, book: Book, pointer: str) -> None:
    for appliance in appliances.of_tenant(tenant, book):
        host = book.hosts.get(appliance.host)
        names = [f"{entry.plan}/{entry.network}" for entry in appliance.networks]
        if host is None or len(set(names)) < len(names):
            continue
        for found in capacity.problems(names, capacity.Platform[host.kind.name], trunk=appliance.trunk):
            if found.pointer is not UNSET:
                place = appliance.networks[int(found.pointer.rpartition("/")[2])].subscription
                found = msgspec.structs.replace(found, pointer=f"{pointer}/subscriptions/{place}/plan")  # noqa: PLW2901
            findings.note(found)
