"""A tunnel that OpenVPN does not leave to the kernel although it was meant to: its process does not live, and
who plans hears of it. Messages are those of OpenVPN 2.6 and 2.7, with the time that they begin with.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from causeway_agent.backends.processes import offload_declined, openvpn, process_age, records, spawn
from causeway_agent.backends.processes.declined_tunnels import ASK_AGAIN, DeclinedTunnels
from causeway_agent.backends.processes.openvpn_client import ClientUnit
from causeway_agent.backends.processes.openvpn_server import ServerUnit
from causeway_agent.backends.processes.supervisor import Supervisor
from causeway_agent.engine.ports import Clock
from causeway_agent.plan.model.processes import Endpoint, VpnServer
from causeway_wire.observed import Carrier, Transport, TunnelState
from causeway_wire.types import Secret
from tests.fakes.clock import FakeClock
from tests.unit.agent.backends.test_made_devices import CLIENT, PLACE, running
from tests.unit.agent.backends.test_supervisor import Clock as RealClock
from tests.unit.agent.backends.test_supervisor import supervising, until

TIME = "2026-11-30 00:28:02 "
DISABLING = "disabling data channel offload"
MISSING = (
    f"Kernel support for ovpn interfaces missing, {DISABLING}. Use Linux 6.16.0 or newer with ovpn support "
    "or use ovpn-backports for interface support."
)
"""As 2.7.8 said it when the module had gone."""
VERSION = f"{TIME}OpenVPN 2.7.8 x86_64-pc-linux-gnu [SSL (OpenSSL)] [DCO]"
OPENED = f"{TIME}DCO device cwu1195 opened"
TUN = f"{TIME}TUN/TAP device cwu1195 opened"
STAND_IN = """\
import contextlib, pathlib, socket, sys
lines = open("openvpn.conf").read().splitlines()
for line in lines:
    if line.startswith("# "):
        print(line[2:], flush=True)
if "# ends" in lines:
    sys.exit(1)
pathlib.Path("management.sock").unlink(missing_ok=True)
listener = socket.socket(socket.AF_UNIX)
listener.bind("management.sock")
listener.listen()
heard = []
while True:
    heard.append(one := listener.accept()[0])
    with contextlib.suppress(OSError):  # who asked has gone
        one.sendall(b"1764460000,CONNECTED,SUCCESS,,,,,,\\nEND\\n")
        if "# restarts" in lines:
            one.sendall(b">STATE:1764460001,RECONNECTING,dco peer stats error,,,,,\\n")
            one.sendall(b">STATE:1764460002,CONNECTED,SUCCESS,,,,10.10.0.20,1195\\n")
