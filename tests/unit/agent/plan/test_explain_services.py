"""The table of public rules, asked about one port and one address."""

from __future__ import annotations

from ipaddress import ip_address

from causeway_agent.plan.explain.services import services
from causeway_agent.plan.filter.public_rules import Table
from causeway_wire.public_rules import Protocol, PublicRule, PublicRules
from tests import documents

PUBLIC, TEST = ip_address(documents.PUBLIC[0]), ip_address(documents.TEST[0])
INTERNAL = ip_address("192.168.0.20")
RULE = PublicRule(
    id="range",
    public_address=PUBLIC,
    public_port=5000,
    public_port_end=5009,
    internal_address=INTERNAL,
    internal_port=1,
)


def table() -> Table:
    found, _ = Table().whole(PublicRules(revision=1, epoch=1, rules=(RULE,)), None)
    return found


def test_a_port_of_a_range_is_its_rules_and_another_protocols_is_not() -> None:
    asked = services(table(), documents.provider())
    assert asked.rule(PUBLIC, Protocol.TCP, 5009) == RULE
    assert asked.rule(PUBLIC, Protocol.TCP, 5010) is None
    assert asked.rule(PUBLIC, Protocol.UDP, 5009) is None


def test_a_published_machine_leaves_with_an_address_of_the_allocation() -> None:
    asked = services(table(), documents.provider())
    assert asked.leaves_with(INTERNAL) == PUBLIC
    assert asked.leaves_with(ip_address("192.168.0.33")) is None
    assert services(table(), documents.tenant()).leaves_with(INTERNAL) is None


def test_the_allocation_is_public_and_test_addresses() -> None:
    assert {PUBLIC, TEST} <= services(table(), documents.provider()).allocation
    assert services(table(), None).allocation == frozenset()
