"""A packet's way over the API: what is asked is checked, what is told is the engine's explanation."""

from __future__ import annotations

import pytest

from causeway_agent.api import paths
from causeway_wire import codec
from causeway_wire.explanation import PacketPath
from causeway_wire.problem import ProblemType
from tests.agents import REPLICA, partial, tenant
from tests.unit.agent.api.api_bench import refused, serving

PATH = "/v1/explain"


async def test_the_way_of_a_packet_is_told_stage_by_stage() -> None:
    async with serving() as api:
        await api.applied(tenant(1, failover=partial(REPLICA)))
        asked = {
            "source": "203.0.113.7",
            "destination": str(REPLICA),
            "kind": "tcp",
            "port": "80",
        }
        assert str(paths.packet(asked)) == f"203.0.113.7 to {REPLICA} tcp 80"
        answer = await api.client.get(PATH, params=asked)
        assert answer.status == 200, await answer.text()
        told = codec.decode(await answer.read(), PacketPath)
        assert told.stages
        assert told.verdict
        assert told.passes == all(stage.passes for stage in told.stages)
        again = await api.client.get(PATH, params={**asked, "entry": "nowhere0"})
        assert codec.decode(await again.read(), PacketPath).stages[0].text == "on nowhere0"


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"source": "web1"}, "source is an IP address"),
        ({"destination": ""}, "destination is an IP address"),
        ({"kind": "gre"}, "kind is one of tcp, udp, icmp, icmp-error"),
        ({"port": "65536"}, "port is a whole number from 0 to 65535"),
        ({"port": "\u0661"}, "port is a whole number"),
        ({"size": "-1"}, "size is a whole number"),
        ({"entry": "../etc"}, "entry is the name of a network device"),
        ({"entry": "a" * 16}, "entry is the name of a network device"),
    ],
)
async def test_what_cannot_be_meant_is_refused(wrong: dict[str, str], word: str) -> None:
    async with serving() as api:
        asked = {"source": "192.0.2.1", "destination": "192.0.2.2", **wrong}
        found = await refused(await api.client.get(PATH, params=asked), ProblemType.INVALID)
        assert word in found.detail
