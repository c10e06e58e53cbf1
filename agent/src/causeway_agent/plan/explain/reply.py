"""The way back: an answer is a packet of its own; only its translations know of the first."""

from __future__ import annotations

from dataclasses import dataclass

from causeway_agent.plan.explain import route as explain_route
from causeway_agent.plan.explain import verdict
from causeway_agent.plan.explain.packet import Hop, Packet
from causeway_agent.plan.explain.verdict import Translation
from causeway_agent.plan.model.policy import Policy, Way
from causeway_agent.plan.model.target import Observation
from causeway_wire.types import IPAddress


@dataclass(frozen=True, slots=True)
class Passage:
    """How a packet was forwarded."""

    entry: str
    device: str
    translation: Translation
    leaves_as: IPAddress
    """Its source as it left."""
    seen: bool
    """Whether connection tracking saw it."""


def reply(packet: Packet, passage: Passage, seen: Observation, policy: Policy) -> Hop:
    """One line: the answer comes back, or what stops it."""
    answer = Packet(passage.translation.packet.destination, packet.source, packet.kind)
    back = passage.device
    screened = verdict.screened(policy, back, answer.source, passage.leaves_as)
    if not screened.passes:
        return _stops(f"{screened.text}", screened.advice, screened.counter)
    tracked = verdict.tracked(policy, back, answer.source, passage.leaves_as)
    translated = passage.translation.rule is not None or passage.leaves_as != packet.source
    if translated and not tracked:
        text = f"answers that enter on {back} are extended packets, which are not translated back"
        return _stops(text, "A network cannot be extended and published at once; look at the document.", "")
    route = explain_route.chosen(seen, back, answer.source, answer.destination)
    if route is None:
        return _stops(
            f"answers enter on {back}, and there is no route to {answer.destination}",
            f"Give the appliance a gateway, or fail over the VM that owns {answer.destination}.",
            "",
        )
    allowed = _allowed(answer, passage, policy, route.device, tracked=tracked)
    if not allowed.passes:
        return _stops(allowed.text, allowed.advice, allowed.counter)
    turned = _turned(packet, passage)
    return Hop("reply", f"enters on {back}{turned}, leaves on {route.device}")


def _turned(packet: Packet, passage: Passage) -> str:
    changes = []
    if passage.leaves_as != packet.source:
        changes.append(f"to {packet.source} again")
    if passage.translation.rule is not None:
        changes.append(f"from {passage.translation.public} again")
    return f", is {' and '.join(changes)}" if changes else ""


def _allowed(answer: Packet, passage: Passage, policy: Policy, device: str, *, tracked: bool) -> Hop:
    """Chain `forward` in the direction of answers."""
    back, rule = passage.device, passage.translation.rule
    plain = verdict.permitted(
        policy, back, device, Translation(answer), seen=tracked, default=False, opening=False
    )
    if plain.passes:
        return plain
    opened = verdict.internet(policy, passage.entry, back, answer.source.version)
    if tracked and opened is not None and device == passage.entry:
        return Hop("filtered", "answers of connections opened here come back")
    if tracked and rule is not None and Way(back, device) in policy.ways:
        return Hop("filtered", f"answers of rule {rule.id} go back")
    text = f"answers may not pass from {back} to {device}"
    advice = "Answers are dropped and counted in drop_forward; is the failover half applied? Look at status."
    return Hop("filtered", text, passes=False, advice=advice, counter="drop_forward")


def _stops(text: str, advice: str, counter: str) -> Hop:
    return Hop("reply", text, passes=False, advice=advice, counter=counter)