"""


@pytest.mark.parametrize("time", [TIME, f"{TIME}us=718854 "])
@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("Note: ", MISSING),
        ("Note: ", f"Kernel support for ovpn-dco missing, {DISABLING}."),
        ("Note: ", f"cipher 'AES-256-CBC' in --data-ciphers is not supported by ovpn-dco, {DISABLING}."),
        ("Note: ", "--fragment disables data channel offload."),
        ("", "Interface cwu1195 exists and is non-DCO. Disabling data channel offload"),
        ("", "Cannot open DCO device cwu1195: Operation not supported (-95): Success (errno=0)"),
        ("", "Cannot find ovpn_dco netlink component: Object not found"),
    ],
)
def test_why_it_would_not_is_told_in_openvpns_words(tmp_path: Path, time: str, before: str, why: str) -> None:
    said = f"{time}{before}{why}"
    (tmp_path / spawn.OUTPUT).write_text(f"{said}\n{VERSION}\n{TUN}\n")
    assert offload_declined.once_up(tmp_path, "cwu1195") == f"OpenVPN: {why}"
    assert offload_declined.once_ended(tmp_path) == f"OpenVPN: {why}"


def test_a_process_whose_device_the_kernel_made_has_left_its_packets_to_it(tmp_path: Path) -> None:
    (tmp_path / spawn.OUTPUT).write_text(f"{VERSION}\n{OPENED}\n")
    assert offload_declined.once_up(tmp_path, "cwu1195") is None
    assert offload_declined.once_up(tmp_path, "cwu1196") == offload_declined.UNTOLD


def test_one_that_is_up_without_such_a_device_declined_whatever_it_says(tmp_path: Path) -> None:
    (tmp_path / spawn.OUTPUT).write_text(f"{VERSION}\n{TUN}\n")
    assert offload_declined.once_up(tmp_path, "cwu1195") == offload_declined.UNTOLD


@pytest.mark.parametrize(
    "line",
    [
        "PUSH: Received control message: 'PUSH_REPLY,{}'",
        "AUTH: Received control message: AUTH_FAILED,{}",
        "VERIFY ERROR: depth=0, error=self-signed certificate: CN={}, serial=1",
        "VERIFY OK: depth=0, CN=one\u2028{}",
        "[{}] Peer Connection Initiated with [AF_INET]192.0.2.1:1194",
    ],
)
def test_what_the_far_end_says_neither_declines_nor_opens_anything(tmp_path: Path, line: str) -> None:
    said = "\n".join(TIME + line.format(word) for word in (DISABLING, "DCO device cwu1195 opened"))
    (tmp_path / spawn.OUTPUT).write_text(f"{VERSION}\n{said}\n")
    assert offload_declined.once_ended(tmp_path) is None
    assert offload_declined.once_up(tmp_path, "cwu1195") == offload_declined.UNTOLD


def test_an_end_for_another_reason_is_no_word_of_one_that_declines(tmp_path: Path) -> None:
    assert offload_declined.once_ended(tmp_path) is None
    (tmp_path / spawn.OUTPUT).write_text(f"{VERSION}\n{TIME}Socket bind failed on local address\n")
    assert offload_declined.once_ended(tmp_path) is None


class Place:
    """What units need, with a stand-in for OpenVPN that says what its configuration tells it to."""

    def __init__(self, root: Path) -> None:
        self.declined: list[tuple[str, str]] = []
        self.interrupted: list[str] = []
        self.clock: Clock = RealClock()
        self.context = openvpn.Context(
            run_directory=root / "run",
            key_directory=root,
            account=None,
            clock=self.clock,
            changed=lambda _reason: None,
            discard=self._discard,
            declined=lambda tunnel, why: self.declined.append((tunnel, why)),
            interrupted=self.interrupted.append,
        )
        self.store = records.Records(root / "records")

    async def _discard(self, device: str) -> None:
        """There is none."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(openvpn, "COMMAND", ("python3", "-c", STAND_IN))
    return Place(tmp_path)


def says(*lines: str) -> Secret:
    return Secret("\n".join(f"# {line}" for line in lines) + "\n")


def server(configuration: Secret, *, makes_device: bool = True, declined: str | None = None) -> VpnServer:
    return VpnServer(
        tunnel="acme-0",
        transport=Transport.UDP,
        device="cwu1195",
        configuration=configuration,
        makes_device=makes_device,
        declined=declined,
    )


@pytest.mark.parametrize("ending", [(), ("ends",)])
async def test_a_server_that_declined_is_ended_and_not_started_again_and_its_start_is_no_failure(
    place: Place, ending: tuple[str, ...]
) -> None:
    unit = ServerUnit(server(says(f"{TIME}Note: {MISSING}", TUN, *ending)), place.context, place.store)
    async with running(unit), asyncio.timeout(10):
        await unit.ready()
        await until(lambda: bool(place.declined))
        pid = place.store.read()[unit.spec.name].process.pid
        assert place.declined == [("acme-0", f"OpenVPN: {MISSING}")]
        assert unit.status.state is TunnelState.CONNECTING
        await asyncio.sleep(0.3)
        assert place.store.read()[unit.spec.name].process.pid == pid
        assert process_age.start_time(pid) is None


@pytest.mark.parametrize(
    ("said", "makes_device"), [(OPENED, True), (f"{TIME}Note: {MISSING}", False), (TUN, False)]
)
async def test_a_server_lives_that_left_packets_to_the_kernel_or_never_was_to(
    place: Place, said: str, *, makes_device: bool
) -> None:
    unit = ServerUnit(server(says(said), makes_device=makes_device), place.context, place.store)
    async with running(unit), asyncio.timeout(10):
        await unit.ready()
        assert not place.declined
        assert unit.status.restarts == 0


