"""A public rule is refused when it is entered, on an ordinary day; what was accepted stops no failover.

Controller and agent judge rules each by what it knows. Whatever the controller accepts, the agent must accept
in the night of the failover.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from causeway_agent.plan.filter import public_checks
from causeway_agent.plan.filter.public_rules import Table
from causeway_controller.failover import checks, documents, publications, tunnel_ends
from causeway_controller.inventory import modes, tenancy
from causeway_wire.desired import Desired
from causeway_wire.problem import ProblemError
from causeway_wire.problem import ProblemType as P
from causeway_wire.public_rules import Protocol, PublicRule, PublicRules
from tests import sites

SITE = sites.site()
TENANT = replace(
    SITE.tenants["acme"], public_addresses=tuple(map(ip_address, ("198.51.100.10", "2001:db8:f::10")))
)
VM = TENANT.vms["vm-0-0"]
FOUR, SIX = VM.addresses[0], VM.addresses[1]
NETWORK = TENANT.networks[VM.network]
LISTENING = tunnel_ends.server_address(TENANT)
GOOD = PublicRule(
    id="web",
    public_address=TENANT.public_addresses[0],
    public_port=443,
    internal_address=FOUR,
    internal_port=443,
)


def problems(*rules: PublicRule, tenant: tenancy.Tenant = TENANT) -> list[tuple[str, str]]:
    """Types and pointers of what the controller objects to."""
    try:
        publications.check(tenant, rules)
    except ProblemError as error:
        found = error.problem
        each = found.errors if isinstance(found.errors, tuple) else (found,)
        return [(one.type, str(one.pointer)) for one in each]
    return []


def full_document() -> Desired:
    """What the appliance is in the night of the failover."""
    site = tenancy.with_mode(
        replace(SITE, tenants={"acme": TENANT}), "acme", modes.Full(frozenset(TENANT.vms))
    )
    return documents.document(site, TENANT.provider.id, generation=1, epoch=1)


GROUND = public_checks.ground(full_document())


def test_a_rule_that_can_be_meant_is_accepted() -> None:
    assert problems(GOOD, structs.replace(GOOD, id="range", public_port=8000, public_port_end=8010)) == []


@pytest.mark.parametrize(
    ("change", "kind", "member"),
    [
        ({"public_port": 0}, P.INVALID, "public_port"),
        ({"public_port": 70000}, P.INVALID, "public_port"),
        ({"internal_port": 0}, P.INVALID, "internal_port"),
        ({"internal_port": 65536}, P.INVALID, "internal_port"),
        ({"public_port": 22}, P.RESERVED_PORT, "public_port"),
        ({"public_port": 20, "public_port_end": 30}, P.RESERVED_PORT, "public_port"),
        ({"public_port_end": 442}, P.INVALID, "public_port_end"),
        ({"public_port_end": 500, "internal_port": 65500}, P.INVALID, "internal_port"),
        ({"public_address": ip_address("198.51.100.77")}, P.OUTSIDE_ALLOCATION, "public_address"),
        ({"public_address": TENANT.public_addresses[1]}, P.INVALID, "internal_address"),
        ({"internal_address": ip_address("203.0.113.9")}, P.OUTSIDE_NETWORK, "internal_address"),
        ({"internal_address": NETWORK.gateways[0]}, P.DUPLICATE, "internal_address"),
        ({"internal_address": NETWORK.prefixes[0].broadcast_address}, P.DUPLICATE, "internal_address"),
        (
            {"internal_address": TENANT.server.vlans[NETWORK.id].addresses[0].ip},
            P.DUPLICATE,
            "internal_address",
        ),
        ({"vm": "nobody"}, P.UNKNOWN_REFERENCE, "vm"),
        ({"vm": "vm-0-1"}, P.UNKNOWN_REFERENCE, "internal_address"),
        ({"sources": (ip_network("2001:db8::/32"),)}, P.INVALID, "sources/0"),
        ({"description": "a\nb"}, P.INVALID, "description"),
        ({"id": "../x"}, P.INVALID, "id"),
    ],
)
def test_a_rule_that_could_not_be_put_is_refused_by_name_and_member(
    change: dict[str, object], kind: P, member: str
) -> None:
    rule = structs.replace(GOOD, **change)
    assert (kind.urn, f"/rules/{rule.id}/{member}") in problems(rule)


def test_rules_that_take_each_others_ports_or_names_are_refused() -> None:
    other = structs.replace(GOOD, id="other", public_port=440, public_port_end=450)
    assert problems(GOOD, other) == [(P.DUPLICATE.urn, "/rules/other/public_port")]
    assert problems(GOOD, structs.replace(other, protocol=Protocol.UDP)) == []
    assert (P.DUPLICATE.urn, "/rules/web/id") in problems(GOOD, structs.replace(GOOD, public_port=80))


def test_more_targets_than_an_appliance_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    six = structs.replace(
        GOOD, id="six", public_address=TENANT.public_addresses[1], internal_address=SIX, internal_port=1
    )
    monkeypatch.setattr(publications, "TARGETS", 1)
    assert problems(GOOD, structs.replace(GOOD, id="more", public_port=444)) == []
    assert problems(GOOD, six) == [(P.INVALID.urn, "/rules/six/internal_address")]


def test_more_ports_than_an_appliance_holds_are_refused() -> None:
    everything = [
        structs.replace(
            GOOD,
            id=f"all-{protocol}-{n}-{address.version}",
            public_port=first,
            public_port_end=last,
            protocol=protocol,
            internal_port=first,
            public_address=address,
            internal_address=internal,
        )
        for protocol in Protocol
        for address, internal in zip(TENANT.public_addresses, (FOUR, SIX), strict=True)
        for n, (first, last) in enumerate(((23, 1000), (1300, 8000), (9000, 65535)))
    ]
    assert [kind for kind, _ in problems(*everything)] == [P.INVALID.urn]


@pytest.mark.parametrize("port", [network.port for network in TENANT.networks.values()])
def test_the_ports_of_tunnels_are_kept_free_while_no_tunnel_runs(port: int) -> None:
    shared = replace(TENANT, public_addresses=(LISTENING,))
    rule = structs.replace(GOOD, public_address=LISTENING, public_port=port)
    assert (P.RESERVED_PORT.urn, "/rules/web/public_port") in problems(rule, tenant=shared)


def test_a_failover_asks_again_and_names_the_rule() -> None:
    tenant = replace(TENANT, publications=(structs.replace(GOOD, public_port=22),))
    site = replace(SITE, tenants={"acme": tenant})
    with pytest.raises(ProblemError) as refused:
        checks.full_beginnable(site, "acme", frozenset(tenant.vms), escalate=False)
    assert refused.value.problem.pointer == "/rules/web/public_port"


_ADDRESSES = st.sampled_from(
    [
        *TENANT.public_addresses,
        LISTENING,
        FOUR,
        SIX,
        *NETWORK.gateways,
        ip_address("198.51.100.77"),
        NETWORK.prefixes[0].network_address,
        TENANT.server.vlans[NETWORK.id].addresses[0].ip,
    ]
)
_PORTS = st.one_of(st.sampled_from([0, 1, 22, 443, 1195, 8443, 65535, 65536]), st.integers(1, 65535))
_RULES = st.builds(
    PublicRule,
    id=st.sampled_from(["a", "b", "c"]),
    public_address=_ADDRESSES,
    public_port=_PORTS,
    internal_address=_ADDRESSES,
    internal_port=_PORTS,
    protocol=st.sampled_from(Protocol),
    public_port_end=st.one_of(st.none(), _PORTS),
    sources=st.sampled_from([(), (ip_network("192.0.2.0/24"),), (ip_network("2001:db8::/32"),)]),
)


@given(st.lists(_RULES, max_size=3))
def test_what_the_controller_accepts_the_agent_accepts(rules: list[PublicRule]) -> None:
    if not problems(*rules):
        Table().whole(PublicRules(revision=1, epoch=1, rules=tuple(rules)), GROUND)
