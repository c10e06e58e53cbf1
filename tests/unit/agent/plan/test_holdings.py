"""What is held, how often it is said, and what is given back."""

from __future__ import annotations

import itertools
from ipaddress import ip_address

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.objects import Claim
from causeway_agent.plan.steer import holdings
from causeway_agent.plan.steer.holdings import Holding
from causeway_wire.desired import Desired, Partial
from tests import documents

PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20"),))


def held(document: Desired) -> dict[str, Holding]:
    target = compile_document(document, documents.FACTS)
    return {str(each.claim.address): each for each in holdings.holdings(target)}


def test_an_address_is_announced_at_1_5_and_30_seconds_and_then_rarely() -> None:
    gaps = (holdings.gap(number, 0) for number in range(1, 8))
    assert list(itertools.accumulate(gaps)) == [0.05, 1.0, 5.0, 30.0, 330.0, 630.0, 930.0]
    assert holdings.gap(9, -1) == 240
    assert holdings.gap(9, 1) == 360


@pytest.mark.parametrize(("addresses", "pace"), [(0, 0), (1, 0.2), (100, 20), (1000, 20)])
def test_others_are_asked_for_every_address_in_turn(addresses: int, pace: float) -> None:
    assert holdings.asks_per_second(addresses) == pace


def test_a_tenant_holds_the_failed_over_addresses_and_defends_what_the_kernel_does_not() -> None:
    found = held(documents.tenant(PARTIAL))
    assert found["192.168.0.20"] == Holding(
        Claim("eth1", ip_address("192.168.0.20")), announced=True, asked=True, defended=True
    )
    assert (found["2001:db8::20"].announced, found["2001:db8::20"].defended) == (True, False)
    assert not found["192.168.0.6"].asked


def test_full_failover_holds_gateways_and_public_addresses() -> None:
    found = held(documents.provider(documents.full("net-0")))
    said = {address for address, each in found.items() if each.announced}
    assert said == {"192.168.0.1", "2001:db8::1", *documents.PUBLIC}
    assert {"10.9.0.2", "192.168.0.5"} <= found.keys()


def test_a_bridged_replicas_address_is_only_watched() -> None:
    found = held(documents.bridged(documents.tenant(PARTIAL)))["192.168.0.20"]
    assert (found.asked, found.announced, found.defended) == (True, False, False)


def test_what_is_given_back_is_out_of_the_target_and_still_asked_for() -> None:
    whole = compile_document(documents.tenant(PARTIAL), documents.FACTS)
    claim = Claim("eth1", ip_address("192.168.0.20"))
    less = holdings.without(whole, {claim: "02:00:00:00:00:99"})
    assert {each.address for each in less.proxies} == {ip_address("2001:db8::20")}
    found = {each.claim: each for each in holdings.holdings(less)}[claim]
    assert (found.asked, found.announced) == (True, False)
    assert holdings.without(whole, {}) == whole
