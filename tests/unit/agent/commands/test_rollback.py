"""`causeway-agent rollback` with the agent alive: it does it itself, and what is final stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from causeway_agent import offline, rollback
from causeway_agent.api import application, handlers, local, peers
from causeway_agent.api.listener import LocalListener
from causeway_agent.backends.host.storage import DirectoryStorage
from causeway_agent.backends.processes import lock
from causeway_agent.commands import changes
from causeway_agent.commands.local import SOCKET_NAME
from causeway_agent.engine import service
from causeway_agent.engine.admission import Preconditions
from causeway_agent.engine.service import Engine
from causeway_agent.settings import Settings
from causeway_wire.change import Change, ChangeState
from tests.agents import APPLIANCE, MANAGEMENT, NICS, Bench, tenant
from tests.fakes.identity import FakeIdentity
from tests.unit.agent.api.api_bench import versions


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("state", "run"):
        (tmp_path / name).mkdir()
    return Settings(
        appliance=APPLIANCE,
        management=MANAGEMENT,
        nics=NICS[:1],
        controller_ca="CA",
        state_directory=str(tmp_path / "state"),
        run_directory=str(tmp_path / "run"),
    )


@asynccontextmanager
async def alive(settings: Settings) -> AsyncIterator[Engine]:
    """An agent on fakes with its socket served, holding the appliance."""
    bench = Bench()
    bench.storage = DirectoryStorage(Path(settings.state_directory))  # type: ignore[assignment]
    async with service.running(bench.engine()) as engine:
        operations = handlers.Handlers(engine=engine, identity=FakeIdentity(), versions=versions).operations()
        app = application.create(operations, resolver=peers.on_socket)
        local.mount(app, engine)
        with lock.hold(Path(settings.state_directory), lock.AGENT):
            async with LocalListener(app, Path(settings.run_directory) / SOCKET_NAME):
                yield engine


async def put(engine: Engine, *, confirm: int | None) -> Change:
    change, _ = await engine.changes.submit(
        tenant(1), requested_by="c1", preconditions=Preconditions(if_none_match=("*",)), confirm=confirm
    )
    found = await engine.records.wait(change.id, seconds=10)
    assert found is not None
    return found


async def roll_back(settings: Settings, change: str) -> list[str]:
    """What the command says; it runs in a thread, as another process would."""
    said: list[str] = []
    await asyncio.to_thread(rollback.run, settings, Path("agent.json"), change, say=said.append)
    return said


async def test_a_living_agent_takes_the_change_back_itself(settings: Settings) -> None:
    async with alive(settings) as engine:
        change = await put(engine, confirm=60)
        headline = changes.render(offline.journal(settings).recover())[0]
        assert "awaiting-confirmation, taken back unless confirmed before 2026-01-01 00:01:00" in headline
        assert await roll_back(settings, change.id) == [f"change {change.id} is rolled-back"]
        found = engine.records.get(change.id)
        assert found is not None
        assert found.state is ChangeState.ROLLED_BACK
        assert await roll_back(settings, change.id) == [f"change {change.id} is rolled-back"]


async def test_what_is_final_stays(settings: Settings) -> None:
    async with alive(settings) as engine:
        change = await put(engine, confirm=None)
        assert await roll_back(settings, change.id) == [f"change {change.id} is done"]
        assert engine.state.conforming == 1


async def test_a_change_that_nobody_knows_is_said(settings: Settings) -> None:
    async with alive(settings):
        with pytest.raises(rollback.NotTakenBackError, match="kept"):
            await roll_back(settings, "0000000007-g7")
    with pytest.raises(rollback.NotTakenBackError, match="kept"):
        await roll_back(settings, "0000000007-g7")


async def test_another_rollback_at_work_is_waited_for_and_never_ended(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def recover(*_: object) -> None:
        """Touches no real machine."""

    monkeypatch.setattr(rollback, "HUNG_SECONDS", 0.0)
    monkeypatch.setattr(rollback, "_recover", recover)
    async with alive(settings) as engine:
        change = await put(engine, confirm=60)
    with lock.hold(Path(settings.state_directory), lock.ROLLBACK):
        waiting = asyncio.create_task(roll_back(settings, change.id))
        await asyncio.sleep(0.6)
        assert not waiting.done()
    assert ["going back without it" in sentence for sentence in await waiting] == [True]
