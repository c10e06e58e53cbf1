"""An update passes through the API as it comes, and does not get in anybody's way."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse
from msgspec import UNSET, UnsetType

from causeway_agent.api import updates
from causeway_agent.api.peers import Peer
from causeway_agent.commands.local import ASKED_PATH
from causeway_agent.web import line
from causeway_wire import codec
from causeway_wire.identity import Certificate
from causeway_wire.observed import Health
from causeway_wire.problem import ProblemType
from causeway_wire.routes import Permission
from causeway_wire.update import Activation, Slot, SlotState, UpdateState, UpdateStatus
from tests import agents, rules
from tests.fakes.slots import EMPTY
from tests.unit.agent.api import api_bench
from tests.unit.agent.api.api_bench import JSON, Api, refused, serving

FILE = bytes(range(256)) * 3_000
BUILD = hashlib.sha256(FILE).hexdigest()


def headers(**changes: str) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(FILE).digest()).decode()
    announced = {"Content-Digest": f"sha-256=:{digest}:", "Content-Type": "application/octet-stream"}
    return {**announced, **{name.replace("_", "-"): value for name, value in changes.items()}}


async def put(api: Api, content: Any = FILE, query: str = "", **changes: str) -> ClientResponse:
    return await api.client.put(f"/v1/update{query}", data=content, headers=headers(**changes))


async def activate(api: Api, build: str = BUILD, *, allow_older: bool | UnsetType = UNSET) -> ClientResponse:
    body = codec.encode(Activation(build=build, allow_older=allow_older))
    return await api.client.post("/v1/update/activate", data=body, headers=JSON)


async def status(answer: ClientResponse) -> UpdateStatus:
    return codec.decode(await answer.read(), UpdateStatus)


async def test_a_file_goes_into_the_other_slot_piece_by_piece() -> None:
    async with serving() as api:
        answer = await put(api)
        found = await status(answer)
        assert (answer.status, found.state, found.running) == (200, UpdateState.READY, Slot.A)
        assert found.report(Slot.B).build == BUILD
        assert api.bench.slots.most <= line.PIECE_BYTES < len(FILE)


async def test_what_was_received_is_activated_by_name_alone() -> None:
    async with serving() as api:
        await put(api)
        await refused(await activate(api, "0" * 64), ProblemType.UPDATE_NOT_READY)
        answer = await activate(api)
        assert (answer.status, (await status(answer)).next) == (202, Slot.B)


async def test_abandoned_is_empty() -> None:
    async with serving() as api:
        await put(api)
        found = await status(await api.client.delete("/v1/update"))
        assert found.report(Slot.B).state is SlotState.EMPTY


async def test_asking_again_and_again_asks_the_disk_once() -> None:
    async with serving() as api:
        for _ in range(3):
            assert (await status(await api.client.get("/v1/update"))).state is UpdateState.IDLE
        assert api.bench.slots.asked == 1


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"Content_Digest": "sha-256=:AAAA:"}, ProblemType.INVALID),
        ({"Content_Digest": "md5=:AAAA:"}, ProblemType.INVALID),
        ({"Content_Type": "application/json"}, ProblemType.UNSUPPORTED_MEDIA_TYPE),
        ({"Content_Encoding": "gzip"}, ProblemType.UNSUPPORTED_MEDIA_TYPE),
    ],
)
async def test_what_is_not_announced_properly_is_refused_before_it_is_passed_on(
    changes: dict[str, str], kind: ProblemType
) -> None:
    async with serving() as api:
        await refused(await put(api, **changes), kind)
        assert api.bench.slots.other == EMPTY


async def test_a_file_of_unknown_length_or_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield FILE

    async with serving() as api:
        await refused(await put(api, pieces()), ProblemType.INVALID)
        monkeypatch.setattr(updates, "UPDATE_BYTES", 1000)
        await refused(await put(api), ProblemType.TOO_LARGE)


async def test_a_file_that_was_changed_on_its_way_is_refused() -> None:
    async with serving() as api:
        await refused(await put(api, FILE[1:] + b"x"), ProblemType.UPDATE_REFUSED)


async def test_an_older_system_is_neither_taken_nor_started_unless_told() -> None:
    async with serving() as api:
        api.bench.slots.older = True
        for query in ("", "?allow_older=false"):
            await refused(await put(api, query=query), ProblemType.UPDATE_OLDER)
        assert api.bench.slots.other == EMPTY
        assert (await put(api, query="?allow_older=true")).status == 200
        for said in (UNSET, False):
            await refused(await activate(api, allow_older=said), ProblemType.UPDATE_OLDER)
        assert api.bench.slots.other.state is SlotState.READY
        assert (await activate(api, allow_older=True)).status == 202


@pytest.mark.parametrize("query", ["?allow_older=yes", "?allow_older=", "?allow-older=true"])
async def test_a_permission_that_is_misspelt_is_none(query: str) -> None:
    async with serving() as api:
        api.bench.slots.older = True
        await refused(await put(api, query=query), ProblemType.INVALID)
        assert api.bench.slots.other == EMPTY


async def test_a_file_that_stops_coming_is_refused_and_the_next_one_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(updates, "CHUNK_SECONDS", 0.1)
    gone = asyncio.Event()

    async def stops() -> AsyncIterator[bytes]:
        yield FILE[:1000]
        await gone.wait()

    async with serving() as api:
        answer = await put(api, stops(), Content_Length=str(len(FILE)))
        await refused(answer, ProblemType.TOO_SLOW)
        gone.set()
        assert (await put(api)).status == 200


async def test_during_an_upload_others_are_answered_and_a_second_one_is_refused() -> None:
    go = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield FILE[:100_000]
        await go.wait()
        yield FILE[100_000:]

    async with serving() as api:
        first = asyncio.create_task(put(api, slowly(), Content_Length=str(len(FILE))))
        async with asyncio.timeout(5):
            while (seen := await status(await api.client.get("/v1/update"))).received < 100_000:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert seen.state is UpdateState.RECEIVING
        await refused(await put(api), ProblemType.UPDATE_IN_PROGRESS)
        assert (await api.client.get("/v1/observed")).status == 200
        go.set()
        assert (await first).status == 200


async def test_who_may_only_observe_sees_and_changes_nothing() -> None:
    async with serving() as api:
        api.permission = Permission.OBSERVE
        assert (await api.client.get("/v1/update")).status == 200
        for answer in (await put(api), await activate(api), await api.client.delete("/v1/update")):
            await refused(answer, ProblemType.FORBIDDEN)
        assert api.bench.slots.other == EMPTY


async def test_an_appliance_that_is_not_well_does_not_restart_into_another_system(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving() as api:
        await put(api)
        monkeypatch.setattr(api.engine.updates, "_health", lambda: Health(healthy=False, reason="no route"))
        found = await refused(await activate(api), ProblemType.UNAVAILABLE)
        assert "no route" in found.detail
        assert api.bench.slots.other.state is SlotState.READY


async def test_a_system_on_trial_takes_nothing_that_outlives_it() -> None:
    async with serving() as api:
        api.bench.slots.trial = True
        before = dict(api.bench.storage.files)
        await refused(await api.put(agents.tenant()), ProblemType.UPDATE_IN_PROGRESS)
        certificate = Certificate(certificate=agents.CERTIFICATE, controller_ca=agents.CERTIFICATE)
        for method, path, document in (
            ("PUT", "/v1/public-rules", rules.table()),
            ("PATCH", "/v1/public-rules", rules.patch()),
            ("PUT", "/v1/identity/certificate", certificate),
        ):
            answer = await api.client.request(method, path, data=codec.encode(document), headers=JSON)
            await refused(answer, ProblemType.UPDATE_IN_PROGRESS)
        assert api.bench.storage.files == before
        api.bench.slots.trial = False
        assert (await api.put(agents.tenant())).status == 202


async def _document_on_trial(api: Api) -> None:
    """What a failover does that was begun during the trial."""
    api.bench.slots.trial = True
    await refused(await api.put(agents.tenant()), ProblemType.UPDATE_IN_PROGRESS)


@pytest.mark.parametrize("ask", [lambda api: api.client.get("/v1/update"), _document_on_trial])
@pytest.mark.parametrize(("connected", "asked"), [(None, False), (12.5, True)])
async def test_only_who_came_through_the_network_proves_a_way_in(
    monkeypatch: pytest.MonkeyPatch,
    connected: float | None,
    asked: bool,  # noqa: FBT001
    ask: Callable[[Api], Awaitable[object]],
) -> None:
    monkeypatch.setattr(api_bench, "Peer", lambda name, permission: Peer(name, permission, connected))
    async with serving(on_socket=True) as api:
        await ask(api)
        answer = await api.client.get(ASKED_PATH)
        assert await answer.json() == {"asked": asked}


async def test_a_change_that_awaits_its_confirmation_is_not_cut_by_an_update() -> None:
    async with serving() as api:
        await put(api)
        await api.client.put(
            "/v1/desired?confirm=60",
            data=codec.encode(agents.tenant()),
            headers={**JSON, "If-None-Match": "*"},
        )
        async with asyncio.timeout(5):
            while (change := api.engine.changes.in_flight) is None or not change.resting:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await refused(await activate(api), ProblemType.AWAITING_CONFIRMATION)