@pytest.mark.parametrize("makes_device", [True, False])
async def test_a_server_that_goes_on_with_the_kernels_device_of_before_is_started_anew(
    place: Place, *, makes_device: bool
) -> None:
    spec = server(says(OPENED, "restarts"), makes_device=makes_device)
    unit = ServerUnit(spec, place.context, place.store)
    async with running(unit), asyncio.timeout(10):
        await unit.ready()
        first = place.store.read()[spec.name].process.pid
        if makes_device:
            await until(lambda: place.store.read()[spec.name].process.pid != first)
            assert process_age.start_time(first) is None
        else:
            await asyncio.sleep(0.5)
            assert place.store.read()[spec.name].process.pid == first


@pytest.mark.parametrize(("gone", "anew"), [("cwu1195", True), ("cwu1196", False), ("lo", False)])
async def test_a_server_without_the_device_that_it_had_made_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str, *, anew: bool
) -> None:
    monkeypatch.setattr(openvpn, "COMMAND", ("python3", "-c", STAND_IN))
    # One of that name is there: it is another process's, or has come back.
    device = "lo" if gone == "lo" else "cwu1195"
    spec = replace(server(says(OPENED.replace("cwu1195", device))), device=device)
    async with supervising(tmp_path, able=True) as supervisor, asyncio.timeout(10):
        await supervisor.start(spec)
        before = pid_of(tmp_path, spec.name)
        supervisor.lost([gone])
        if anew:
            await until(lambda: pid_of(tmp_path, spec.name) != before)
        else:
            await asyncio.sleep(0.3)
            assert pid_of(tmp_path, spec.name) == before
        await supervisor.stop_all()


@pytest.mark.parametrize(("gone", "anew"), [("cwtun2", True), ("cwtun3", False)])
async def test_a_client_without_the_device_that_it_had_made_finds_another_way(
    place: Place, gone: str, *, anew: bool
) -> None:
    said = f"{TIME}DCO device cwtun2 opened"
    way = Endpoint(address=PLACE, port=6180, transport=Transport.UDP, configuration=says(said))
    unit = ClientUnit(replace(CLIENT, endpoints=(way,)), place.context, place.store)
    async with running(unit), asyncio.timeout(10):
        await until(lambda: unit.status.state is TunnelState.CONNECTED)
        carrier = unit._carrier
        assert carrier is not None
        unit.lost([gone])
        if anew:
            await until(lambda: unit._carrier not in {None, carrier})
        else:
            await asyncio.sleep(0.3)
            assert unit._carrier is carrier


@pytest.mark.parametrize("ending", [(), ("ends",)])
async def test_a_client_that_declined_is_ended_though_it_connected(
    place: Place, ending: tuple[str, ...]
) -> None:
    way = Endpoint(
        address=PLACE,
        port=6180,
        transport=Transport.UDP,
        configuration=says(f"{TIME}Note: {MISSING}", *ending),
    )
    unit = ClientUnit(replace(CLIENT, endpoints=(way,)), place.context, place.store)
    async with running(unit), asyncio.timeout(10):
        await unit.ready()
        await until(lambda: bool(place.declined))
        assert place.declined[0] == ("acme-0", f"OpenVPN: {MISSING}")
        assert unit.status.state is TunnelState.CONNECTING


async def test_who_plans_hears_why_and_reports_tell_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvpn, "COMMAND", ("python3", "-c", STAND_IN))
    async with supervising(tmp_path, able=True) as supervisor, asyncio.timeout(10):
        events = supervisor.events()
        heard = asyncio.ensure_future(anext(events))
        await supervisor.start(server(says(f"{TIME}Note: {MISSING}")))
        await heard
        await until(lambda: bool(supervisor.declined()))
        assert supervisor.declined() == {"acme-0": f"OpenVPN: {MISSING}"}
        instead = server(Secret("dev-type tun\ndisable-dco\n"), makes_device=False)
        await supervisor.start(instead)
        (report,) = supervisor.tunnels()
        report = structs.replace(report, transport=Transport.UDP)
        assert supervisor._carrier(report) == (Carrier.PROCESS, f"OpenVPN: {MISSING}")
        await supervisor.stop(instead)


INSTEAD = server(Secret("dev-type tun\ndisable-dco\n"), makes_device=False, declined=f"OpenVPN: {MISSING}")


