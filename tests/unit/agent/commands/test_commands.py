"""The engineer's commands, with the agent alive and dead."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from causeway_agent import __main__ as command
from causeway_agent.api import application, handlers, local, peers
from causeway_agent.api.listener import LocalListener
from causeway_agent.backends.host.storage import DirectoryStorage
from causeway_agent.commands.local import SOCKET_NAME, AgentDownError, LocalAgent, RefusedError
from causeway_agent.engine import service
from causeway_agent.engine.admission import Preconditions
from causeway_wire import codec
from causeway_wire.observed import Transport
from tests.agents import APPLIANCE, MANAGEMENT, NICS, REPLICA, Bench, partial, tenant
from tests.fakes.identity import FakeIdentity
from tests.fakes.network import FakeKernel
from tests.unit.agent.api.api_bench import versions


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "agent.json"
    document: dict[str, object] = {
        "appliance": APPLIANCE,
        "management": json.loads(codec.encode(MANAGEMENT)),
        "nics": [json.loads(codec.encode(nic)) for nic in NICS[:1]],
        "controller_ca": "CA",
        "state_directory": str(tmp_path / "state"),
        "run_directory": str(tmp_path / "run"),
    }
    (tmp_path / "run").mkdir()
    path.write_text(json.dumps(document))
    return path


@asynccontextmanager
async def alive(directory: Path) -> AsyncIterator[Bench]:
    """An agent with a document in force, its journal on a real disk and its socket served."""
    bench = Bench()
    bench.storage = DirectoryStorage(directory / "state")  # type: ignore[assignment]
    async with service.running(bench.engine()) as engine:
        change, _ = await engine.changes.submit(
            tenant(1, failover=partial(REPLICA)),
            requested_by="c1",
            preconditions=Preconditions(if_none_match=("*",)),
        )
        await engine.records.wait(change.id, seconds=10)
        operations = handlers.Handlers(engine=engine, identity=FakeIdentity(), versions=versions).operations()
        app = application.create(operations, resolver=peers.on_socket)
        local.mount(app, engine)
        async with LocalListener(app, directory / "run" / SOCKET_NAME):
            yield bench


class Machine(FakeKernel):
    """The bench's kernel, as a command without an agent opens it."""

    async def makes_vlans(self) -> bool:
        return False


