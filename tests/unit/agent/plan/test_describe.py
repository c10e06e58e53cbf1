"""Operations in words."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.objects import ProxyNeighbour, Route, Rule, Sysctl, Tun
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.target import Observation
from causeway_agent.plan.steer.describe import describe, describe_policy
from causeway_agent.plan.steer.diff import diff
from causeway_agent.plan.steer.operations import Announce, Drop, Operation, Put
from causeway_wire.desired import Desired
from tests import documents

CLAIM = ProxyNeighbour("eth1", ip_address("192.168.0.20"), claimed=True)


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (Put(Sysctl("net/ipv4/ip_forward", "1")), "set net/ipv4/ip_forward to 1"),
        (
            Put(Route(ip_network("0.0.0.0/0"), "eth0", via=ip_address("10.9.0.1"))),
            "put route 0.0.0.0/0 via 10.9.0.1 dev eth0",
        ),
        (
            Drop(Route(ip_network("192.168.0.0/24"), "cwu1195", 1195)),
            "drop route 192.168.0.0/24 dev cwu1195 table 1195",
        ),
        (
            Put(Rule(4, 1000, 1195, input_device="eth1")),
            "put IPv4 rule 1000: from device eth1 table 1195",
        ),
        (
            Put(Tun("cwtun0", 1500, 2000, None)),
            "put tun device cwtun0, MTU 1500, queue 2000, owner root",
        ),
        (Put(CLAIM), "put claim for 192.168.0.20 on eth1"),
        (Announce(CLAIM.claim), "announce 192.168.0.20 on eth1"),
    ],
)
def test_says_what_it_does(operation: Operation, words: str) -> None:
    assert describe(operation) == words


def test_a_policy_tells_what_full_failover_opens() -> None:
    policy = compile_document(documents.provider(documents.full("net-0")), documents.FACTS).policy
    assert describe_policy(policy) == (
        "1 management door, 2 guarded devices, 3 public addresses, 3 published ways, 2 internet ways, "
        "1 denied network, 7 foreign networks"
    )


def test_an_empty_policy_is_closed() -> None:
    assert describe_policy(Policy()) == "closed"


@settings(deadline=None, max_examples=30)
@given(documents.MEANT)
def test_every_operation_is_one_line_without_secrets(document: Desired) -> None:
    target = compile_document(document, documents.FACTS)
    for operation in diff(Observation(), target).operations:
        line = describe(operation)
        assert line
        assert len(line.splitlines()) == 1
        assert "c2VjcmV0" not in line
        assert "BEGIN" not in line
