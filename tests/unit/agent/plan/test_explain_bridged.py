"""The way of frames: by MAC address, through a bridge that the appliance takes no part in."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from msgspec import structs

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.explain import bridged as explain_bridged
from causeway_agent.plan.explain.explanation import explain
from causeway_agent.plan.explain.packet import Explanation, Packet
from causeway_agent.plan.model.processes import LoopGuard
from causeway_agent.plan.model.target import Observation
from causeway_wire.desired import Desired, Partial
from causeway_wire.observed import PathReport, Transport, TunnelReport, TunnelState
from tests import documents

REPLICA, NEIGHBOUR, OUTSIDE = "192.168.0.20", "192.168.0.30", "198.51.100.77"
PARTIAL = Partial(
    replicas=(documents.replica(20, "net-0", REPLICA), documents.replica(21, "net-0", "192.168.0.21"))
)
PROVIDER = documents.bridged(documents.provider(PARTIAL))
TENANT = documents.bridged(documents.tenant(PARTIAL))
UP = TunnelReport(id="acme-0", state=TunnelState.CONNECTED, transport=Transport.TCP)


def observed(document: Desired) -> Observation:
    target = compile_document(document, documents.FACTS)
    names = {f.name for f in fields(Observation)} & {f.name for f in fields(target)}
    return Observation(**{name: getattr(target, name) for name in names})


def way(
    source: str, destination: str, document: Desired, seen: Observation | None = None, *tunnels: TunnelReport
) -> Explanation:
    return explain(
        Packet(ip_address(source), ip_address(destination)),
        seen or observed(document),
        tunnels=tunnels or (UP,),
        bridged=explain_bridged.networks(document),
    )


@pytest.mark.parametrize(("document", "bridge"), [(PROVIDER, "cwb1195"), (TENANT, "cwb0")])
@pytest.mark.parametrize(
    ("source", "destination"), [(REPLICA, NEIGHBOUR), (NEIGHBOUR, REPLICA), (REPLICA, OUTSIDE)]
)
def test_frames_of_a_replica_pass_by_its_mac_address(
    document: Desired, bridge: str, source: str, destination: str
) -> None:
    found = way(source, destination, document)
    assert found.works, found.lines()
    assert documents.mac_of(documents.replica(20, "net-0", REPLICA)) in "\n".join(found.lines())
    assert found.verdict.endswith(f"passes {bridge} as frames.")


@pytest.mark.parametrize(("problem", "passes"), [(None, True), ("frames are lost", False)])
def test_a_frame_too_large_for_the_path_crosses_in_fragments_or_is_lost(
    problem: str | None, *, passes: bool
) -> None:
    path = PathReport(
        sends=1334,
        receives=1434,
        line_sends=1400,
        line_receives=1500,
        learnt=datetime(2026, 11, 28, tzinfo=UTC),
        problem=problem,
    )
    report = structs.replace(UP, path=path)
    packet = Packet(ip_address(REPLICA), ip_address(NEIGHBOUR), size=1400)
    networks = explain_bridged.networks(PROVIDER)
    found = explain(packet, observed(PROVIDER), tunnels=(report,), bridged=networks)
    assert found.passes == passes
    assert ("larger frames in fragments" in "\n".join(found.lines())) == passes
    assert ("too large" in found.verdict) == (not passes)


def test_what_lies_outside_is_productions_gateways_business() -> None:
    assert f"{OUTSIDE} is reached by production's own gateway" in "\n".join(
        way(REPLICA, OUTSIDE, TENANT).lines()
    )


@pytest.mark.parametrize(
    ("source", "destination", "words"),
    [
        (NEIGHBOUR, "192.168.0.31", "Include the VM"),
        (REPLICA, "192.168.0.21", "both replicas on one VLAN"),
    ],
)
def test_machines_of_one_side_talk_without_the_appliance(source: str, destination: str, words: str) -> None:
    found = way(source, destination, PROVIDER)
    assert not found.passes
    assert words in found.verdict


def test_what_is_missing_on_the_way_is_named() -> None:
    seen = observed(PROVIDER)
    assert seen.policy is not None
    guardless = frozenset(p for p in seen.processes if not isinstance(p, LoopGuard))
    thin = frozenset(replace(network, macs=frozenset()) for network in seen.policy.bridged)
    for broken, words, counter in (
        (replace(seen, ports=frozenset()), "is no port of cwb1195", ""),
        (replace(seen, policy=replace(seen.policy, bridged=frozenset())), "packet filter", ""),
        (replace(seen, policy=replace(seen.policy, bridged=thin)), "drop_bridge", "drop_bridge"),
        (replace(seen, processes=guardless), "drop_closed", "drop_closed"),
    ):
        found = way(REPLICA, NEIGHBOUR, PROVIDER, broken)
        assert not found.passes
        assert words in found.verdict
        assert found.counter == counter


def test_a_tunnel_that_is_down_is_told() -> None:
    down = TunnelReport(id="acme-0", state=TunnelState.CONNECTING, last_error="no answer")
    for document in (PROVIDER, TENANT):
        assert "no answer" in way(REPLICA, NEIGHBOUR, document, None, down).verdict


def test_nothing_is_bridged_outside_of_partial_failover() -> None:
    assert explain_bridged.networks(documents.bridged(documents.provider())) == ()
    assert explain_bridged.networks(documents.gateway()) == ()
    assert explain_bridged.networks(None) == ()
    assert explain_bridged.networks(documents.provider(PARTIAL)) == ()
