"""`causeway-agent status`: what the appliance is, on one page."""

from __future__ import annotations

from typing import Any

from causeway_agent.commands.local import LocalAgent


def fetch(agent: LocalAgent) -> dict[str, Any]:
    """The observed document and the last change; raises AgentDownError or RefusedError."""
    observed: dict[str, Any] = agent.get("/v1/observed")
    last = observed.get("change")
    return {"observed": observed, "change": agent.get(f"/v1/changes/{last}") if last is not None else None}


def render(status: dict[str, Any]) -> list[str]:
    """The page's lines."""
    observed, change = status["observed"], status["change"]
    lines = [
        f"appliance   {observed['appliance']}",
        f"state       {observed['state']}",
        f"role        {observed['role'] or 'none yet'}, failover {observed['failover']}",
        f"generation  {observed['observed_generation'] or 'none'}, epoch {observed['epoch']}",
    ]
    problem = observed.get("problem")
    if problem:
        lines += [f"problem     {each['detail']}" for each in problem.get("errors", [problem])]
    lines += [f"change      {_change(change)}" if change else "change      none", ""]
    lines += [_nic(nic) for nic in observed["nics"]]
    lines += [_tunnel(tunnel) for tunnel in observed["tunnels"]] or ["no tunnels"]
    drift = observed["drift"]
    lines.append(
        f"drift       {drift['repairs']} repairs" + (f", last {drift['last']}" if drift["last"] else "")
    )
    lines += [f"            {operation}" for operation in drift["last_operations"]]
    return lines


def _change(change: dict[str, Any]) -> str:
    text = (
        f"{change['id']} {change['state']} (generation {change['generation']}, by {change['requested_by']})"
    )
    problem = change.get("problem")
    return f"{text}: {problem['detail']}" if problem else text


def _nic(nic: dict[str, Any]) -> str:
    where = ", ".join(nic["addresses"]) or "no address"
    state = "up" if nic["up"] else "down"
    return f"adapter     {nic['device']} {nic['name'] or '-'} {nic['mac']} {state}, {where}"


def _tunnel(tunnel: dict[str, Any]) -> str:
    text = f"tunnel      {tunnel['id']} {tunnel['state']}"
    if tunnel["transport"]:
        text += f" over {tunnel['transport']} with {tunnel['remote']}"
    text += f", {tunnel['received_bytes']} in, {tunnel['sent_bytes']} out, {tunnel['restarts']} restarts"
    return f"{text}, last error: {tunnel['last_error']}" if tunnel["last_error"] else text
