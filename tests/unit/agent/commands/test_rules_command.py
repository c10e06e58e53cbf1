"""`causeway-agent rules`, with the agent alive and dead."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from causeway_agent import __main__ as command
from causeway_agent.api import application, handlers, peers
from causeway_agent.api.listener import LocalListener
from causeway_agent.backends.host.storage import DirectoryStorage
from causeway_agent.commands.local import SOCKET_NAME
from causeway_agent.engine import service
from causeway_agent.engine.admission import Preconditions
from causeway_agent.plan.filter import public_elements
from causeway_wire import codec
from causeway_wire.public_rules import Protocol
from tests import agents, rules
from tests.agents import APPLIANCE, MANAGEMENT, NICS, Bench
from tests.fakes.identity import FakeIdentity
from tests.unit.agent.api.api_bench import versions

PUBLIC, VM = "198.51.100.10", "192.168.7.20"
WEB = rules.rule("web", 443, public=PUBLIC, internal=VM)
VOICE = rules.rule(
    "voice",
    5000,
    last=5009,
    to=6000,
    public=PUBLIC,
    internal=VM,
    protocol=Protocol.UDP,
    sources=("203.0.113.0/24",),
)


def settings(directory: Path) -> Path:
    path = directory / "agent.json"
    document: dict[str, object] = {
        "appliance": APPLIANCE,
        "management": json.loads(codec.encode(MANAGEMENT)),
        "nics": [json.loads(codec.encode(nic)) for nic in NICS[:1]],
        "controller_ca": "CA",
        "state_directory": str(directory / "state"),
        "run_directory": str(directory / "run"),
    }
    (directory / "run").mkdir()
    path.write_text(json.dumps(document))
    return path


async def run(path: Path, *arguments: str) -> int:
    def call() -> int:
        with pytest.raises(SystemExit) as ended:
            command.main(["--settings", str(path), "rules", *arguments])
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return await asyncio.to_thread(call)


async def test_rules_are_listed_with_what_passed_and_without_an_agent_from_the_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, bench = settings(tmp_path), Bench()
    bench.storage = DirectoryStorage(tmp_path / "state")  # type: ignore[assignment]
    async with service.running(bench.engine()) as engine:
        document = agents.provider(public=(PUBLIC,))
        change, _ = await engine.changes.submit(
            document, requested_by="c1", preconditions=Preconditions(if_none_match=("*",))
        )
        await engine.records.wait(change.id, seconds=10)
        table = rules.table(WEB, VOICE)
        await engine.rules.put(table, codec.encode(table))
        bench.publications.count("published4", public_elements.entry(WEB).key, 7, 420)
        operations = handlers.Handlers(engine=engine, identity=FakeIdentity(), versions=versions).operations()
        app = application.create(operations, resolver=peers.on_socket)
        async with LocalListener(app, tmp_path / "run" / SOCKET_NAME):
            capsys.readouterr()
            assert await run(path) == 0
            out = capsys.readouterr().out
            assert await run(path, "--json") == 0
            assert json.loads(capsys.readouterr().out)["counters"]["web"]["bytes"] == 420
    lines = [line for line in out.splitlines() if not line.startswith("20")]
    only = "from 203.0.113.0/24 only"
    assert lines == [
        "revision 1, 2 rules",
        f"web: tcp {PUBLIC} port 443 to {VM} port 443, 7 packets, 420 octets",
        f"voice: udp {PUBLIC} port 5000-5009 to {VM} port 6000-6009, {only}, 0 packets, 0 octets",
    ]
    capsys.readouterr()
    assert await run(path) == command.AGENT_DOWN
    found = capsys.readouterr()
    assert f"web: tcp {PUBLIC} port 443 to {VM} port 443\n" in found.out
    assert "the agent does not run" in found.err
