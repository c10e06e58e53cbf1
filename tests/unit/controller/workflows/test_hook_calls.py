"""Hooks as commands and as addresses: told everything but secrets, bounded, their failure in words."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from causeway_controller.errors import HookFailed
from causeway_controller.failover.steps import Call, HookMoment
from causeway_controller.hypervisors.threads import in_thread
from causeway_controller.settings import HookTarget
from causeway_controller.workflows.hook_calls import HookCalls


def call(*, timeout: float = 10.0) -> Call:
    return Call(
        hook="hold",
        moment=HookMoment.HOLD,
        request="fail-over-site",
        tenant="acme",
        vms=("db1", "web1"),
        timeout=timeout,
    )


def command(tmp_path: Path, text: str) -> HookCalls:
    program = tmp_path / "hook"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return HookCalls({"hold": HookTarget(command=(str(program), "--fast"))})


async def refused(hooks: HookCalls, asked: Call) -> str:
    with pytest.raises(HookFailed) as caught:
        await hooks.call(asked, "r1")
    return str(caught.value)


async def test_a_command_is_told_all_and_sees_nothing_of_the_controller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAUSEWAY_STORE", "postgresql://causeway:secret@db/causeway")
    hooks = command(tmp_path, f'echo "$@" >{tmp_path}/arguments; env >{tmp_path}/environment')
    await hooks.call(call(), "r1")
    assert (tmp_path / "arguments").read_text() == "--fast\n"
    seen = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().splitlines())
    assert {name: text for name, text in seen.items() if name.startswith("CAUSEWAY_")} == {
        "CAUSEWAY_RUN": "r1",
        "CAUSEWAY_MOMENT": "hold",
        "CAUSEWAY_KEY": "r1/hold",
        "CAUSEWAY_REQUEST": "fail-over-site",
        "CAUSEWAY_TENANT": "acme",
        "CAUSEWAY_VMS": "db1 web1",
    }


async def test_a_command_that_fails_or_takes_too_long_is_said_to(tmp_path: Path) -> None:
    assert await refused(command(tmp_path, "exit 3"), call()) == "hook hold: it ended with status 3"
    assert "not done after 0.2 s" in await refused(command(tmp_path, "sleep 60"), call(timeout=0.2))
    missing = HookCalls({"hold": HookTarget(command=(str(tmp_path / "nothing"),))})
    assert "cannot be started" in await refused(missing, call())


async def test_commands_that_take_long_keep_nobody_from_the_store(tmp_path: Path) -> None:
    """What asks the store does so in the threads that the loop has for everybody."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=1))
    begun, may_end = tmp_path / "begun", tmp_path / "may-end"
    os.mkfifo(begun)
    os.mkfifo(may_end)
    hooks = command(tmp_path, f"echo >{begun}; read line <{may_end}")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hooks.call(call(), "r1"))
        await in_thread(begun.read_text, name="waits")
        assert await asyncio.to_thread(lambda: "the store's answer") == "the store's answer"
        may_end.write_text("now\n")


async def test_an_unknown_hook_names_the_setting() -> None:
    assert not HookCalls({}).known("hold")
    assert "hooks.hold.call" in await refused(HookCalls({}), call())


class Endpoint:
    """An address of the provider's, and what it was sent."""

    def __init__(self) -> None:
        self.status = 204
        self.seen: list[tuple[dict[str, str], dict[str, str]]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append((dict(request.headers), json.loads(await request.read())))
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[tuple[Endpoint, str]]:
    made = Endpoint()
    application = web.Application()
    application.router.add_post("/hook", made.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield made, f"http://127.0.0.1:{port}/hook"
    await runner.cleanup()


async def test_an_address_is_posted_to_with_a_key_and_a_token(
    endpoint: tuple[Endpoint, str], tmp_path: Path
) -> None:
    made, url = endpoint
    token = tmp_path / "token"
    token.write_text("shown\n")
    await HookCalls({"hold": HookTarget(url=url, token_file=token)}).call(call(), "r1")
    ((headers, told),) = made.seen
    assert (headers["Idempotency-Key"], headers["Authorization"]) == ("r1/hold", "Bearer shown")
    assert told["vms"] == "db1 web1"
    assert "shown" not in json.dumps(told)


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_only_success_is_success(endpoint: tuple[Endpoint, str], status: int) -> None:
    made, url = endpoint
    made.status = status
    said = await refused(HookCalls({"hold": HookTarget(url=url)}), call())
    assert said == f"hook hold: it answered with status {status}"
    assert len(made.seen) == 1


async def test_an_address_that_cannot_prove_itself_is_told_nothing(endpoint: tuple[Endpoint, str]) -> None:
    made, url = endpoint
    said = await refused(HookCalls({"hold": HookTarget(url=url.replace("http:", "https:"))}), call())
    assert "cannot be called" in said
    assert made.seen == []
