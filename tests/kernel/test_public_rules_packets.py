"""Public rules with real packets: what a change of the table does to flows, and what it leaves alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from causeway_agent.backends.filter.publications import NftPublications
from causeway_agent.plan.filter import ruleset
from causeway_agent.plan.model.policy import Policy
from causeway_wire.desired import Full, FullNetwork
from causeway_wire.problem import ProblemType
from causeway_wire.public_rules import Protocol
from tests.full_site import (
    INTERNET4,
    INTERNET6,
    PUBLIC4,
    PUBLIC6,
    VM4,
    VM6,
    apply,
    asks,
    connected,
    document,
    hears,
    standing,
)
from tests.rule_appliance import Appliance
from tests.rule_appliance import standing as keeping
from tests.rules import NEIGHBOUR4, held, rule
from tests.wired import UPLINK, VLAN, addresses

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

ELSEWHERE4 = "192.0.2.99"
"""Another host of the internet."""
FULL = document(Full(networks=(FullNetwork(network="net-0", internet=True), FullNetwork(network="net-1"))))


@pytest.fixture(scope="module")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """In full failover, with a rule that every test may rely on."""
    with standing():
        addresses(UPLINK, "lo", f"{ELSEWHERE4}/32")
        apply(FULL)
        with keeping(FULL, tmp_path_factory.mktemp("rules")) as made:
            assert "revision" in made.change(rule("steady", 9000, to=80))
            yield made


def changed(report: dict[str, Any]) -> int:
    """How many flows a change ended; it must have succeeded."""
    assert "cut_flows" in report, report
    return int(report["cut_flows"])


def test_a_rule_publishes_and_its_counter_counts_both_directions(appliance: Appliance) -> None:
    changed(
        appliance.change(rule("web", 8080, to=80), rule("six", 8080, to=80, public=PUBLIC6, internal=VM6))
    )
    assert asks(UPLINK, INTERNET4, PUBLIC4, 8080) == INTERNET4
    assert asks(UPLINK, INTERNET6, PUBLIC6, 8080) == INTERNET6
    before = appliance.counts("web", "six")
    assert min(before.values()) >= 6, "at least SYN, SYN ACK, ACK, request, answer, FIN"
    assert asks(UPLINK, INTERNET4, PUBLIC4, 8080) == INTERNET4
    after = appliance.counts("web", "six")
    assert after["web"] > before["web"]
    assert after["six"] == before["six"]
    appliance.change(remove=("web", "six"))


def test_a_vm_leaves_with_the_address_that_publishes_it(appliance: Appliance) -> None:
    assert asks(VLAN, VM4, INTERNET4, 80) == PUBLIC4
    assert asks(VLAN, NEIGHBOUR4, INTERNET4, 80) == "10.9.0.2"


def test_a_deleted_rule_ends_its_flow_while_another_goes_on(appliance: Appliance) -> None:
    changed(appliance.change(rule("web", 8081, to=80)))
    with (
        connected(UPLINK, INTERNET4, PUBLIC4, 8081) as doomed,
        connected(UPLINK, INTERNET4, PUBLIC4, 9000) as spared,
    ):
        assert (hears(doomed), hears(spared)) == (INTERNET4, INTERNET4)
        assert changed(appliance.change(remove=("web",))) == 1
        assert hears(doomed) == "nothing"
        assert hears(spared) == INTERNET4
        assert asks(UPLINK, INTERNET4, PUBLIC4, 8081) == "nothing"


def test_other_sources_are_cut_when_a_rule_is_narrowed(appliance: Appliance) -> None:
    changed(appliance.change(rule("web", 8082, to=80)))
    narrow = rule("web", 8082, to=80, sources=(f"{INTERNET4}/32", "192.0.2.0/28"))
    with (
        connected(UPLINK, INTERNET4, PUBLIC4, 8082) as stays,
        connected(UPLINK, ELSEWHERE4, PUBLIC4, 8082) as goes,
    ):
        assert (hears(stays), hears(goes)) == (INTERNET4, ELSEWHERE4)
        assert changed(appliance.change(narrow)) == 1
        assert (hears(stays), hears(goes)) == (INTERNET4, "nothing")
    assert asks(UPLINK, INTERNET4, PUBLIC4, 8082) == INTERNET4
    assert asks(UPLINK, ELSEWHERE4, PUBLIC4, 8082) == "nothing"
    assert appliance.counts("web")["web"] > 0
    changed(appliance.change(rule("web", 8082, to=80)))
    assert asks(UPLINK, ELSEWHERE4, PUBLIC4, 8082) == ELSEWHERE4
    appliance.change(remove=("web",))


def test_flows_to_a_replaced_target_end(appliance: Appliance) -> None:
    changed(appliance.change(rule("web", 8083, to=80)))
    with connected(UPLINK, INTERNET4, PUBLIC4, 8083) as moved:
        assert hears(moved) == INTERNET4
        assert changed(appliance.change(rule("web", 8083, internal=NEIGHBOUR4, to=81))) == 1
        assert hears(moved) == "nothing"
    assert asks(UPLINK, INTERNET4, PUBLIC4, 8083) == "nothing"
    appliance.change(remove=("web",))


def test_many_rules_at_once_end_their_flows_in_one_walk(appliance: Appliance) -> None:
    ports = range(8100, 8110)
    changed(appliance.change(*(rule(f"r{port}", port, to=80) for port in ports)))
    with (
        connected(UPLINK, INTERNET4, PUBLIC4, 8100) as first,
        connected(UPLINK, INTERNET4, PUBLIC4, 8109) as last,
    ):
        assert (hears(first), hears(last)) == (INTERNET4, INTERNET4)
        assert changed(appliance.change(remove=tuple(f"r{port}" for port in ports))) == 2
        assert (hears(first), hears(last)) == ("nothing", "nothing")


def test_a_range_leads_to_a_range(appliance: Appliance) -> None:
    changed(
        appliance.change(
            rule("band", 8021, last=8079, to=22),
            rule("talk", 5300, last=5310, to=50, protocol=Protocol.UDP),
        )
    )
    for port, answer in ((8021, INTERNET4), (8079, INTERNET4), (8080, "nothing"), (8022, "nothing")):
        assert asks(UPLINK, INTERNET4, PUBLIC4, port) == answer
    assert asks(UPLINK, INTERNET4, PUBLIC4, 5303, kind="udp") == INTERNET4
    assert appliance.counts("band")["band"] > 12
    assert changed(appliance.change(remove=("band", "talk"))) >= 1


def test_port_22_is_refused_and_2222_leads_to_it(appliance: Appliance) -> None:
    found = appliance.change(rule("ssh", 22))
    assert (found["type"], found["pointer"]) == (ProblemType.RESERVED_PORT.urn, "/put/0/public_port")
    changed(appliance.change(rule("ssh", 2222, to=22)))
    assert asks(UPLINK, INTERNET4, PUBLIC4, 2222) == INTERNET4
    appliance.change(remove=("ssh",))


def test_the_keepers_restart_touches_nothing(appliance: Appliance) -> None:
    with connected(UPLINK, INTERNET4, PUBLIC4, 9000) as flow:
        assert hears(flow) == INTERNET4
        counted = appliance.counts("steady")["steady"]
        appliance.restart()
        assert appliance.counts("steady")["steady"] == counted > 0
        changed(appliance.change(rule("more", 9001, to=80)))
        assert hears(flow) == INTERNET4
        assert appliance.counts("steady")["steady"] > counted
        assert changed(appliance.change(remove=("more",))) == 0


@pytest.fixture
def table() -> Iterator[None]:
    """Our table in the sandbox's own namespace."""
    subprocess.run(("nft", "-f", "-"), input=ruleset.render(Policy()), text=True, check=True)
    yield
    subprocess.run(("nft", "flush", "ruleset"), check=True)


