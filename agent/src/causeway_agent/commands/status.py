"""`causeway-agent status`: what the appliance is and what is wrong with it, on one page."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from causeway_agent.commands.local import LocalAgent, RefusedError
from causeway_agent.commands.page import duration, entry, moment, octets
from causeway_agent.plan.filter import counters

OFFLINE = "offline"
"""State of an appliance whose agent does not answer."""
SAMPLE_SECONDS = 0.5
"""Between two looks at the counters: what grows meanwhile is happening now."""
MOST_DROPS = 8
"""Counters told, those that grow first."""
MOST_FOREIGN = 8
"""Rules and tables of others told."""
MOST_REVOKED = 8
"""Revoked certificates told."""

NEXT: Mapping[str, str] = {
    "apply-failed": "`causeway-agent journal` names the operation that was refused; what was before holds",
    "address-in-use": "find the machine with that MAC address: an original that runs, or a second use",
    "nic-not-found": "compare the MAC addresses below with those of the virtual machine's adapters",
    "cuts-management": "correct the document's management address; nothing was changed",
    "tunnel-impaired": "read docs/how-to/a-tunnel-is-down.md; packets flow where the tunnel is connected",
    "unavailable": "wait a moment; the agent tries again by itself",
    "internal": "look for the incident in the agent's log, and report it",
}
"""What to do next by problem type, where the problem's own words do not say it."""


def fetch(agent: LocalAgent, *, sample: float = SAMPLE_SECONDS) -> dict[str, Any]:
    """The observed document, the last change, what the machine can, and what the counters grew by within
    `sample` seconds.

    Raises AgentDownError or RefusedError.
    """
    before: dict[str, Any] = agent.get("/v1/observed")
    time.sleep(sample)
    observed: dict[str, Any] = agent.get("/v1/observed")
    last = observed.get("change")
    old = {one["name"]: one["packets"] for one in before["counters"]}
    grown = {one["name"]: one["packets"] - old.get(one["name"], 0) for one in observed["counters"]}
    return {
        "observed": observed,
        "change": agent.get(f"/v1/changes/{last}") if last is not None else None,
        "capabilities": agent.get("/v1")["capabilities"],
        "growing": {name: packets for name, packets in grown.items() if packets > 0},
        "sample_seconds": sample,
        "update": _slots(agent),
    }


def _slots(agent: LocalAgent) -> dict[str, Any] | None:
    """The slots of the system; None on a machine without them."""
    try:
        found: dict[str, Any] = agent.get("/v1/update")
    except RefusedError:
        return None
    return found


def render(status: Mapping[str, Any], now: datetime) -> list[str]:
    """The page's lines, each of 80 columns at most."""
    return list(_page(status, now))


def _page(status: Mapping[str, Any], now: datetime) -> Iterator[str]:
    observed, change = status["observed"], status["change"]
    yield from _head(observed, now)
    yield from _kernel(status.get("capabilities"))
    yield from _problem(observed)
    yield from _coverage(observed)
    yield from _system(status.get("update"))
    yield from _change(change, now) if change else entry("change", "none")
    for tunnel in observed["tunnels"]:
        yield from _tunnel(tunnel, now)
    if not observed["tunnels"]:
        yield from entry(
            "tunnels", "none" if observed["state"] != OFFLINE else "known to a running agent only"
        )
    for nic in observed["nics"]:
        yield from _nic(nic)
    yield from _revoked(observed.get("revoked", ()), now)
    yield from _refused(observed.get("refused", ()), now)
    if observed["state"] != OFFLINE:
        yield from _drift(observed["drift"], now)
    yield from _foreign(observed.get("foreign", ()))
    yield from _drops(status)
    for index, operation in enumerate(status.get("differs", ())):
        yield from entry("differs" if index == 0 else "", operation)


def _head(observed: Mapping[str, Any], now: datetime) -> Iterator[str]:
    yield from entry("appliance", f"{observed['appliance']}, {observed['role'] or 'no role yet'}")
    started = observed.get("started")
    up = (
        ""
        if started is None
        else f", agent up {duration((now - datetime.fromisoformat(started)).total_seconds())}"
    )
    yield from entry("state", f"{observed['state']}{up}")
    generation = observed["observed_generation"] or "none"
    yield from entry("generation", f"{generation}, epoch {observed['epoch']}")


