"""Processes of an agent before whose devices, made by the kernel, went away while no agent ran: they go on
without and nobody else looks.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from causeway_agent.backends.processes import openvpn
from causeway_agent.plan.model.processes import Endpoint
from causeway_wire.observed import Transport, TunnelState
from tests.unit.agent.backends.test_made_devices import CLIENT, PLACE
from tests.unit.agent.backends.test_offload_declined import OPENED, STAND_IN, TIME, pid_of, says, server
from tests.unit.agent.backends.test_supervisor import supervising, until

GONE, THERE = "cwu1195", "lo"


@pytest.fixture(autouse=True)
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvpn, "COMMAND", ("python3", "-c", STAND_IN))


@pytest.mark.parametrize("makes_device", [True, False])
@pytest.mark.parametrize("device", [GONE, THERE])
async def test_a_server_whose_device_went_while_no_agent_ran_is_started_anew(
    tmp_path: Path, device: str, *, makes_device: bool
) -> None:
    spec = server(says(OPENED.replace(GONE, device)), makes_device=makes_device)
    spec = replace(spec, device=device)
    async with asyncio.timeout(10):
        async with supervising(tmp_path, able=True) as supervisor:
            await supervisor.start(spec)
            before = pid_of(tmp_path, spec.name)
        async with supervising(tmp_path, able=True) as supervisor:
            if makes_device and device == GONE:
                await until(lambda: pid_of(tmp_path, spec.name) != before)
            else:
                await asyncio.sleep(0.3)
                assert pid_of(tmp_path, spec.name) == before
            await supervisor.stop_all()


@pytest.mark.parametrize(("device", "anew"), [(GONE, True), (THERE, False)])
async def test_a_client_whose_device_went_while_no_agent_ran_finds_another_way(
    tmp_path: Path, device: str, *, anew: bool
) -> None:
    opened = says(f"{TIME}DCO device {device} opened")
    way = Endpoint(address=PLACE, port=6180, transport=Transport.UDP, configuration=opened)
    spec = replace(CLIENT, endpoints=(way,), made=(device, "cwtun3"))
    async with asyncio.timeout(15):
        async with supervising(tmp_path, able=True) as supervisor:
            await supervisor.start(spec)
            await until(lambda: supervisor.tunnels()[0].state is TunnelState.CONNECTED)
            before = pid_of(tmp_path, spec.name)
        async with supervising(tmp_path, able=True) as supervisor:
            if anew:
                await until(lambda: pid_of(tmp_path, spec.name) != before)
            else:
                await asyncio.sleep(0.3)
                assert pid_of(tmp_path, spec.name) == before
            await supervisor.stop_all()
