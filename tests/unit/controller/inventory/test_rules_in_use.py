"""Every field of the inventory while a failover stands: what it rests on stays, all else may change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import get_args, get_type_hints

import msgspec
import pytest
from msgspec import UNSET

from causeway_controller.contract import provider, tenant
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnAppliance, OwnNetwork, Production
from causeway_controller.contract.provider import HostKind, Storage
from causeway_controller.contract.tenant import Adapters, Dhcp, Hooks, Starter, Static
from causeway_controller.inventory import modes
from causeway_controller.inventory.in_use import InUse
from causeway_controller.inventory.modes import Full, Mode
from causeway_controller.inventory.rules import check
from causeway_wire.desired import Extension
from causeway_wire.problem import ProblemType
from tests.changes_in_use import (
    ACME,
    ALLOWED,
    ANOTHER,
    BEFORE,
    BOTH,
    DB1,
    DMZ,
    FULL,
    GATEWAY,
    GIVEN_BEFORE,
    HOOK,
    LAN,
    MAPPED,
    PARTIAL,
    REFUSED,
    REHEARSAL,
    SITE_PLAN,
    STANDING,
    TENANT,
    WEB1,
    Change,
    Entry,
    acme,
    db1,
    each,
    entry,
    mapped,
    site_plan,
    small,
)
from tests.provider_inventory import network, other_tenant, plan, seed_example, with_

APPLIANCE = OwnAppliance(
    host="esx1", network="network-9", address=Static(addresses=(ip_interface("192.168.10.9/24"),))
)
OWN = Production(
    id="prov",
    tenant="acme",
    networks=(
        OwnNetwork(
            id="lan",
            prefixes=(ip_network("192.168.10.0/24"),),
            gateways=(ip_address("192.168.10.1"),),
            appliance=APPLIANCE,
        ),
    ),
)
SITE = seed_example(
    tenants=(), production=(OWN,), gateways=(), gateway_pools=(), hardware_plans=(), vlan_pools=()
)


def in_use(mode: Mode, *, run: str = "") -> tuple[InUse, ...]:
    return (InUse(tenant="acme", host="esx1", mode=mode, run=run),)


def refused(after: Inventory, *uses: InUse, before: Inventory = BEFORE) -> list[str]:
    """Pointers of what is refused because it is in use."""
    problems = check(after, before=before, in_use=uses).problems
    wanted = ProblemType.FAILOVER_IN_PROGRESS.urn
    return [str(each.pointer) for each in problems if each.type == wanted]


def values(one: object, kind: type[Entry], name: str) -> Iterator[object]:
    """What entries of this kind have there, all the way down."""
    if isinstance(one, kind):
        yield getattr(one, name)
    if isinstance(one, msgspec.Struct):
        one = tuple(getattr(one, field) for field in one.__struct_fields__)
    if isinstance(one, tuple):
        for each_of_it in one:
            yield from values(each_of_it, kind, name)


@pytest.mark.parametrize(("kind", "name", "change"), [row[:3] for row in (*REFUSED, *ALLOWED)])
def test_each_change_is_of_the_field_that_it_is_listed_for(
    kind: type[Entry], name: str, change: Change
) -> None:
    assert [*values(change(BEFORE), kind, name)] != [*values(BEFORE, kind, name)]


@pytest.mark.parametrize(("change", "pointer", "standing"), [row[2:] for row in REFUSED])
def test_what_a_failover_rests_on_is_refused_by_its_pointer(
    change: Change, pointer: str, standing: tuple[Mode, ...]
) -> None:
    for mode in STANDING:
        assert (pointer in refused(change(BEFORE), *in_use(mode))) is (mode in standing), mode.name
    assert pointer in refused(change(BEFORE), *in_use(modes.Idle(), run="r-1"))
    assert refused(change(BEFORE)) == []


@pytest.mark.parametrize(("change", "standing"), [row[2:] for row in ALLOWED])
def test_what_no_failover_rests_on_may_change(change: Change, standing: tuple[Mode, ...]) -> None:
    for mode in standing:
        assert refused(change(BEFORE), *in_use(mode)) == [], mode.name


def _kinds(kind: object) -> Iterator[type[Entry]]:
    """Documents of the inventory, all the way down."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        for one in get_type_hints(kind).values():
            yield from _kinds(one)
    for one in get_args(kind):
        yield from _kinds(one)