async def test_nft_lists_what_was_put(table: None) -> None:
    rules = (
        rule("web", 443, to=8443),
        rule("band", 7000, last=7001, protocol=Protocol.UDP, sources=("203.0.113.0/24", "192.0.2.7/32")),
        rule("six", 443, public=PUBLIC6, internal=VM6, sources=("2001:db8:77::/48",)),
    )
    async with NftPublications.open() as publications:
        allocation = frozenset(each.public_address.packed for each in rules)
        await publications.apply({}, held(*rules).elements(allocation))
    assert listed("map", "public4") == [[{"concat": [PUBLIC4, "tcp", 443]}, {"concat": [VM4, 8443]}]]
    assert listed("set", "published4") == [{"concat": [PUBLIC4, "tcp", 443]}]
    sources = ("192.0.2.7", {"prefix": {"addr": "203.0.113.0", "len": 24}})
    wanted = [{"concat": [PUBLIC4, "udp", {"range": [7000, 7001]}, source]} for source in sources]
    assert sorted(listed("set", "published_from4"), key=str) == sorted(wanted, key=str)
    assert len(listed("map", "public_from4")) == 4
    six = {"prefix": {"addr": "2001:db8:77::", "len": 48}}
    assert listed("map", "public_from6") == [[{"concat": [PUBLIC6, "tcp", 443, six]}, {"concat": [VM6, 443]}]]
    assert listed("map", "source4") == [[VM4, PUBLIC4]]


def listed(kind: str, name: str) -> list[Any]:
    """Elements as nft shows them, without counters."""
    done = subprocess.run(
        ("nft", "-j", "list", kind, "inet", "causeway", name), capture_output=True, text=True, check=True
    )
    entries = next(each[kind] for each in json.loads(done.stdout)["nftables"] if kind in each)["elem"]
    return [each["elem"]["val"] if isinstance(each, dict) and "elem" in each else each for each in entries]
