"""The rendered ruleset: golden texts for every role, and what must hold for any policy.

`CAUSEWAY_UPDATE_GOLDEN=1` writes the golden texts anew; review the difference.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import (
    bridge,
    fragments,
    load,
    neighbours,
    public_rules,
    ruleset,
    shares,
    told_errors,
)
from causeway_agent.plan.model.policy import ManagementDoor, Policy
from causeway_wire.desired import Desired, Partial
from tests import documents

GOLDEN = Path(__file__).parent / "golden"
PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20"),))
DOCUMENTS = {
    "provider": documents.provider(PARTIAL),
    "tenant": documents.tenant(PARTIAL),
    "gateway": documents.gateway(documents.gateway_tunnel(0), documents.gateway_tunnel(5, tenant="globex")),
    "idle": documents.provider(),
    "bridged_provider": documents.bridged(documents.provider(PARTIAL)),
    "bridged_tenant": documents.bridged(documents.tenant(PARTIAL)),
    "full": documents.provider(
        documents.full("net-0", "net-1", routed=("net-0", "net-1")), denied=("10.0.0.0/8",)
    ),
    "rehearsal": documents.provider(documents.rehearsal("net-0")),
}


def policy(document: Desired) -> Policy:
    return compile_document(document, documents.FACTS).policy


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_ruleset_of_a_role_is_the_golden_one(name: str) -> None:
    text, path = ruleset.render(policy(DOCUMENTS[name])), GOLDEN / f"{name}.nft"
    if os.environ.get("CAUSEWAY_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_no_two_chains_of_a_table_have_one_name() -> None:
    """The kernel would make one chain of their rules, and the first verdict in it hides the others."""
    for table in re.findall(r"^table .*?^\}", ruleset.render(Policy()), re.MULTILINE | re.DOTALL):
        for kind in (r"\{ *\}", r"\{$"):
            names = re.findall(rf"^  chain (\w+) {kind}", table, re.MULTILINE)
            assert len(names) == len(set(names)), names


@settings(deadline=None, max_examples=50)
@given(documents.MEANT, documents.MEANT)
def test_policies_have_one_text_each_and_tell_themselves_apart(one: Desired, other: Desired) -> None:
    first, second = policy(one), policy(other)
    assert ruleset.render(first) == ruleset.render(replace(first))
    assert (ruleset.digest(first) == ruleset.digest(second)) == (first == second)
    assert ruleset.find_digest(ruleset.render(first)) == ruleset.digest(first)


def test_a_text_without_a_digest_is_of_nobody() -> None:
    assert ruleset.find_digest("table inet causeway { chain identity { } }") is None


def test_every_set_is_flushed_but_those_that_packets_and_public_rules_fill() -> None:
    text = ruleset.render(Policy())
    declared = set(re.findall(r"^  (?:set|map) (\w+) ", text, flags=re.MULTILINE))
    flushed = set(re.findall(r"^flush (?:set|map) \w+ causeway (\w+)$", text, flags=re.MULTILINE))
    by_family = {"known", "flows", "homes", "tries", "strays", "quarters"}
    taught = by_family | {f"{name}6" for name in by_family} | {"named", "crowded", "asking", "open", "groups"}
    taught |= {"echoing4", "echoing6", *fragments.TAUGHT, *shares.TAUGHT, *load.TAUGHT, *told_errors.TAUGHT}
    taught |= {"group_sources", "new_groups", "newcomers", "heard", "met"}
    assert declared - flushed == taught | ruleset.FILLED_BY_RULES | neighbours.TAUGHT
    assert re.findall(r"^(?:flush|delete) (?!set|map).*", text, flags=re.MULTILINE) == [
        "flush table inet causeway",
        "flush table arp causeway",
        "flush table bridge causeway",
    ]


@pytest.mark.parametrize("name", ["public4", "public6", "published4", "published6"])
def test_sets_of_public_rules_are_made_small_and_may_then_hold_all_ports(name: str) -> None:
    text = ruleset.render(Policy())
    made, raised = map(int, re.findall(rf"^  (?:set|map) {name} .* size (\d+);", text, flags=re.MULTILINE))
    assert 4 * made < raised == public_rules.MAX_ELEMENTS


ASKED = {"origin": "g", "by_source": "gs", "by_destination": "d", "outside": "f", "everything": "gsdfr"}
"""What the chains that `entrances` leads to look into: guards, extended flows by their source or destination,
foreign networks, relays.
"""


def elements(text: str, name: str) -> list[str]:
    """Of a set or map, as they are written."""
    found = re.search(rf"^  (?:set|map) {name} [^\n]*\n    elements = {{ (.*) }};$", text, flags=re.MULTILINE)
    return found[1].split(", ") if found else []


@settings(deadline=None, max_examples=100)
@given(documents.MEANT, documents.MEANT)
def test_a_device_is_spared_no_question_that_a_set_could_answer(one: Desired, other: Desired) -> None:
    for each in (policy(one), policy(other), policy(one) & policy(other)):
        text = ruleset.render(each)
        for version, everywhere in ((4, "0.0.0.0/0"), (6, "::/0")):
            verdicts = dict(entry.split(" : goto ") for entry in elements(text, f"entrances{version}"))
            free = {f'"{guard.device}"' for guard in each.sources if str(guard.network) == everywhere}
            due = {
                "g": set(elements(text, "guarded")) - free,
                "s": {entry.split(" . ")[0] for entry in elements(text, f"forward_source{version}")},
                "d": {entry.split(" . ")[0] for entry in elements(text, f"forward_destination{version}")},
                "f": set(elements(text, "outside")) if elements(text, f"foreign{version}") else set(),
                "r": set(verdicts) if elements(text, f"relay{version}") else set(),
            }
            for question, devices in due.items():
                for device in devices:
                    assert question in ASKED[verdicts[device][:-1]], (device, question)


@settings(deadline=None, max_examples=50)
@given(documents.MEANT)
def test_a_way_toward_denied_networks_asks_for_them(document: Desired) -> None:
    text = ruleset.render(policy(document))
    for version in (4, 6):
        denying = {entry.split(" . ")[0] for entry in elements(text, f"denied{version}")}
        for entry in elements(text, f"ways{version}"):
            pair, _, chain = entry.partition(" : goto ")
            assert (chain == f"outward{version}") == (pair.split(" . ")[1] in denying)


def test_every_rule_that_drops_counts_its_reason() -> None:
    text = ruleset.render(Policy())
    for line in text.splitlines():
        if line.endswith(" drop"):
            assert re.search(r"counter name drop_\w+ drop$", line), line
    named = set(re.findall(r"counter name (\w+)", text))
    assert named == {*ruleset.COUNTERS, ruleset.ARP_COUNTER, *bridge.COUNTERS}


def test_the_type_of_service_ends_before_a_kernel_may_refuse_to_write_about_fragments() -> None:
    """A rule ends where that is refused (Linux 7.3); what guests say of their packets stays inside."""
    rules = ruleset.render(Policy()).partition("chain whole {\n    ip")[2].partition("}")[0].splitlines()
    assert len(rules) == 3
    for rule in rules[:2]:
        assert rule.index("ip dscp set 0 ip ecn set 0") < rule.index("ip frag-off set")


def test_overlapping_sources_of_one_door_become_one_element() -> None:
    wide = ManagementDoor(
        "eth0",
        ip_address("10.9.0.2"),
        frozenset(map(ip_network, ("10.0.0.0/8", "10.9.0.0/16"))),
        frozenset({22}),
    )
    narrow = replace(wide, sources=frozenset({ip_network("10.9.9.0/24")}))
    text = ruleset.render(Policy(management=frozenset({wide, narrow})))
    assert re.findall(r'"eth0" \. 10\.9\.0\.2 \. [^ ]+ \. 22', text) == [
        '"eth0" . 10.9.0.2 . 10.0.0.0/8 . 22'
    ]


def test_only_replicas_may_ask_on_a_scoped_device() -> None:
    text = ruleset.render(policy(DOCUMENTS["provider"]))
    arp = text[text.index("table arp") :]
    assert re.search(r'set askers [^}]*\{ "eth1" \. 192\.168\.0\.20 \};', arp)
    assert re.search(r'set scopes [^}]*\{ "eth1" \. 192\.168\.0\.0/24 \};', arp)