def test_every_field_of_the_inventory_is_decided() -> None:
    """A new field is refused or allowed by somebody who has thought about it."""
    known = {(kind, name) for kind, name, *_ in (*REFUSED, *ALLOWED)} | GIVEN_BEFORE.keys()
    modules = {provider.__name__, tenant.__name__}
    here = [one for one in _kinds(Inventory) if one.__module__ in modules and one not in {Static, Dhcp}]
    fields = {(kind, name) for kind in here for name in kind.__struct_fields__}
    assert len(here) > 15
    assert fields - known == set()


OWN_REFUSED = [
    (with_(SITE, production=()), "/production"),
    (each("production", id="other")(SITE), "/production"),
    (each("production", tenant="zeta")(SITE), "/production/0/tenant"),
    (each("production", networks=())(SITE), "/production/0/networks"),
]


def own(**members: object) -> Inventory:
    return each("production", networks=(with_(OWN.networks[0], **members),))(SITE)


def own_appliance(**members: object) -> Inventory:
    return own(appliance=with_(APPLIANCE, **members))


OWN_REFUSED += [
    (own(id="lan2"), "/production/0/networks"),
    (own(prefixes=(ip_network("192.168.10.0/25"),)), "/production/0/networks/0/prefixes"),
    (own(gateways=()), "/production/0/networks/0/gateways"),
    (own(appliance=UNSET), "/production/0/networks/0/appliance"),
    (own_appliance(host="esx2"), "/production/0/networks/0/appliance/host"),
    (own_appliance(address=Dhcp()), "/production/0/networks/0/appliance/address"),
    (own_appliance(extension=Extension.BRIDGED), "/production/0/networks/0/appliance/extension"),
    (with_(SITE, hosts=()), "/hosts"),
]
OWN_ALLOWED = [
    own_appliance(network="network-10"),
    own(gateways=(ip_address("192.168.10.1"), ip_address("fd00::1"))),
    each("production", partial_failover_by=(Starter.PROVIDER,))(SITE),
]


def test_every_field_of_production_is_decided() -> None:
    fields = {(kind, name) for kind in _kinds(Production) for name in kind.__struct_fields__}
    ours = {one for one in fields if one[0] in {Production, OwnNetwork, OwnAppliance}}
    tried = [*(after for after, _ in OWN_REFUSED), *OWN_ALLOWED]
    assert {one for one in ours if not any(changes(after, *one) for after in tried)} == set()


def changes(after: Inventory, kind: type[Entry], name: str) -> bool:
    """Whether as many entries have another value there."""
    was, now = ([*values(one, kind, name)] for one in (SITE, after))
    return len(was) == len(now) and was != now


@pytest.mark.parametrize(("after", "pointer"), OWN_REFUSED)
def test_a_network_of_production_keeps_its_appliance(after: Inventory, pointer: str) -> None:
    use = InUse(tenant="acme", host="lan", mode=PARTIAL)
    assert pointer in refused(after, use, before=SITE)
    assert refused(after, before=SITE) == []


@pytest.mark.parametrize("after", OWN_ALLOWED)
def test_what_the_appliance_of_production_does_not_need_now_may_change(after: Inventory) -> None:
    assert refused(after, InUse(tenant="acme", host="lan", mode=PARTIAL), before=SITE) == []


def test_while_a_run_is_under_way_its_plan_means_what_it_meant_when_it_began() -> None:
    (use,) = in_use(modes.Idle(), run="r-1")
    for change in (site_plan(parallel=2), site_plan(hooks=Hooks(before=HOOK)), entry(delay=1.0)):
        assert len(refused(change(BEFORE), use)) == 1
    first = acme(failover_plans=(with_(SITE_PLAN, id="aaa"), SITE_PLAN))
    assert refused(first(BEFORE), use) == [f"{TENANT}/failover_plans"]
    named = InUse(tenant="acme", host="esx1", run="r-1", plan="site")
    assert refused(first(BEFORE), named) == []


