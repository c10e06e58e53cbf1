"""`causeway-agent rules`: the public rules with what they let through."""

from __future__ import annotations

from typing import Any

from causeway_agent.commands.local import LocalAgent


def fetch(agent: LocalAgent) -> dict[str, Any]:
    """The table and its counters by name; raises AgentDownError or RefusedError."""
    table: dict[str, Any] = agent.get("/v1/public-rules")
    counters = agent.get("/v1/public-rules/counters")["counters"]
    return {"table": table, "counters": {each["id"]: each for each in counters}}


def render(found: dict[str, Any]) -> list[str]:
    """One line per rule, in the order of public addresses and ports."""
    rules, counters = found["table"]["rules"], found["counters"]
    lines = [f"revision {found['table']['revision']}, {len(rules)} rules"]
    ordered = sorted(rules, key=lambda rule: (rule["public_address"], rule["public_port"]))
    return lines + [_line(rule, counters.get(rule["id"])) for rule in ordered]


def _line(rule: dict[str, Any], counter: dict[str, Any] | None) -> str:
    last, first = rule.get("public_port_end"), rule["public_port"]
    public = f"{first}" if last is None else f"{first}-{last}"
    target = rule["internal_port"]
    internal = f"{target}" if last is None else f"{target}-{target + last - first}"
    passed = f", {counter['packets']} packets, {counter['bytes']} octets" if counter is not None else ""
    sources = ", ".join(rule.get("sources", ()))
    return (
        f"{rule['id']}: {rule.get('protocol', 'tcp')} {rule['public_address']} port {public} to "
        f"{rule['internal_address']} port {internal}{f' ({vm})' if (vm := rule.get('vm')) else ''}"
        f"{f', from {sources} only' if sources else ''}{passed}"
    )