async def test_the_next_agent_leaves_such_a_tunnel_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvpn, "COMMAND", ("python3", "-c", STAND_IN))
    async with supervising(tmp_path, able=True) as supervisor, asyncio.timeout(10):
        await supervisor.start(INSTEAD)
    async with supervising(tmp_path, able=True) as supervisor:
        assert supervisor.running() == {INSTEAD}
        assert supervisor.declined() == {"acme-0": INSTEAD.declined}
        await supervisor.stop(INSTEAD)
        assert not supervisor.declined()


@pytest.mark.parametrize(
    ("said", "declined"), [(f"{TIME}Note: {MISSING}", {"acme-0": f"OpenVPN: {MISSING}"}), (OPENED, {})]
)
async def test_the_next_agent_looks_at_what_the_one_before_had_just_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, declined: dict[str, str]
) -> None:
    monkeypatch.setattr(openvpn, "COMMAND", ("python3", "-c", STAND_IN))
    monkeypatch.setattr(ServerUnit, "_handle", lambda *_: None)  # killed before it heard of that
    async with supervising(tmp_path, able=True) as supervisor, asyncio.timeout(10):
        start = asyncio.create_task(supervisor.start(server(says(said))))
        where = tmp_path / "run/vpn-acme-0-udp"
        await until((where / "management.sock").exists)
        start.cancel()
        await asyncio.wait((start,))
    monkeypatch.undo()
    monkeypatch.setattr(openvpn, "COMMAND", ("python3", "-c", STAND_IN))
    async with supervising(tmp_path, able=True) as supervisor, asyncio.timeout(10):
        (spec,) = supervisor.running()
        await until(lambda: supervisor.declined() == declined and settled(supervisor))
        alive = process_age.start_time(pid_of(tmp_path, spec.name)) is not None
        assert alive is not bool(declined)
        await supervisor.stop_all()


async def test_a_process_that_was_seen_to_leave_packets_to_the_kernel_is_not_asked_for_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvpn, "COMMAND", ("python3", "-c", STAND_IN))
    spec = server(says(OPENED))
    async with supervising(tmp_path, able=True) as supervisor, asyncio.timeout(10):
        await supervisor.start(spec)
    before = pid_of(tmp_path, spec.name)
    (tmp_path / "run" / spec.name / spawn.OUTPUT).write_text("")  # as `trim_output` does in time
    async with supervising(tmp_path, able=True) as supervisor, asyncio.timeout(10):
        await until(lambda: settled(supervisor))
        assert not supervisor.declined()
        assert pid_of(tmp_path, spec.name) == before
        await supervisor.stop_all()


async def test_what_kept_openvpn_from_it_is_forgotten_when_the_tunnel_is_interrupted_late_enough() -> None:
    clock = FakeClock()
    tunnels = DeclinedTunnels(clock)
    tunnels.note("acme-0", "OpenVPN: out of memory")
    tunnels.note("acme-0", "OpenVPN: another")
    clock.advance(ASK_AGAIN - 1)
    assert not tunnels.interrupted("acme-0")
    assert tunnels.reasons() == {"acme-0": "OpenVPN: out of memory"}
    assert (tunnels.reason("acme-0"), tunnels.reason("acme-1")) == ("OpenVPN: out of memory", None)
    clock.advance(1)
    assert not tunnels.interrupted("acme-1")
    assert tunnels.interrupted("acme-0")
    assert not tunnels.reasons()


async def test_a_process_in_the_kernels_place_that_ends_tells_that_the_tunnel_is_interrupted(
    place: Place,
) -> None:
    unit = ServerUnit(INSTEAD, place.context, place.store)
    async with running(unit), asyncio.timeout(10):
        await unit.ready()
        child = unit._child
        assert child is not None
        child.send(signal.SIGKILL)
        await until(lambda: place.interrupted == ["acme-0"])
    another = ServerUnit(server(says(OPENED)), place.context, place.store)
    async with running(another), asyncio.timeout(10):
        await another.ready()
        child = another._child
        assert child is not None
        child.send(signal.SIGKILL)
        await until(lambda: another.status.restarts == 1)
    assert place.interrupted == ["acme-0"]


def settled(supervisor: Supervisor) -> bool:
    """Whether the one process has said what it is up to."""
    (running,) = supervisor._running.values()
    return isinstance(running.unit, ServerUnit) and running.unit._settled.is_set()


def pid_of(root: Path, name: str) -> int:
    return records.Records(root / "run/records").read()[name].process.pid