def test_while_a_run_is_under_way_no_replica_joins() -> None:
    before = acme(vms=(WEB1, with_(DB1, replica=UNSET)))(BEFORE)
    (run,), (standing,) = in_use(modes.Idle(), run="r-1"), in_use(modes.partial(frozenset({"web1"})))
    assert refused(BEFORE, run, before=before) == [f"{TENANT}/vms/1/replica"]
    assert refused(BEFORE, standing, before=before) == []


def test_a_vm_that_runs_in_production_may_change() -> None:
    after = db1(replica=ANOTHER, addresses=(ip_address("192.168.10.99"),))(BEFORE)
    assert refused(after, *in_use(modes.partial(frozenset({"web1"})))) == []


def test_a_replica_that_was_taken_away_before_that_was_refused_may_be_put_back() -> None:
    before = db1(replica=UNSET)(BEFORE)
    assert refused(BEFORE, *in_use(PARTIAL), before=before) == []


def test_a_replica_that_its_host_calls_otherwise_by_now_may_be_entered_so() -> None:
    """Unless a run is under way, and that of no other VM."""
    renamed = InUse(tenant="acme", host="esx1", mode=PARTIAL, renamed=frozenset({"db1"}))
    assert refused(db1(replica=ANOTHER)(BEFORE), renamed) == []
    running = replace(renamed, run="r-1")
    assert refused(db1(replica=ANOTHER)(BEFORE), running) == [f"{TENANT}/vms/1/replica/vm_id"]
    web1 = acme(vms=(with_(WEB1, replica=ANOTHER), DB1))(BEFORE)
    assert refused(web1, renamed) == [f"{TENANT}/vms/0/replica/vm_id"]
    assert refused(db1(replica=UNSET)(BEFORE), renamed) == [f"{TENANT}/vms/1/replica"]


def test_rules_that_a_run_published_are_not_the_plans_any_more() -> None:
    use = InUse(tenant="acme", host="esx1", mode=FULL, published=True)
    assert refused(site_plan(rules=())(BEFORE), use) == []


def test_a_trunk_carries_one_more_network() -> None:
    trunks = tuple(with_(one, adapters=Adapters.TRUNK) for one in ACME.subscriptions)
    before = acme(subscriptions=trunks)(BEFORE)
    after = each("hardware_plans", networks=plan("small", 3).networks)(before)
    assert refused(after, *in_use(PARTIAL), before=before) == []


def test_a_plan_that_is_entered_twice_is_refused_by_every_rule_that_it_breaks() -> None:
    """The one that counts has an adapter more than the other."""
    (small, *others) = BEFORE.hardware_plans
    more = with_(small, networks=plan("small", 3).networks)
    after = with_(BEFORE, hardware_plans=(more, small, *others))
    problems = check(after, before=BEFORE, in_use=in_use(PARTIAL)).problems
    assert {one.pointer for one in problems} >= {"/hardware_plans/1/id", "/hardware_plans/0/networks/2"}


def test_another_tenant_of_the_same_host_may_come_and_go() -> None:
    more = with_(BEFORE, tenants=(other_tenant(), ACME))
    assert refused(more, *in_use(PARTIAL)) == []
    assert refused(BEFORE, *in_use(PARTIAL), before=more) == []


def test_a_gateway_may_join_and_leave_beside_one_that_stays() -> None:
    gw2 = with_(GATEWAY, id="gw2", public=(ip_interface("198.51.100.4/24"),))
    more = each("gateway_pools", gateways=("gw2", "gw1"))(with_(BEFORE, gateways=(GATEWAY, gw2)))
    assert refused(more, *in_use(PARTIAL)) == []
    assert refused(BEFORE, *in_use(PARTIAL), before=more) == []


def test_a_gateway_that_a_run_is_about_stays() -> None:
    use = InUse(tenant="", host="gw1", run="r-1")
    assert refused(with_(BEFORE, gateways=(), gateway_pools=()), use) == ["/gateways"]
    assert refused(each("gateways", host="esx2")(BEFORE), use) == ["/gateways/0/host"]


