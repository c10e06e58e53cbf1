"""As `rules_in_use`, of what a tenant is at the provider: VMs, their networks, the appliance on the host."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.tenant import FailoverPlan, ProtectedVm, SubscribedNetwork, Tenant
from causeway_controller.inventory import appliances, book, modes
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import Findings
from causeway_controller.inventory.in_use import InUse, refuse, unchanged
from causeway_controller.inventory.modes import Full, Rehearsal
from causeway_wire.types import IPAddress, Name, NetworkId


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Both inventories, and what they have by name."""

    before: Inventory
    after: Inventory
    old: Book
    new: Book


def check(findings: Findings, looked: Looked, use: InUse) -> None:
    """Note where the inventory changes what the tenant's failover or run on this host rests on."""
    there = book.placed(looked.after.tenants, use.tenant)
    if there is None:
        refuse(findings, "/tenants", f"tenant {use.tenant} would go", [use])
    elif use.host:
        _Tenancy(findings, looked, use, *there).check()


class _Tenancy:
    """The tenant on the host, before and after."""

    def __init__(self, findings: Findings, looked: Looked, use: InUse, place: int, now: Tenant) -> None:
        """`place`: of the tenant, afterwards."""
        self._findings = findings
        self._looked = looked
        self._use = use
        self._was = was = looked.old.tenants[use.tenant]
        self._now = now
        self._pointer = f"/tenants/{place}"
        here = {vm.name: vm for vm in was.vms if _is_on(vm, use.host)}
        self._running = frozenset(here) if use.run else use.mode.vms
        """VMs whose replicas run, or may before the run is over."""
        behind = use.mode.behind if isinstance(use.mode, Full) else frozenset[NetworkId]()
        self._networks = behind | {vm.network for vm in was.vms if vm.name in self._running}

    def check(self) -> None:
        members = ("platform", "gateway_pool") if self._use.tunnelled else ("platform",)
        self._same(self._was, self._now, *members, pointer=self._pointer, what=f"tenant {self._was.id}")
        self._check_addresses()
        self._check_networks()
        self._check_appliance()
        self._check_vms()
        self._check_plans()

    def _refuse(self, pointer: str, what: str) -> None:
        refuse(self._findings, f"{self._pointer}{pointer}", what, [self._use])

    def _same(self, was: object, now: object, *members: str, pointer: str, what: str) -> None:
        unchanged(self._findings, [self._use], was, now, *members, pointer=pointer, what=what)

    def _check_addresses(self) -> None:
        """The appliance holds them; what goes would be another tenant's meanwhile. In a rehearsal the first
        test address stands in for the first public one, and so on.
        """
        if not self._use.open:
            return
        was, now = self._was, self._now
        if self._use.run or isinstance(self._use.mode, Rehearsal):
            members = ("public_addresses", "test_addresses")
            self._same(was, now, *members, pointer=self._pointer, what=f"tenant {was.id}")
        elif gone := set(was.public_addresses) - set(now.public_addresses):
            self._refuse("/public_addresses", f"{', '.join(sorted(map(str, gone)))} would go")
        for member in ("more_public_ipv4", "more_public_ipv6"):
            before, after = getattr(was, member), getattr(now, member)
            if after < before or (self._use.run and after != before):
                self._refuse(f"/{member}", f"public addresses would be {after} instead of {before}")

    def _check_networks(self) -> None:
        there = {one.id: (n, one) for n, one in enumerate(self._now.networks)}
        for was in self._was.networks:
            if was.id not in self._networks:
                continue
            if was.id not in there:
                self._refuse("/networks", f"network {was.id} would go")
                continue
            n, now = there[was.id]
            members = ("prefixes", "tenant_end") if self._use.tunnelled else ("prefixes",)
            where, what = f"{self._pointer}/networks/{n}", f"network {was.id}"
            self._same(was, now, *members, pointer=where, what=what)
            if not set(was.gateways) <= set(now.gateways):
                self._refuse(f"/networks/{n}/gateways", f"a gateway of {what} would go")

    def _check_appliance(self) -> None:
        """It keeps its address and the adapters that its machine has, which stand for what they stood for."""
        tenant, host = self._was.id, self._use.host
        was, now = (
            next((one for one in appliances.of_tenant(entry, names) if one.host == host), None)
            for entry, names in ((self._was, self._looked.old), (self._now, self._looked.new))
        )
        if was is None:
            return
        if now is None:
            self._refuse("/subscriptions", f"tenant {tenant} would have no subscription on {host}")
            return
        where = f"/subscriptions/{now.subscription}"
        if now.uplink.address != was.uplink.address:
            self._refuse(f"{where}/uplink/address", f"the address of appliance {was.id} would change")
        if now.trunk is not was.trunk:
            self._refuse(f"{where}/adapters", f"appliance {was.id} would need other adapters")
        had, has = ({(one.plan, one.network) for one in each.networks} for each in (was, now))
        if gone := sorted(had - has):
            said = ", ".join(map("/".join, gone))
            self._refuse("/subscriptions", f"appliance {was.id} would lose network {said}")
        for one in now.networks if not now.trunk else ():
            if (one.plan, one.network) not in had:
                self._check_more(one.plan, one.network, one.subscription, {plan for plan, _ in had})
        self._check_mapped()

    def _check_more(self, plan: Name, network: NetworkId, subscription: int, before: set[Name]) -> None:
        """A document with an adapter that the machine has not is refused by it, also on the way back."""
        what = f"its appliance on {self._use.host} would need an adapter for {plan}/{network}"
        if plan not in before:
            self._refuse(f"/subscriptions/{subscription}/plan", what)
            return
        for n, one in enumerate(self._looked.after.hardware_plans):
            for m, entry in enumerate(one.networks):
                if (one.id, entry.id) == (plan, network):
                    refuse(self._findings, f"/hardware_plans/{n}/networks/{m}", what, [self._use])

    def _check_mapped(self) -> None:
        now = {entry.network: (where, plan, entry) for where, plan, entry in _mapped(self._now)}
        for _, plan, was in _mapped(self._was):
            hardware = self._looked.old.plans.get(plan)
            if was.network not in self._networks or hardware is None or hardware.host != self._use.host:
                continue
            found = now.get(was.network)
            if found is None or (found[1], found[2].plan_network) != (plan, was.plan_network):
                where = "/subscriptions" if found is None else f"{found[0]}/plan_network"
                what = f"network {was.network} would not be {was.plan_network} of plan {plan}"
                self._refuse(where, what)
            else:
                where, what = f"{self._pointer}{found[0]}", f"network {was.network}"
                self._same(was, found[2], "extension", "appliance_addresses", pointer=where, what=what)

    def _check_vms(self) -> None:
        there = {vm.name: (n, vm) for n, vm in enumerate(self._now.vms)}
        known = {vm.name: vm for vm in self._was.vms}
        kept = {known[vm].network for vm in self._running & known.keys() & there.keys()}
        for name in sorted(self._running & known.keys()):
            if name not in there:
                self._check_gone(known[name], kept)
            else:
                self._check_vm(known[name], *there[name])
        for name, (n, vm) in there.items() if self._use.run else ():
            if name not in self._running and _is_on(vm, self._use.host):
                self._refuse(f"/vms/{n}/replica", f"{name} would have a replica on {self._use.host}")

    def _check_gone(self, was: ProtectedVm, kept: set[NetworkId]) -> None:
        """What lives at the provider for good may leave: it goes on as it is, for its appliance serves
        networks (`kept`), and no VM. Nothing is left open to an address that another one may get.
        """
        what = f"VM {was.name} would go"
        if was.name not in self._use.settled:
            if isinstance(self._use.mode, Full) and not self._use.run:
                way = f"causeway failover permanent {self._was.id} {was.name} --host {self._use.host}"
                what += f" (one that stays for good may, after `{way}`)"
            self._refuse("/vms", what)
        elif was.network not in kept:
            self._refuse("/vms", f"{what}, the last one that is failed over in network {was.network}")
        else:
            self._check_led_to(was, frozenset(), "/vms", what)

    def _check_led_to(self, was: ProtectedVm, left: frozenset[IPAddress], pointer: str, what: str) -> None:
        """Note that a public rule leads to an address that the VM has no more."""
        led = self._use.ruled
        if not self._use.published:
            plan = book.placed(self._was.failover_plans, self._followed)
            led = frozenset(one.internal_address for one in plan[1].rules) if plan else frozenset()
        if to := sorted(map(str, led & set(was.addresses) - left)):
            way = "`causeway rule publish` has others count"
            self._refuse(pointer, f"{what}, and a public rule leads to its {', '.join(to)} ({way})")

    @property
    def _followed(self) -> Name:
        """The failover plan that counts there; empty where there is none."""
        named = self._use.plan or modes.plan(self._use.mode)
        return named or next((plan.id for plan in self._was.failover_plans), "")

    def _check_vm(self, was: ProtectedVm, n: int, now: ProtectedVm) -> None:
        where = f"{self._pointer}/vms/{n}"
        self._same(was, now, *self._kept_of_vm(was), pointer=where, what=f"VM {was.name}")
        if was.name in self._use.settled:
            what = f"VM {was.name} would be renumbered"
            self._check_led_to(was, frozenset(now.addresses), f"/vms/{n}/addresses", what)
        if was.replica is UNSET or not _is_on(was, self._use.host):
            return  # taken away before that was refused: it may be put back
        if now.replica is UNSET:
            self._refuse(f"/vms/{n}/replica", f"{was.name} would have no replica")
        else:
            pointer, what = f"{where}/replica", f"the replica of {was.name}"
            self._same(was.replica, now.replica, "host", pointer=pointer, what=what)
            if self._use.run or was.name not in self._use.renamed:
                what += " (if its host calls it so by now, use `causeway replica register`)"
                self._same(was.replica, now.replica, "vm_id", pointer=pointer, what=what)

    def _check_plans(self) -> None:
        """The one that is followed. While a run is under way it means what it meant when that began."""
        plans = self._was.failover_plans
        if not self._use.open or not plans:
            return
        named = self._use.plan or modes.plan(self._use.mode)
        first = [plan.id for plan in self._now.failover_plans[:1]]
        if self._use.run and not named and first != [plans[0].id]:
            self._refuse("/failover_plans", f"{plans[0].id} would not be the first failover plan any more")
            return
        name = self._followed
        was, there = book.placed(plans, name), book.placed(self._now.failover_plans, name)
        if was is None:
            return
        if there is None:
            self._refuse("/failover_plans", f"failover plan {name}, which is followed, would go")
            return
        where = f"{self._pointer}/failover_plans/{there[0]}"
        what = f"failover plan {name}, which is followed (`causeway rule publish` has others count),"
        self._same(was[1], there[1], *self._kept_of_plan(), pointer=where, what=what)

    def _kept_of_vm(self, was: ProtectedVm) -> Iterator[str]:
        """A settled one may be renumbered: nobody in production is answered in its name any more."""
        yield "network"
        if was.name not in self._use.settled:
            yield "addresses"
        if self._use.run:
            yield "macs"

    def _kept_of_plan(self) -> Iterator[str]:
        """What was published by a run is not the plan's any more."""
        if self._use.run:
            yield from FailoverPlan.__struct_fields__
        else:
            yield "routed"
            if not self._use.published:
                yield "rules"


def _is_on(vm: ProtectedVm, host: Name) -> bool:
    return vm.replica is not UNSET and vm.replica.host == host


def _mapped(tenant: Tenant) -> Iterator[tuple[str, Name, SubscribedNetwork]]:
    """Each production network's place in its tenant, with the hardware plan that it stands in."""
    for n, subscription in enumerate(tenant.subscriptions):
        for m, entry in enumerate(subscription.networks):
            yield f"/subscriptions/{n}/networks/{m}", subscription.plan, entry
