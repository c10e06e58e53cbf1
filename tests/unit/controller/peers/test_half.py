"""A provider whom a thousand tenants ask is waited for where nothing relies on it yet, and only there."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, cast

import aiohttp
import msgspec
import pytest

from causeway_controller.contract.halves import HalfReport, HalfState
from causeway_controller.contract.tenant_view import TenantResources, VersionedResources
from causeway_controller.errors import HalfStands, PeerSlow, PeerUnreachable
from causeway_controller.failover.steps import Ending
from causeway_controller.peers.client import ProviderClient, Reply
from causeway_controller.peers.half import HalfClient, HalfPatience

PATIENCE = HalfPatience(order=0.0, open=5.0, hold=0.0, end=5.0, pause=0.0)


class Provider:
    """Answers what it is told to, one request after the other."""

    def __init__(self, *answers: Exception | HalfReport | VersionedResources) -> None:
        self._answers = list(answers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is kept open."""

    async def ask(self, *_: object, **__: object) -> Reply:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Reply(status=200, body=msgspec.json.encode(answer))


def half(provider: Provider) -> HalfClient:
    async def connect() -> ProviderClient:
        return cast(ProviderClient, provider)

    return HalfClient(connect=connect, name="north", run="run-1", patience=PATIENCE)


def held() -> HalfReport:
    return HalfReport(epoch=1, state=HalfState.HELD)


async def opened(asked: HalfClient) -> str:
    return await asked.open("esx1", frozenset({"db1"}), end_full=False, epoch=1)


async def test_who_is_slow_is_asked_again_to_open_a_half() -> None:
    assert await opened(half(Provider(PeerSlow(), PeerSlow(), held()))) == "run-1"


async def test_who_is_not_there_is_not_waited_for() -> None:
    with pytest.raises(PeerUnreachable):
        await opened(half(Provider(PeerUnreachable(), held())))


@pytest.mark.parametrize(
    "order",
    [
        lambda asked: asked.confirm("run-1", epoch=1),
        lambda asked: asked.extend("run-1", seconds=5, epoch=1),
    ],
)
async def test_what_the_tenants_appliance_relies_on_waits_for_nobody(
    order: Callable[[HalfClient], Awaitable[Any]],
) -> None:
    with pytest.raises(PeerSlow):
        await order(half(Provider(PeerSlow(), held())))


def nothing_served() -> VersionedResources:
    resources = TenantResources(
        tenant="acme",
        hosts=(),
        networks=(),
        replicas=(),
        plans=(),
        full_failover_by=(),
        public_addresses=(),
        open_runs=(),
    )
    return VersionedResources(version="0" * 64, resources=resources)


async def closed(asked: HalfClient, *, opened: bool) -> bool:
    vms = frozenset({"db1"})
    return await asked.close("esx1", vms, opened=opened, ending=Ending.UNDO, epoch=1)


async def test_who_is_slow_is_told_until_it_hears_to_take_a_half_back() -> None:
    gone = HalfReport(epoch=1, state=HalfState.GONE)
    assert await closed(half(Provider(PeerSlow(), PeerSlow(), PeerSlow(), gone)), opened=True)


async def test_who_is_slow_to_say_what_it_serves_is_asked_again_before_a_half_is_left() -> None:
    assert not await closed(half(Provider(PeerSlow(), PeerSlow(), nothing_served())), opened=False)


async def test_who_is_slow_for_too_long_is_not_told_for_ever() -> None:
    asked = half(Provider(PeerSlow(), HalfReport(epoch=1, state=HalfState.GONE)))
    with pytest.raises(PeerSlow):
        await closed(replace(asked, patience=replace(PATIENCE, end=0.0)), opened=True)


async def test_what_the_provider_could_not_take_back_is_not_told_to_be_gone() -> None:
    gone = HalfReport(epoch=1, state=HalfState.GONE, why="esx1 was away; not taken back: vm-1", stands=True)
    with pytest.raises(HalfStands, match="not taken back: vm-1"):
        await closed(half(Provider(gone)), opened=True)


def test_only_who_was_met_is_slow() -> None:
    client = ProviderClient("https://north.example", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    assert isinstance(client._failure(TimeoutError()), PeerSlow)
    assert not isinstance(client._failure(aiohttp.ConnectionTimeoutError()), PeerSlow)