def test_a_tenant_whose_controller_is_being_asked_stays() -> None:
    use = InUse(tenant="acme", host="", run="r-1")
    assert refused(with_(BEFORE, tenants=()), use) == ["/tenants"]
    assert refused(db1(replica=ANOTHER)(BEFORE), use) == []


def test_appliances_of_hyperv_are_found_by_where_their_files_are() -> None:
    before = each("hosts", kind=HostKind.HYPERV)(BEFORE)
    moved = each("hosts", folder="Other", storage=Storage(id="D:/x"))(before)
    assert refused(moved, *in_use(FULL), before=before) == ["/hosts/0/storage", "/hosts/0/folder"]


def test_the_network_that_a_dead_site_still_answers_for_stays() -> None:
    use = InUse(tenant="acme", host="esx1", mode=Full(BOTH, behind=frozenset({"dmz"}), plan="site"))
    after = acme(networks=(LAN, with_(DMZ, prefixes=network("dmz", 21).prefixes)))(BEFORE)
    assert refused(after, use) == [f"{TENANT}/networks/1/prefixes"]


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (
            in_use(PARTIAL),
            ("in a partial failover (db1, web1)", "causeway failover ask acme VM... --host esx1 --end"),
        ),
        (in_use(FULL), ("in full failover", "causeway failover undo acme --full --host esx1")),
        (in_use(REHEARSAL), ("in a rehearsal", "causeway rehearsal end acme --host esx1")),
        (in_use(PARTIAL, run="r-1"), ("run r-1 of tenant acme at esx1 is not over", "causeway run stop r-1")),
    ],
)
def test_it_says_what_stands_and_what_to_do(use: tuple[InUse, ...], told: tuple[str, ...]) -> None:
    (found,) = check(db1(replica=ANOTHER)(BEFORE), before=BEFORE, in_use=use).problems
    assert found.detail.startswith("vm_id of the replica of db1 (if its host calls it so by now, ")
    assert all(one in found.detail for one in told)


def test_what_was_made_permanent_is_given_back_for_an_undo_of_it_is_refused() -> None:
    (use,) = in_use(Full(BOTH, permanent=frozenset({"db1"})))
    assert use.remedy == "end it first with `causeway failover failback acme --host esx1`"


def test_a_partial_failover_is_ended_where_it_is_led() -> None:
    """The provider's controller refuses to end one that a tenant's leads, so it advises to ask that one."""
    use = InUse(tenant="acme", host="lan", mode=PARTIAL)
    (found,) = check(own(gateways=()), before=SITE, in_use=(use,)).problems
    assert "causeway failover undo acme VM... --host lan" in found.detail
    assert "failover ask" not in found.detail


@pytest.mark.parametrize("run", ["", "r-1"])
def test_an_appliance_that_bridges_stays_on_its_host_until_its_failover_is_over(run: str) -> None:
    """Its machine would be left behind as a second bridge of the same two segments."""
    bridging = own_appliance(extension=Extension.BRIDGED)
    moved = own_appliance(extension=Extension.BRIDGED, host="esx2")
    use = InUse(tenant="acme", host="lan", mode=PARTIAL, run=run)
    (found,) = (
        one
        for one in check(moved, before=bridging, in_use=(use,)).problems
        if one.type == ProblemType.FAILOVER_IN_PROGRESS.urn
    )
    assert str(found.pointer) == "/production/0/networks/0/appliance/host"
    assert ("run stop r-1" if run else "failover undo acme VM... --host lan") in found.detail
    assert refused(moved, before=bridging) == []


def test_a_bridged_network_stays_on_its_host_at_the_provider_until_its_failover_is_over() -> None:
    elsewhere = plan("small2", 2, on="esx2")
    hosts = (*BEFORE.hosts, with_(BEFORE.hosts[0], id="esx2"))
    before = with_(
        mapped(extension=Extension.BRIDGED)(BEFORE),
        hosts=hosts,
        hardware_plans=(*BEFORE.hardware_plans, elsewhere),
    )
    after = small(plan="small2", networks=(with_(MAPPED, extension=Extension.BRIDGED),))(before)
    assert f"{TENANT}/subscriptions" in refused(after, *in_use(PARTIAL), before=before)
    assert refused(after, before=before) == []
