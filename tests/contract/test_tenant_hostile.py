"""Whatever a tenant's controller sends to its provider's: documented answers, and no defect."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st

from tests.described import CHECKS, MORE, drawn, operations
from tests.two_sites import World, two_sites

OPERATIONS = operations("tenant-openapi.json")
DEFECT = 500
THERE = {"host": "esx1", "run": "r1", "half": "r1", "network": "lan"}
_SECONDS = 60

pytestmark = pytest.mark.timeout(300 + 60 * MORE)


@dataclass
class Member:
    """A provider in a thread, and the files of a tenant's controller that joined."""

    world: World
    certificate: Path
    key: Path
    port: int


@pytest.fixture
def member(tmp_path: Path, unused_tcp_port: int) -> Iterator[Member]:
    found: list[Member] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    leave = asyncio.Event()

    async def serve() -> None:
        async with two_sites(tmp_path, unused_tcp_port) as world, world.tenant() as tenant:
            await tenant.join(world.invited())
            link = tenant.link()
            certificate, key = tmp_path / "own.pem", tmp_path / "own.key"
            certificate.write_text(link.certificate or "")
            key.write_text(link.key.reveal())
            found.append(Member(world, certificate, key, unused_tcp_port))
            ready.set()
            await leave.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(_SECONDS)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(leave.set)
        thread.join(_SECONDS)
        loop.close()


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("label", [each for each in OPERATIONS if each != "DELETE /v1/membership"])
def test_any_request_gets_a_documented_answer(member: Member, label: str) -> None:
    operation = OPERATIONS[label]
    modes = [operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]

    @drawn(max_examples=8 * MORE)
    @given(case=st.one_of(modes), known=st.booleans())
    def answered(case: schemathesis.Case[Any], known: bool) -> None:  # noqa: FBT001 - hypothesis names it
        if known and case.path_parameters:
            case.path_parameters = {name: THERE[name] for name in case.path_parameters}
        if "wait" in case.query:
            case.query["wait"] = 0
        answer = case.call(
            base_url=f"https://127.0.0.1:{member.port}",
            cert=(str(member.certificate), str(member.key)),
            verify=False,
            timeout=30,
        )
        case.validate_response(answer, checks=CHECKS)
        assert answer.status_code < DEFECT, answer.text

    answered()
    assert member.world.members() == ["acme"]