def _kernel(capabilities: Mapping[str, Any] | None) -> Iterator[str]:
    if capabilities is None:
        return
    kernel = capabilities["kernel"]
    has = [name for name, value in capabilities.items() if value is True]
    lacks = [name for name, value in capabilities.items() if value is False]
    yield from entry("kernel", f"{kernel}, has {', '.join(has) or 'nothing more'}")
    if lacks:
        yield from entry("", f"lacks {', '.join(lacks)}")
    if capabilities.get("openvpn") is not None:
        yield from entry("", f"OpenVPN {capabilities['openvpn']}")
    if capabilities.get("no_offload") is not None:
        yield from entry("", f"tunnels are carried by OpenVPN's process: {capabilities['no_offload']}")


def _problem(observed: Mapping[str, Any]) -> Iterator[str]:
    problem = observed.get("problem")
    if problem is None:
        return
    problems = problem.get("errors") or [problem]
    for each in problems:
        yield from entry("problem", each["detail"])
    for one in observed.get("duplicates", ()):
        yield from entry("", f"{one['address']} is answered for by {one['mac']}")
    advice = {NEXT[kind] for each in problems if (kind := each["type"].rpartition(":")[2]) in NEXT}
    for sentence in sorted(advice):
        yield from entry("next", sentence)


def _coverage(observed: Mapping[str, Any]) -> Iterator[str]:
    yield from entry("failover", observed["failover"])
    coverage = observed.get("coverage")
    if coverage is None:
        return
    taken_over = observed["failover"] in {"full", "rehearsal"}
    for network in coverage["networks"]:
        yield from entry("", f"{network['network']}: {_network(network, taken_over=taken_over)}")
    if coverage["routed"]:
        yield from entry("", f"routed between: {', '.join(coverage['routed'])}")
    if taken_over:
        yield from entry("", f"public addresses: {', '.join(coverage['public_addresses']) or 'none held'}")
    if coverage["rules"] or taken_over:
        force = "" if taken_over else ", not in force"
        yield from entry(
            "", f"public rules: {coverage['rules']}, revision {coverage['rules_revision']}{force}"
        )


def _network(network: Mapping[str, Any], *, taken_over: bool) -> str:
    if not taken_over:
        count = network["replicas"]
        return f"{count} {'VM' if count == 1 else 'VMs'} failed over"
    held = ", ".join(network["gateways"])
    gateways = f"gateway {held}" if held else "NO GATEWAY HELD"
    return f"{gateways}, {'internet' if network['internet'] else 'no internet'}"


def _change(change: Mapping[str, Any], now: datetime) -> Iterator[str]:
    took = ""
    if change["finished"] is not None:
        ends = [datetime.fromisoformat(change[name]) for name in ("created", "finished")]
        took = f" in {(ends[1] - ends[0]).total_seconds():.2f} s"
    by = f"by {change['requested_by']} at {moment(change['created'], now)}"
    yield from entry(
        "change", f"{change['id']} {change['state']}{took}, generation {change['generation']}, {by}"
    )
    if change["state"] == "awaiting-confirmation" and change["deadline"] is not None:
        yield from entry("", f"TAKEN BACK unless confirmed: {moment(change['deadline'], now)}")
    problem = change.get("problem")
    if problem:
        yield from entry("", f"because: {problem['detail']}")


def _system(update: Mapping[str, Any] | None) -> Iterator[str]:
    if update is None:
        return
    running = update["running"]
    for one in sorted(update["slots"], key=lambda slot: slot["slot"] != running):
        said = f"slot {one['slot']} {'runs' if one['slot'] == running else 'does not run'}: {one['state']}"
        said += f", version {one['version']}" if one["version"] else ""
        said += f", {one['tries_left']} tries left" if one["tries_left"] is not None else ""
        said += ", STARTS NEXT" if one["slot"] == update["next"] != running else ""
        yield from entry("system" if one["slot"] == running else "", said)
    if update["state"] == "receiving":
        yield from entry("", f"an update is being received: {octets(update['received'])} so far")


