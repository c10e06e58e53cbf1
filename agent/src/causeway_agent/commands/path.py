"""`causeway-agent explain SRC DST [PROTO PORT]`: the path of a packet, step by step."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlencode

from causeway_agent.commands.local import LocalAgent
from causeway_agent.commands.page import folded
from causeway_agent.plan.explain.packet import Packet

_MARKS = frozenset({"ok   ", "STOP ", "     "})
"""What a stage's line begins with; a sentence has none."""
_MARK = 5


def missing(entry: str | None) -> str:
    """What is wrong with the device that a packet is said to enter on; empty if nothing is."""
    there = [name for _, name in socket.if_nameindex()]
    if entry is None or entry in there:
        return ""
    return f"--entry {entry}: there is no such device; there are {', '.join(there)}"


def fetch(agent: LocalAgent, packet: Packet, *, entry: str | None = None) -> dict[str, Any]:
    """The running agent's explanation; raises AgentDownError or RefusedError."""
    asked = {
        "source": packet.source,
        "destination": packet.destination,
        "kind": packet.kind,
        "port": packet.port,
        "size": packet.size,
        "entry": entry,
    }
    query = urlencode({name: str(value) for name, value in asked.items() if value is not None})
    explanation: dict[str, Any] = agent.get(f"/local/explain?{query}")
    return explanation


def render(explanation: dict[str, Any]) -> list[str]:
    """One line per stage, the verdict last."""
    lines = [str(line) for line in explanation["lines"]]
    return [part for line in lines for part in folded(line, indent=_MARK if line[:_MARK] in _MARKS else 0)]
