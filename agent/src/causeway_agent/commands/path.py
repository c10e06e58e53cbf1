"""`causeway-agent explain SRC DST`: the path of a packet, step by step."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from causeway_agent.commands.local import LocalAgent
from causeway_wire.types import IPAddress


def fetch(agent: LocalAgent, source: IPAddress, destination: IPAddress) -> dict[str, Any]:
    """The running agent's explanation; raises AgentDownError or RefusedError."""
    query = urlencode({"source": str(source), "destination": str(destination)})
    explanation: dict[str, Any] = agent.get(f"/local/explain?{query}")
    return explanation


def render(explanation: dict[str, Any]) -> list[str]:
    """One line per stage, the verdict last."""
    return [str(line) for line in explanation["lines"]]
