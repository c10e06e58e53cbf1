"""Rules of subscriptions: one platform per tenant, one appliance per host, and adapters for every network."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from causeway_controller.contract.provider import HardwarePlan
from causeway_controller.contract.tenant import Static, Subscription, Tenant
from causeway_controller.inventory import appliances, capacity
from causeway_controller.inventory import book as names_of
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import Findings, distinct, unknown
from causeway_wire import address_kinds
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
    mapped = (
        (entry.plan_network, f"{pointer}/networks/{n}/plan_network")
        for n, entry in enumerate(subscription.networks)
    )
    distinct(findings, mapped, "network of the plan")


def _uplink(findings: Findings, subscription: Subscription, pointer: str) -> None:
    address = subscription.uplink.address
    if not isinstance(address, Static):
        return
    if not address.addresses:
        detail = "name an address of the appliance, or let it have one by dhcp"
        findings.add(ProblemType.INVALID, f"{pointer}/addresses", detail)
    for n, interface in enumerate(address.addresses):
        if (why := address_kinds.special(interface.ip)) is not None:
            detail = f"{interface.ip} is {why}; no appliance can have it"
            findings.add(ProblemType.INVALID, f"{pointer}/addresses/{n}", detail)
    versions = ((gateway.version, f"{pointer}/gateways/{n}") for n, gateway in enumerate(address.gateways))
    distinct(findings, versions, "a gateway of IP version")
    for n, gateway in enumerate(address.gateways):
        on_link = (i for i in address.addresses if i.version == gateway.version and gateway in i.network)
        if next(on_link, None) is None:
            detail = f"gateway {gateway} is in the prefix of none of the addresses; correct it or the prefix"
            findings.add(ProblemType.OUTSIDE_NETWORK, f"{pointer}/gateways/{n}", detail)


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
