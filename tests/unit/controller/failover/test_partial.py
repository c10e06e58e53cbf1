"""Partial failover as steps: the order that spares replicas a false duplicate, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given

from causeway_controller.failover import documents, partial
from causeway_controller.failover.steps import (
    Apply,
    Confirm,
    MachineKind,
    MachineRef,
    Power,
    Step,
    VerifyTunnel,
)
from causeway_controller.inventory.tenancy import Site, Tenant, with_mode
from causeway_wire.desired import Desired
from causeway_wire.problem import Problem, ProblemError, ProblemType
from tests import arbitrary_sites, sites
from tests.sites import with_failed_over

SITE = sites.site()
Drawn = tuple[Site, frozenset[str], frozenset[str]]


def ones(*vms: str) -> frozenset[str]:
    return frozenset(vms)


def problems(site: Site, *vms: str) -> list[tuple[str, object]]:
    with pytest.raises(ProblemError) as caught:
        partial.begin(site, "acme", vms)
    return flat(caught.value.problem)


def flat(one: Problem) -> list[tuple[str, object]]:
    several = one.errors if isinstance(one.errors, tuple) else (one,)
    return [(each.type.removeprefix("urn:causeway:problem:"), each.pointer) for each in several]


def tenant_with(**changes: object) -> Site:
    tenant: Tenant = replace(SITE.tenants["acme"], **changes)  # type: ignore[arg-type]
    return replace(SITE, tenants={"acme": tenant})


def stage(steps: Sequence[Step], wanted: type, **fields: object) -> int:
    """The stage of the one step with this action."""
    found = [
        step.stage
        for step in steps
        if isinstance(step.action, wanted)
        and all(getattr(step.action, name) == value for name, value in fields.items())
    ]
    assert len(found) == 1, found
    return found[0]


def carried_out(site: Site, steps: Sequence[Step]) -> dict[str, Desired]:
    """Documents of all appliances of the tenant after the steps, as the executor would send them."""
    tenant = site.tenants["acme"]
    ids = [tenant.provider.id, *(appliance.id for appliance in tenant.appliances.values())]
    made = {one: documents.document(site, one, generation=1, epoch=1) for one in ids}
    for step in sorted(steps, key=lambda step: step.stage):
        if isinstance(step.action, Apply):
            state = with_mode(site, step.action.tenant, step.action.mode)
            made[step.action.appliance] = documents.document(
                state, step.action.appliance, generation=1, epoch=1
            )
    return made


REPLICA = MachineRef(kind=MachineKind.REPLICA, tenant="acme", name="vm-0-0")
PROVIDER = MachineRef(kind=MachineKind.PROVIDER_APPLIANCE, tenant="acme", name="acme-provider")


def test_a_replica_is_powered_on_after_its_address_is_routed_to_it() -> None:
    steps = partial.begin(SITE, "acme", ["vm-0-0"])
    routed = stage(steps, Apply, appliance="acme-provider")
    assert routed < stage(steps, Power, machine=REPLICA)


def test_the_server_listens_before_the_client_starts() -> None:
    steps = partial.begin(SITE, "acme", ["vm-0-0"])
    assert stage(steps, Apply, appliance="acme-provider") < stage(steps, Apply, appliance="acme-tenant-0")


def test_no_end_is_confirmed_before_the_tunnel_is_verified_from_both() -> None:
    steps = partial.begin(SITE, "acme", ["vm-0-0"])
    applied = [step.action for step in steps if isinstance(step.action, Apply)]
    assert all(action.confirmed for action in applied)
    for action in applied:
        confirmed = stage(steps, Confirm, appliance=action.appliance)
        assert stage(steps, VerifyTunnel) < confirmed
    served, *others = [step for step in steps if isinstance(step.action, Confirm)]
    assert served.action == Confirm(appliance="acme-provider")
    assert all(served.stage < step.stage for step in others)


def test_an_appliance_is_on_before_it_is_configured() -> None:
    steps = partial.begin(SITE, "acme", ["vm-0-0"])
    assert stage(steps, Power, machine=PROVIDER) < stage(steps, Apply, appliance="acme-provider")


def test_appliances_without_a_part_are_left_alone() -> None:
    steps = partial.begin(SITE, "acme", ["vm-0-0"])
    assert not any("acme-tenant-1" in str(step.action) for step in steps)


def test_every_step_carries_the_seeds_number() -> None:
    steps = partial.begin(SITE, "acme", ["vm-0-0", "vm-1-1"])
    assert {step.seed for step in steps if not isinstance(step.action, Confirm)} == {1, 2, 3, 4}
    numbers = {type(step.action): step.seed for step in steps if isinstance(step.action, VerifyTunnel)}
    assert numbers == {VerifyTunnel: 4}


@given(arbitrary_sites.sites_with_vms())
def test_stages_never_go_back(drawn: Drawn) -> None:
    site, first, _ = drawn
    for steps in (
        partial.begin(site, "acme", first),
        partial.undo(with_failed_over(site, "acme", first), "acme", first, stop_appliances=True),
    ):
        stages = [step.stage for step in steps]
        assert stages == sorted(stages)


@given(arbitrary_sites.sites_with_vms())
def test_every_change_of_a_first_failover_names_its_compensation(drawn: Drawn) -> None:
    site, first, _ = drawn
    for step in partial.begin(site, "acme", first):
        assert (step.compensation is None) == isinstance(step.action, VerifyTunnel | Confirm)


@given(arbitrary_sites.sites_with_vms())
def test_beginning_and_undoing_returns_to_the_documents_before(drawn: Drawn) -> None:
    site, first, second = drawn
    idle = carried_out(site, ())
    begun = with_failed_over(site, "acme", first)
    assert carried_out(site, partial.begin(site, "acme", first)) == carried_out(begun, ())
    assert carried_out(begun, partial.undo(begun, "acme", first)) == idle
    if second:
        both = with_failed_over(site, "acme", first | second)
        assert carried_out(begun, partial.begin(begun, "acme", second)) == carried_out(both, ())
        assert carried_out(both, partial.undo(both, "acme", second)) == carried_out(begun, ())


@given(arbitrary_sites.sites_with_vms())
def test_compensating_every_step_returns_to_the_documents_before(drawn: Drawn) -> None:
    site, first, second = drawn
    begun = with_failed_over(site, "acme", first)
    for start, chosen in ((site, first), (begun, second)):
        if chosen:
            steps = partial.begin(start, "acme", chosen)
            back = [
                replace(step, action=step.compensation, stage=-step.stage)
                for step in reversed(steps)
                if step.compensation is not None
            ]
            assert carried_out(start, back) == carried_out(start, ())


def test_a_vm_added_later_never_powers_off_what_others_use() -> None:
    running = with_failed_over(SITE, "acme", ones("vm-0-0"))
    steps = partial.begin(running, "acme", ["vm-0-1"])
    compensated = {str(step.compensation) for step in steps if isinstance(step.compensation, Power)}
    assert compensated == {"power off acme/vm-0-1"}


def test_undoing_one_of_two_vms_keeps_the_other_and_its_appliances() -> None:
    running = with_failed_over(SITE, "acme", ones("vm-0-0", "vm-0-1"))
    steps = partial.undo(running, "acme", ["vm-0-0"], stop_appliances=True)
    off = [step.action.machine for step in steps if isinstance(step.action, Power) and not step.action.on]
    assert off == [REPLICA]
    applied = {step.action.mode.vms for step in steps if isinstance(step.action, Apply)}
    assert applied == {ones("vm-0-1")}


def test_appliances_stay_on_unless_asked() -> None:
    running = with_failed_over(SITE, "acme", ones("vm-0-0"))
    kept = partial.undo(running, "acme", ["vm-0-0"])
    stopped = partial.undo(running, "acme", ["vm-0-0"], stop_appliances=True)
    on = ["power on acme-provider", "power on acme-tenant-0"]
    off = ["power off acme/vm-0-0", "power off acme-tenant-0", "power off acme-provider"]
    assert [str(step.action) for step in kept if isinstance(step.action, Power)] == [*on, off[0]]
    assert [str(step.action) for step in stopped if isinstance(step.action, Power)] == [*on, *off]


def test_an_undo_powers_on_whom_it_tells_something_and_takes_nothing_back() -> None:
    running = with_failed_over(SITE, "acme", ones("vm-0-0", "vm-1-0"))
    steps = partial.undo(running, "acme", ["vm-0-0", "vm-1-0"])
    told = {step.action.appliance: step for step in steps if isinstance(step.action, Apply)}
    up = {step.action.machine.name: step for step in steps if isinstance(step.action, Power)}
    assert all(up[name].stage <= step.stage for name, step in told.items())
    assert all(step.compensation is None for step in steps)
    needs = {name: step.needs for name, step in told.items()}
    assert needs == {
        "acme-tenant-0": (up["acme-tenant-0"].sentence,),
        "acme-tenant-1": (up["acme-tenant-1"].sentence,),
        "acme-provider": (),
    }


def test_addresses_are_given_up_before_their_routes_go() -> None:
    running = with_failed_over(SITE, "acme", ones("vm-0-0"))
    steps = partial.undo(running, "acme", ["vm-0-0"])
    assert stage(steps, Apply, appliance="acme-tenant-0") < stage(steps, Apply, appliance="acme-provider")


def test_every_unknown_vm_is_named() -> None:
    assert problems(SITE, "x", "vm-0-0", "y") == [
        (ProblemType.UNKNOWN_REFERENCE.urn[21:], "/vms/x"),
        (ProblemType.UNKNOWN_REFERENCE.urn[21:], "/vms/y"),
    ]


def test_a_vm_failed_over_already_is_refused() -> None:
    running = with_failed_over(SITE, "acme", ones("vm-0-0"))
    assert problems(running, "vm-0-0") == [("duplicate", "/vms/vm-0-0")]


def test_a_network_without_a_tenant_appliance_is_refused() -> None:
    site = tenant_with(appliances={})
    assert problems(site, "vm-0-0") == [("unknown-reference", "/vms/vm-0-0")]


def test_a_network_without_a_vlan_is_refused() -> None:
    provider = replace(SITE.tenants["acme"].server, vlans={})
    assert problems(tenant_with(provider=provider), "vm-1-0") == [("unknown-reference", "/vms/vm-1-0")]


def test_a_tunnel_without_certificates_is_refused() -> None:
    bare = replace(SITE.credentials["acme"], tunnels={})
    assert problems(replace(SITE, credentials={"acme": bare}), "vm-0-0") == [
        ("unknown-reference", "/vms/vm-0-0")
    ]
    assert problems(replace(SITE, credentials={}), "vm-0-0") == [("unknown-reference", "/vms/vm-0-0")]
    with pytest.raises(ProblemError, match="`causeway appliance deploy` makes it"):
        partial.begin(replace(SITE, credentials={}), "acme", ("vm-0-0",))


def test_a_site_without_gateways_is_refused() -> None:
    assert problems(replace(SITE, gateways=()), "vm-0-0") == [("unknown-reference", "/vms/vm-0-0")]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.9.9.9", "outside-network"),
        ("192.168.0.21", "duplicate"),
        ("192.168.0.1", "duplicate"),
        ("192.168.0.250", "duplicate"),
        ("192.168.0.251", "duplicate"),
    ],
    ids=["elsewhere", "another vm's", "gateway's", "provider appliance's", "tenant appliance's"],
)
def test_an_address_that_cannot_be_the_vms_is_refused(address: str, expected: str) -> None:
    vms = dict(SITE.tenants["acme"].vms)
    vms["vm-0-0"] = replace(vms["vm-0-0"], addresses=(ip_address(address),))
    running = with_failed_over(tenant_with(vms=vms), "acme", ones("vm-0-1"))
    found = problems(running, "vm-0-0")
    assert [kind for kind, _ in found] == [expected]


def test_a_vm_without_an_address_is_refused() -> None:
    vms = dict(SITE.tenants["acme"].vms)
    vms["vm-0-0"] = replace(vms["vm-0-0"], addresses=())
    assert problems(tenant_with(vms=vms), "vm-0-0") == [("invalid", "/vms/vm-0-0")]


def test_nothing_to_do_is_refused() -> None:
    assert [kind for kind, _ in problems(SITE)] == ["invalid"]


def test_an_unknown_tenant_is_refused() -> None:
    with pytest.raises(ProblemError, match="no tenant stranger"):
        partial.begin(SITE, "stranger", ["vm-0-0"])


def test_undoing_what_is_not_failed_over_is_refused() -> None:
    with pytest.raises(ProblemError, match="VM vm-0-0: it is not failed over, nor is any other"):
        partial.undo(SITE, "acme", ["vm-0-0"])
