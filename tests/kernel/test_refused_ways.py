"""Routers and gateways that refuse a tunnel's packets by ICMP for a while: it comes back by itself.

OpenVPN is told of each refusal, and loses the packet that it sends next; connections over TCP end at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from causeway_wire.observed import Transport
from tests.kernel.lines import TCP, WAYS
from tests.kernel.processes_lab import GATEWAYS, Site, site, until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

SILENCE = 20.0
"""Seconds until a tunnel that nobody answers is given up, and its next ways have been tried in vain."""


def refuse(made: Site, kind: str) -> None:
    """Every packet that arrives at a gateway is answered by ICMP of this kind, but ICMP itself."""
    for index in range(len(GATEWAYS)):
        made.load(
            f"g{index}",
            "table ip refusing {\nchain door {\ntype filter hook prerouting priority -500\n"
            f"iifname pub ip protocol != icmp counter reject with icmp type {kind}\n}}\n}}\n",
        )


def admit(made: Site) -> None:
    for index in range(len(GATEWAYS)):
        made.inside(f"g{index}", "nft", "delete", "table", "ip", "refusing")


def told(made: Site) -> int:
    """ICMP errors that the client's kernel was told."""
    names, values = (
        line.split()[1:]
        for line in made.inside("c", "cat", "/proc/net/snmp").splitlines()
        if line.startswith("Icmp:")
    )
    return int(dict(zip(names, values, strict=True))["InDestUnreachs"])


@pytest.mark.parametrize(
    ("kind", "ways"),
    [
        ("host-unreachable", WAYS[:1]),
        ("port-unreachable", WAYS[:2]),
        ("net-unreachable", (WAYS[0], WAYS[2])),
        ("admin-prohibited", ((0, TCP),)),
        ("host-prohibited", WAYS),
    ],
)
def test_a_tunnel_comes_back_when_its_gateways_stop_refusing(
    tmp_path: Path, kind: str, ways: Sequence[tuple[int, Transport]]
) -> None:
    with site(tmp_path) as made:
        made.up(*ways)
        agent = made.agents["c"]
        with made.probing(0.5) as before:
            pass
        assert before["lost"] == 0
        known = told(made)
        refuse(made, kind)
        until(lambda: agent.report()["restarts"] > 0, SILENCE)
        until(lambda: agent.report()["state"] != "connected" and told(made) > known + len(ways), SILENCE)
        admit(made)
        until(lambda: agent.report()["state"] == "connected", SILENCE)
        assert agent.report()["transport"] in {transport for _, transport in ways}
        with made.probing(1.0) as echoes:
            pass
        assert echoes["lost"] == 0
