"""A provider whom a thousand tenants ask is waited for where nothing relies on it yet, and only there."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, cast

import aiohttp
import msgspec
import pytest

from causeway_controller.contract.halves import HalfReport, HalfState
from causeway_controller.errors import PeerSlow, PeerUnreachable
from causeway_controller.peers.client import ProviderClient, Reply
from causeway_controller.peers.half import HalfClient, HalfPatience

PATIENCE = HalfPatience(order=0.0, open=5.0, hold=0.0, end=5.0, pause=0.0)


class Provider:
    """Answers what it is told to, one request after the other."""

    def __init__(self, *answers: Exception | HalfReport) -> None:
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


def test_only_who_was_met_is_slow() -> None:
    client = ProviderClient("https://north.example", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    assert isinstance(client._failure(TimeoutError()), PeerSlow)
    assert not isinstance(client._failure(aiohttp.ConnectionTimeoutError()), PeerSlow)
