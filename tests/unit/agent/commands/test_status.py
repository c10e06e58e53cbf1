"""The status page: one screen, whatever there is to tell."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from causeway_agent.commands import status
from causeway_agent.commands.local import LocalAgent, RefusedError
from causeway_agent.commands.page import duration, entry, moment, octets
from causeway_agent.plan.filter import bridge, counters, ruleset
from causeway_wire import codec
from causeway_wire.change import Change, ChangeState
from causeway_wire.observed import (
    ApplianceState,
    Carrier,
    CounterReport,
    DriftReport,
    DuplicateAddress,
    FailoverNetwork,
    FailoverReport,
    NicReport,
    Observed,
    RefusedCertificate,
    RevokedCertificate,
    Transport,
    TunnelReport,
    TunnelState,
)
from causeway_wire.problem import ProblemType, problem
from causeway_wire.update import Slot, SlotReport, SlotState, UpdateState, UpdateStatus

NOW = datetime(2026, 3, 1, 3, 15, tzinfo=UTC)
MAC = "02:00:00:00:00:01"
CHANGE = Change(
    id="0000000007-g7",
    generation=7,
    epoch=3,
    state=ChangeState.AWAITING,
    requested_by="controller-1",
    created=NOW - timedelta(seconds=30),
    deadline=NOW + timedelta(seconds=90),
)
NIC = NicReport(device="eth0", mac=MAC, up=True, addresses=("10.9.0.2/24", "10.9.0.3/24"), name="uplink")


def observed(**changes: Any) -> Observed:
    given: dict[str, Any] = {
        "appliance": "acme-provider",
        "state": ApplianceState.READY,
        "observed_generation": 7,
        "epoch": 3,
        "role": "provider",
        "failover": "full",
        "change": CHANGE.id,
        "nics": (NIC,),
        "tunnels": (),
        "drift": DriftReport(repairs=0),
        "started": NOW - timedelta(days=2, hours=3),
    }
    return Observed(**(given | changes))


def page(
    seen: Observed,
    change: Change | None = CHANGE,
    growing: dict[str, int] | None = None,
    **more: Any,
) -> str:
    found = {
        "observed": json.loads(codec.encode(seen)),
        "change": None if change is None else json.loads(codec.encode(change)),
        "growing": growing or {},
        "sample_seconds": 0.5,
        **more,
    }
    return "\n".join(status.render(found, NOW))


CAPABILITIES = {"kernel": "6.12.1-cloud", "vlan_8021q": True, "vrf": True, "openvpn_dco": False}
FULL = FailoverReport(
    mode="full",
    networks=(
        FailoverNetwork(network="net-0", gateways=(ip_address("192.168.0.1"),), internet=True),
        FailoverNetwork(network="net-1"),
    ),
    routed=("net-0", "net-1"),
    public_addresses=(ip_address("198.51.100.7"),),
    rules=12,
    rules_revision=5,
)


def test_full_failover_says_what_is_held_and_what_is_missing() -> None:
    told = page(observed(coverage=FULL))
    for line in (
        "acme-provider, provider",
        "ready, agent up 2 d 3 h",
        "net-0: gateway 192.168.0.1, internet",
        "net-1: NO GATEWAY HELD, no internet",
        "routed between: net-0, net-1",
        "public addresses: 198.51.100.7",
        "public rules: 12, revision 5",
    ):
        assert line in told


def test_what_the_kernel_has_and_lacks_is_told_where_an_agent_knows_it() -> None:
    told = page(observed(), capabilities=CAPABILITIES)
    assert "kernel      6.12.1-cloud, has vlan_8021q, vrf\n            lacks openvpn_dco\n" in told
    assert "OpenVPN" not in told
    assert "            OpenVPN 2.7.8\n" in page(
        observed(), capabilities={**CAPABILITIES, "openvpn": "2.7.8"}
    )
    assert "kernel " not in page(observed())


def test_a_change_that_awaits_its_confirmation_says_how_long() -> None:
    told = page(observed())
    assert "0000000007-g7 awaiting-confirmation" in told
    assert "TAKEN BACK unless confirmed: 03:16:30 UTC, in 1 min 30 s" in told


@pytest.mark.parametrize(
    ("kind", "words"), [(ProblemType.APPLY_FAILED, "journal"), (ProblemType.ADDRESS_IN_USE, "that MAC")]
)
def test_a_problem_says_what_to_do_next(kind: ProblemType, words: str) -> None:
    duplicate = DuplicateAddress(address=ip_address("192.168.0.1"), mac=MAC)
    why = problem(kind, "refused")
    told = page(observed(state=ApplianceState.DEGRADED, problem=why, duplicates=(duplicate,)))
    assert "problem     refused" in told
    assert f"192.168.0.1 is answered for by {MAC}" in told
    assert words in told.split("next ")[1]


def test_counters_that_grow_come_first_and_are_explained() -> None:
    reports = (
        CounterReport(name="drop_forward", packets=100, bytes=6000),
        CounterReport(name="drop_spoofed", packets=3, bytes=180),
        CounterReport(name="drop_arp", packets=0, bytes=0),
    )
    told = page(observed(counters=reports), growing={"drop_spoofed": 2})
    first = "dropped     drop_spoofed 3 (+2 in 0.5 s): sources that do not belong to the"
    assert told.index(first) < told.index("drop_forward 100: packets")
    assert "drop_arp" not in told
    assert "dropped     nothing" in page(observed())


def test_tunnels_and_adapters_are_told() -> None:
    tunnel = TunnelReport(
        id="acme-0",
        state=TunnelState.CONNECTED,
        transport=Transport.UDP,
        remote="203.0.113.1:6180",
        since=NOW - timedelta(minutes=4),
        restarts=2,
        received_bytes=1_234_567,
        last_error="no answer",
    )
    down = NicReport(device="eth1", mac=MAC, up=False, addresses=())
    told = page(observed(tunnels=(tunnel,), nics=(NIC, down)))
    for line in (
        "acme-0 connected over udp with 203.0.113.1:6180, since 03:11:00",
        "1.23 MB in, 0 bytes out, 2 restarts",
        "last error: no answer",
        f"eth0 uplink {MAC} up, 10.9.0.2/24, 10.9.0.3/24",
        f"eth1 - {MAC} DOWN, no address",
    ):
        assert line in told


@pytest.mark.parametrize(
    ("carrier", "why", "words"),
    [
        (Carrier.KERNEL, None, "packets carried by the kernel\n"),
        (
            Carrier.PROCESS,
            "the transport is TCP",
            "packets carried by the process: the transport is TCP\n",
        ),
    ],
)
def test_who_carries_a_tunnel_is_told_and_why_not_the_kernel(
    carrier: Carrier, why: str | None, words: str
) -> None:
    tunnel = TunnelReport(id="acme-0", state=TunnelState.CONNECTED, carrier=carrier, no_offload=why)
    assert words in page(observed(tunnels=(tunnel,)))
    closed = TunnelReport(id="acme-0", state=TunnelState.CONNECTING)
    assert "carried" not in page(observed(tunnels=(closed,)))


def test_a_machine_whose_kernel_carries_no_tunnel_says_why() -> None:
    told = page(observed(), capabilities={**CAPABILITIES, "no_offload": "no kernel module ovpn"})
    assert "tunnels are carried by OpenVPN's process: no kernel module ovpn\n" in told


def test_revoked_certificates_are_told_those_that_were_shown_first() -> None:
    text = page(
        observed(
            revoked=(
                RevokedCertificate(serial="1f", at="api", refused=0),
                RevokedCertificate(serial="2f", at="api", refused=3, last=NOW),
                *(RevokedCertificate(serial=f"{n:x}", at="acme-1") for n in range(1, 10)),
            )
        )
    )
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("revoked"))
    assert "2f at the API, refused 3 times, last" in " ".join(lines[start : start + 2])
    assert any(line.strip() == "1f at the API" for line in lines)
    assert any(line.strip() == "1 at tunnel acme-1" for line in lines)
    assert any(line.strip() == "and 3 more" for line in lines)


def test_why_certificates_were_refused_is_told() -> None:
    text = page(observed(refused=(RefusedCertificate(reason="expired: set the clock", refused=3, last=NOW),)))
    start = text[text.index("refused ") :]
    assert "a certificate at the API, 3 times, last" in " ".join(start.split())
    assert "expired: set the clock" in " ".join(start.split())
    assert "\nrefused" not in page(observed())


def test_what_others_have_added_is_told() -> None:
    text = page(observed(foreign=("IPv4 rule 500", *(f"nftables table ip t{n}" for n in range(9)))))
    assert "foreign     IPv4 rule 500: not the agent's" in text
    assert any(line.strip() == "and 2 more" for line in text.splitlines())
    assert "foreign" not in page(observed())


def test_no_line_is_longer_than_a_screen_is_wide() -> None:
    drift = DriftReport(repairs=3, last=NOW - timedelta(days=1), last_operations=("put " + "address " * 30,))
    nic = NicReport(device="eth0", mac=MAC, up=True, addresses=tuple(f"2001:db8::{i}/64" for i in range(12)))
    told = page(observed(coverage=FULL, drift=drift, nics=(nic,)), None)
    assert max(map(len, told.splitlines())) <= 80
    assert "change      none" in told


def test_every_counter_has_a_meaning() -> None:
    named = {*ruleset.COUNTERS, ruleset.ARP_COUNTER, *bridge.COUNTERS}
    assert set(counters.MEANINGS) == named


def test_what_grew_is_told_from_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([10, 12])

    def get(_self: LocalAgent, path: str) -> Any:
        if path.startswith("/v1/changes"):
            return json.loads(codec.encode(CHANGE))
        if path == "/v1":
            return {"capabilities": CAPABILITIES}
        if path == "/v1/update":
            raise RefusedError("no slots", 409)
        reports = (
            CounterReport(name="drop_arp", packets=next(looks), bytes=0),
            CounterReport(name="drop_flood", packets=4, bytes=0),
        )
        return json.loads(codec.encode(observed(counters=reports)))

    monkeypatch.setattr(LocalAgent, "get", get)
    found = status.fetch(LocalAgent(Path("/nowhere")), sample=0.0)
    assert found["growing"] == {"drop_arp": 2}
    assert found["capabilities"] == CAPABILITIES


def lines_with(update: dict[str, Any]) -> list[str]:
    seen = json.loads(codec.encode(observed()))
    found = {"observed": seen, "change": None, "growing": {}, "sample_seconds": 0.5, "update": update}
    return status.render(found, NOW)


def slots(**changes: Any) -> dict[str, Any]:
    running = SlotReport(slot=Slot.B, state=SlotState.GOOD, version="1.1", build="b" * 64)
    other = SlotReport(slot=Slot.A, state=SlotState.TRYING, version="1.2", build="a" * 64, tries_left=2)
    found = UpdateStatus(state=UpdateState.TRYING, running=Slot.B, next=Slot.A, slots=(other, running))
    return {**json.loads(codec.encode(found)), **changes}


def test_both_slots_are_told_the_running_one_first() -> None:
    lines = lines_with(slots())
    where = next(index for index, line in enumerate(lines) if line.startswith("system"))
    assert "slot b runs: good, version 1.1" in lines[where]
    assert "slot a does not run: trying, version 1.2, 2 tries left, STARTS NEXT" in lines[where + 1]


def test_an_update_on_its_way_in_is_told() -> None:
    lines = lines_with(slots(state="receiving", received=1_500_000))
    assert any("is being received: 1.5 MB so far" in line for line in lines)


def test_a_machine_without_slots_tells_nothing_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(_: LocalAgent, path: str) -> Any:
        if path == "/v1":
            return {"capabilities": CAPABILITIES}
        if path == "/v1/update":
            raise RefusedError("no slots", 409)
        return json.loads(codec.encode(observed(change=None)))

    monkeypatch.setattr(LocalAgent, "get", get)
    found = status.fetch(LocalAgent(Path("/nowhere")), sample=0.0)
    assert found["update"] is None
    assert not [line for line in status.render(found, NOW) if line.startswith("system")]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3600, "1 h"), (90_000, "1 d 1 h"), (86_401, "1 d")],
)
def test_durations_have_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_small_words_of_the_page() -> None:
    assert octets(999) == "999 bytes"
    assert octets(1_500_000) == "1.5 MB"
    assert octets(2 * 10**15).endswith(" TB")
    assert moment("2026-02-28T03:15:00Z", NOW) == "2026-02-28 03:15:00 UTC, 1 d ago"
    assert entry("label", "") == ["label"]