def without_agent(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> None:
    """Commands that look for themselves see the bench's machine."""

    @asynccontextmanager
    async def kernel() -> AsyncIterator[object]:
        bench.kernel.__class__ = Machine
        yield bench.kernel

    monkeypatch.setattr("causeway_agent.offline.RtnlKernel.open", kernel)
    monkeypatch.setattr(
        "causeway_agent.offline.nft_counters.read", lambda _link, _table: {"drop_forward": (3, 180)}
    )


async def run(settings: Path, *arguments: str) -> int:
    """The command's exit status; it runs in a thread, as another process would."""

    def call() -> int:
        with pytest.raises(SystemExit) as ended:
            command.main(["--settings", str(settings), *arguments])
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return await asyncio.to_thread(call)


async def test_status_tells_role_failover_and_the_last_change(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with alive(settings.parent):
        assert await run(settings, "status") == 0
    out = capsys.readouterr().out
    for words in (
        "acme-tenant",
        "ready",
        "acme-tenant, tenant",
        "failover    partial",
        "net-0: 1 VM failed over",
        "drop_input 1: packets to this appliance that nothing answers",
        "generation  1",
        "done",
        "by c1",
        "acme-0",
    ):
        assert words in out


async def test_status_for_programs_is_json(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with alive(settings.parent):
        capsys.readouterr()
        assert await run(settings, "status", "--json") == 0
        found = json.loads(capsys.readouterr().out)
    assert found["observed"]["role"] == "tenant"
    assert found["change"]["state"] == "done"


async def test_a_dead_agents_status_is_what_disk_and_kernel_say(
    settings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with alive(settings.parent) as bench:
        pass

    without_agent(monkeypatch, bench)
    capsys.readouterr()
    assert await run(settings, "status") == command.AGENT_DOWN
    found = capsys.readouterr()
    assert "the agent does not run" in found.err
    for words in (
        "state       offline",
        "generation  1, epoch 1",
        "done in",
        "tunnels     known to a running agent only",
        "dropped     drop_forward 3: packets that no failover, network or rule lets pass",
        "differs     an agent would put tun device cwtun0",
    ):
        assert words in found.out


async def test_explain_takes_a_port_and_says_what_a_dead_agent_leaves_unknown(
    settings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with alive(settings.parent) as bench:
        asked = ("explain", "10.9.0.77", "10.9.0.2", "udp", "53")
        assert await run(settings, *asked) == command.FAILURE
        assert "counter drop_input: 1 packets, 60 bytes so far" in capsys.readouterr().out
        assert await run(settings, *asked[:3], "--entry", "eth1") == command.FAILURE

    without_agent(monkeypatch, bench)
    assert await run(settings, "explain", "192.168.7.30", str(REPLICA)) == command.AGENT_DOWN
    assert "only a running agent knows its state" in capsys.readouterr().out


async def test_explain_names_the_devices_when_a_packet_is_said_to_enter_on_none(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with alive(settings.parent):
        asked = ("explain", "192.168.7.30", str(REPLICA), "--entry", "eth99")
        assert await run(settings, *asked) == command.FAILURE
        assert "--entry eth99: there is no such device; there are lo" in capsys.readouterr().err
        await run(settings, *asked[:-1], "lo")
        assert "enters: on lo" in capsys.readouterr().out


async def test_explain_asks_the_running_agent(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with alive(settings.parent) as bench:
        assert await run(settings, "explain", "192.168.7.30", str(REPLICA)) == command.FAILURE
        assert "STOP tunnel" in capsys.readouterr().out
        bench.processes.transports["acme-0"] = Transport.UDP
        assert await run(settings, "explain", "192.168.7.30", str(REPLICA)) == 0
    assert f"this appliance answers for {REPLICA} on eth1" in capsys.readouterr().out


async def test_the_journal_is_read_from_disk_with_the_agent_dead(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with alive(settings.parent):
        pass
    assert await run(settings, "journal") == 0
    out = capsys.readouterr().out
    assert "0000000001-g1 done" in out
    assert f"+ announce {REPLICA} on eth1" in out
    assert "in force: generation 1" in out


async def test_a_damaged_journal_is_said(settings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with alive(settings.parent):
        pass
    (settings.parent / "state/documents/1.json").write_text("{")
    assert await run(settings, "journal") == command.FAILURE
    assert "damaged: documents/1.json" in capsys.readouterr().out


async def test_the_socket_is_for_root_and_only_looks(settings: Path) -> None:
    async with alive(settings.parent):
        path = settings.parent / "run" / SOCKET_NAME
        assert path.stat().st_mode & 0o777 == 0o600
        agent = LocalAgent(settings.parent / "run")
        with pytest.raises(RefusedError, match="kept"):
            await asyncio.to_thread(agent.get, "/v1/changes/none")
        with pytest.raises(RefusedError, match="source"):
            await asyncio.to_thread(agent.get, "/local/explain?source=x&destination=y")


async def test_a_dead_agent_is_told_from_one_that_refuses(tmp_path: Path) -> None:
    with pytest.raises(AgentDownError):
        LocalAgent(tmp_path).get("/v1")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}", "cut off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]", "no sensible answer"),
        (b"220 mail.example ESMTP\r\n\r\n{}", "not HTTP"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_no_answer(tmp_path: Path, answer: bytes, why: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / SOCKET_NAME):
        with pytest.raises(AgentDownError, match=why):
            await asyncio.to_thread(LocalAgent(tmp_path).get, "/v1")


async def test_wrong_settings_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "agent.json"
    path.write_text('{"appliance": 7}')
    assert await run(path, "status") == command.FAILURE
    error = capsys.readouterr().err
    assert "/appliance" in error
    assert "Traceback" not in error


async def test_a_name_is_no_address_and_who_knows_names_is_said(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(settings, "explain", "web1", str(REPLICA)) == 2
    said = capsys.readouterr().err
    assert "web1 is no IP address" in said
    assert "`causeway explain A B`" in said


def test_an_appliance_without_settings_is_told_what_to_look_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        command.main(["--settings", str(tmp_path / "agent.json"), "status"])
    said = capsys.readouterr().err
    assert "has taken no seed yet" in said
    assert "`causeway-agent console --once`" in said
