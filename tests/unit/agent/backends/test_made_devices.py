"""Tunnel devices that OpenVPN makes: none is there when it starts, none when it has ended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from causeway_agent.backends.processes import openvpn, path_probe, records, spawn
from causeway_agent.backends.processes.openvpn_client import ClientUnit
from causeway_agent.backends.processes.openvpn_leg import Leg
from causeway_agent.backends.processes.openvpn_server import ServerUnit
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.processes import Endpoint, PathProbe, VpnClient, VpnServer
from causeway_wire.observed import Transport
from causeway_wire.types import Secret
from tests.fakes.clock import FakeClock

CONFIGURATION = Secret("dev cwtun0\n")
PLACE = ip_address("203.0.113.1")
CLIENT = VpnClient(
    tunnel="acme-0",
    device="cwtun0",
    spare="cwtun1",
    made=("cwtun2", "cwtun3"),
    endpoints=tuple(
        Endpoint(address=PLACE, port=6180, transport=transport, configuration=CONFIGURATION)
        for transport in Transport
    ),
    probe=(ip_address("10.0.0.2"), ip_address("10.0.0.1")),
)
OVER_UDP, OVER_TCP = 0, 1


class Machine:
    """Notes what is done to devices, and with which rights processes start."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.stuck = False
        self.context = openvpn.Context(
            run_directory=root,
            key_directory=root,
            account=None,
            clock=FakeClock(),
            changed=lambda _reason: None,
            discard=self._discard,
            declined=lambda tunnel, why: self.done.append(f"{tunnel} declined: {why}"),
            interrupted=lambda tunnel: self.done.append(f"{tunnel} interrupted"),
        )
        really = spawn.launch

        def launch(
            arguments: tuple[str, ...],
            *,
            directory: Path,
            account: spawn.Account | None,
            rights: tuple[str, ...],
        ) -> spawn.Child:
            self.done.append(f"start with {rights}")
            return really(arguments, directory=directory, account=account)

        monkeypatch.setattr(spawn, "launch", launch)
        monkeypatch.setattr(openvpn, "COMMAND", ("sleep", "60"))

    async def _discard(self, device: str) -> None:
        if self.stuck:
            raise BackendError(f"delete {device}", "Operation not permitted")
        self.done.append(f"discard {device}")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@asynccontextmanager
async def running(unit: ServerUnit | ClientUnit) -> AsyncIterator[None]:
    task = asyncio.create_task(unit.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))
        await unit.stop()


async def started(machine: Machine, times: int) -> None:
    async with asyncio.timeout(5):
        while sum(one.startswith("start") for one in machine.done) < times:  # noqa: ASYNC110 - processes
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("makes_device", "expected"),
    [(True, ["discard cwu1195", "start with ('net_admin',)"]), (False, ["start with ()"])],
)
async def test_a_server_finds_no_leftover_and_has_the_right_to_make_its_device_each_time(
    machine: Machine, tmp_path: Path, expected: list[str], *, makes_device: bool
) -> None:
    spec = VpnServer(
        tunnel="acme-0",
        transport=Transport.UDP,
        device="cwu1195",
        configuration=CONFIGURATION,
        makes_device=makes_device,
    )
    unit = ServerUnit(spec, machine.context, records.Records(tmp_path / "records"))
    async with running(unit):
        await started(machine, 1)
        entry = records.Records(tmp_path / "records").read()[spec.name]
        child = spawn.adopt(entry.process.pid, entry.process.start_time)
        assert child is not None
        await child.kill()
        await started(machine, 2)
    assert machine.done == expected * 2


async def test_a_way_over_udp_takes_its_device_along_and_one_over_tcp_has_none_to_take(
    machine: Machine,
) -> None:
    leg = await Leg.launch(CLIENT, OVER_UDP, 2, machine.context)
    await leg.kill()
    assert machine.done == ["discard cwtun2", "start with ('net_admin',)", "discard cwtun2"]
    machine.done.clear()
    leg = await Leg.launch(CLIENT, OVER_TCP, 0, machine.context)
    await leg.part()
    assert machine.done == ["start with ()"]


async def test_a_way_that_another_agent_started_takes_its_device_along_too(machine: Machine) -> None:
    leg = await Leg.launch(CLIENT, OVER_UDP, 3, machine.context)
    entry = leg.record(CLIENT)
    leg.release()
    machine.done.clear()
    adopted = Leg.adopt(CLIENT, entry, machine.context)
    assert adopted is not None
    await adopted.part()
    assert machine.done == ["discard cwtun3"]


async def test_a_device_that_cannot_be_taken_away_does_not_keep_a_tunnel_from_ending(
    machine: Machine,
) -> None:
    leg = await Leg.launch(CLIENT, OVER_UDP, 2, machine.context)
    machine.stuck = True
    await leg.kill()
    assert not leg.child.alive


def test_rights_are_kept_by_name_and_none_without() -> None:
    account = spawn.Account(990, 991)
    assert not any("ambient" in word or "+" in word for word in spawn._drop_to(account, ()))
    kept = spawn._drop_to(account, openvpn.MAKING_DEVICES)
    for option in ("inh", "ambient"):
        assert f"--{option}-caps=-all,+net_admin" in kept
    assert "--bounding-set=-all,+net_admin" in kept
    assert "--no-new-privs" in kept


PROBE = PathProbe(
    tunnel="acme-0",
    devices=("cwtun0", "cwtun2"),
    ends=CLIENT.probe if isinstance(CLIENT.probe, tuple) else None,
    version=4,
    lent=frozenset({"cwtun2"}),
)


async def test_the_path_is_watched_through_a_device_as_soon_as_it_is_there_and_anew_when_it_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there: set[str] = {"cwtun0"}
    opened: list[tuple[str, socket.socket, socket.socket]] = []

    def open_udp(device: str, *_ends: object) -> path_probe.Wire:
        if device not in there:
            raise OSError(19, "No such device")
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        opened.append((device, near, far))
        return path_probe.Wire(near, lambda message, size: message.ljust(size, b"\0"), head=0)

    async def asked(count: int) -> None:
        async with asyncio.timeout(5):
            while len(opened) < count:  # noqa: ASYNC110 - there is nothing to wait for
                await asyncio.sleep(0.01)
            await asyncio.get_running_loop().sock_recv(opened[-1][2], 2048)

    monkeypatch.setattr(path_probe, "open_udp", open_udp)
    clock = FakeClock()
    links = [path_probe.Link(Transport.UDP, 4, "cwtun2", clock.now())]
    watch = path_probe.Watch(PROBE, clock, lambda: links[-1], lambda _reason: None)
    task = asyncio.create_task(watch.run(lambda: None))
    await asyncio.sleep(0.05)
    assert [device for device, _, _ in opened] == ["cwtun0"]
    there.add("cwtun2")
    await asked(2)
    clock.advance(1)
    links.append(replace(links[-1], since=clock.now()))
    await asked(3)
    assert [device for device, _, _ in opened] == ["cwtun0", "cwtun2", "cwtun2"]
    assert opened[1][1].fileno() == -1  # the one through the device before is closed
    task.cancel()
    await asyncio.wait((task,))
    assert all(near.fileno() == -1 for _, near, _ in opened)
    for _, _, far in opened:
        far.close()