def _tunnel(tunnel: Mapping[str, Any], now: datetime) -> Iterator[str]:
    text = f"{tunnel['id']} {tunnel['state']}"
    if tunnel["transport"]:
        text += f" over {tunnel['transport']} with {tunnel['remote']}"
    if tunnel["since"]:
        text += f", since {moment(tunnel['since'], now)}"
    yield from entry("tunnel", text)
    traffic = f"{octets(tunnel['received_bytes'])} in, {octets(tunnel['sent_bytes'])} out"
    yield from entry("", f"{traffic}, {tunnel['restarts']} restarts")
    if tunnel.get("carrier"):
        why = f": {tunnel['no_offload']}" if tunnel.get("no_offload") else ""
        yield from entry("", f"packets carried by the {tunnel['carrier']}{why}")
    if tunnel.get("impairment"):
        yield from entry("", f"IMPAIRED: {tunnel['impairment']}")
    if (path := tunnel.get("path")) is not None:
        lines = path["line_sends"], path["line_receives"]
        line = " (whatever the line carries)" if None in lines else f" (line {lines[0]}, {lines[1]})"
        sizes = f"packets of {path['sends']} octets go, {path['receives']} come"
        yield from entry("", f"{sizes}{line}, since {moment(path['learnt'], now)}")
        if path.get("problem"):
            yield from entry("problem", path["problem"])
    if tunnel["last_error"]:
        yield from entry("", f"last error: {tunnel['last_error']}")


def _nic(nic: Mapping[str, Any]) -> Iterator[str]:
    state = "up" if nic["up"] else "DOWN"
    where = ", ".join(nic["addresses"]) or "no address"
    yield from entry("adapter", f"{nic['device']} {nic['name'] or '-'} {nic['mac']} {state}, {where}")


def _drift(drift: Mapping[str, Any], now: datetime) -> Iterator[str]:
    last = f", last {moment(drift['last'], now)}" if drift["last"] else ""
    yield from entry("drift", f"{drift['repairs']} repairs{last}")
    for operation in drift["last_operations"]:
        yield from entry("", operation)


def _foreign(found: Sequence[str]) -> Iterator[str]:
    """What others have added: nobody takes it away, and packets are asked by it too."""
    for index, one in enumerate(found[:MOST_FOREIGN]):
        yield from entry(
            "foreign" if index == 0 else "", f"{one}: not the agent's, may stop or divert packets"
        )
    if len(found) > MOST_FOREIGN:
        yield from entry("", f"and {len(found) - MOST_FOREIGN} more")


def _revoked(revoked: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[str]:
    """Certificates that are refused, those that were shown lately first."""
    told = sorted(revoked, key=lambda one: one["last"] or "", reverse=True)
    for index, one in enumerate(told[:MOST_REVOKED]):
        where = "at the API" if one["at"] == "api" else f"at tunnel {one['at']}"
        shown = f", refused {one['refused']} times, last {moment(one['last'], now)}" if one["last"] else ""
        yield from entry("revoked" if index == 0 else "", f"{one['serial']} {where}{shown}")
    if len(told) > MOST_REVOKED:
        yield from entry("", f"and {len(told) - MOST_REVOKED} more")


def _refused(refused: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[str]:
    """Whoever showed a certificate in vain only saw the connection end."""
    for one in refused:
        times = "once" if one["refused"] == 1 else f"{one['refused']} times"
        yield from entry(
            "refused", f"a certificate at the API, {times}, last {moment(one['last'], now)}: {one['reason']}"
        )


def _drops(status: Mapping[str, Any]) -> Iterator[str]:
    growing = status["growing"]
    counted = [one for one in status["observed"]["counters"] if one["packets"]]
    told = sorted(counted, key=lambda one: (-growing.get(one["name"], 0), -one["packets"], one["name"]))
    for index, one in enumerate(told[:MOST_DROPS]):
        more = growing.get(one["name"])
        now = f" (+{more} in {status['sample_seconds']:g} s)" if more else ""
        meaning = counters.MEANINGS.get(one["name"], "")
        yield from entry("dropped" if index == 0 else "", f"{one['name']} {one['packets']}{now}: {meaning}")
    if not counted:
        yield from entry("dropped", "nothing")
