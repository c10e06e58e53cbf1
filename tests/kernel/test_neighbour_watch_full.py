"""Gateways and public addresses that a full failover holds: said again, listened for, given back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address

import msgspec
import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_wire.desired import Claims, Desired, ProviderRole, StaleAnswer
from causeway_wire.observed import DuplicateState
from tests import documents
from tests.kernel import watching as watched
from tests.kernel.watching import (
    NIC,
    SPACE,
    Appliance,
    answering_late,
    becomes,
    claim,
    forget,
    says,
    turns,
)
from tests.neighbour_wire import OTHER_MAC, colon, mac_of, send
from tests.wired import addresses, run, segment

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]


@dataclass(frozen=True)
class Held:
    """Addresses that an adapter of the appliance holds: one of each IP version, and where they are named."""

    adapter: int
    addresses: tuple[str, str]
    pointer: str


GATEWAYS = Held(1, ("192.168.0.1", "2001:db8::1"), "/role/networks/0/gateways")
DEFAULTS = Claims()
PUBLIC = Held(0, (documents.PUBLIC[0], documents.PUBLIC[2]), "/role/public_addresses")


@pytest.fixture(params=[GATEWAYS, PUBLIC], ids=["gateways", "public addresses"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Our adapter holds these; a machine of its segment is at the other end."""
    watched.hurry(monkeypatch)
    with segment(NIC, SPACE, "accept_dad=0"):
        run("ip", "link", "set", NIC, "address", documents.MACS[request.param.adapter])
        addresses(SPACE, "host", "192.168.0.30/24", "198.51.100.30/24", "2001:db8::30/64")
        yield request.param


def document(claims: Claims) -> Desired:
    whole = documents.provider(documents.full("net-0", "net-1"))
    assert isinstance(whole.role, ProviderRole)
    return msgspec.structs.replace(whole, role=msgspec.structs.replace(whole.role, claims=claims))


@contextlib.asynccontextmanager
async def watching(held: Held, claims: Claims = DEFAULTS) -> AsyncIterator[Appliance]:
    """The appliance's watch, of which one adapter is wired."""
    devices = {**documents.DEVICES, documents.MACS[held.adapter]: NIC}
    full = document(claims)
    target = compile_document(full, replace(documents.FACTS, devices=devices))
    async with watched.watching(full, target) as appliance:
        await becomes(lambda: bool(appliance.neighbours._held))
        yield appliance


async def test_neighbours_that_missed_the_announcement_hear_the_next(held: Held) -> None:
    async with watching(held) as appliance:
        for address in held.addresses:
            await claim(appliance, address)
        for _ in range(2):
            for address in held.addresses:
                forget(address)
            for address in held.addresses:
                await turns(address)


async def test_machines_that_have_them_too_are_told_be_they_silent_or_not(held: Held) -> None:
    """Those that speak are heard, those that are silent are asked."""
    async with watching(held) as appliance:
        for address in held.addresses:
            await asyncio.to_thread(send, SPACE, says(OTHER_MAC, address))
            await appliance.tells(address, DuplicateState.CONTESTED, OTHER_MAC)
        assert appliance.state.trouble is not None
        assert str(appliance.state.trouble.pointer).startswith(held.pointer)
        await becomes(lambda: appliance.state.trouble is None and not appliance.state.contested)
        for address in held.addresses:
            run("ip", "-n", SPACE, "addr", "add", address, "dev", "host")
            await appliance.tells(address, DuplicateState.CONTESTED, mac_of(SPACE))


async def test_a_late_answer_takes_them_back_until_its_machine_is_silent(held: Held) -> None:
    async with watching(held) as appliance:
        with contextlib.ExitStack() as late:
            for address in held.addresses:
                late.enter_context(answering_late(address, 0.3))
                await claim(appliance, address)
                await appliance.tells(address, DuplicateState.RELEASED, mac_of(SPACE))
            appliance.recompile()
            assert appliance.state.target is not None
            left = {each.interface.ip for each in appliance.state.target.addresses}
            assert not left & set(map(ip_address, held.addresses))
        await becomes(lambda: not appliance.state.contested)
        appliance.recompile()
        assert appliance.state.target == appliance.whole


async def test_a_stale_answer_that_the_document_names_is_told_and_no_trouble(held: Held) -> None:
    stale = tuple(StaleAnswer(address=ip_address(each), mac=colon(OTHER_MAC)) for each in held.addresses)
    async with watching(held, Claims(anyway=stale)) as appliance:
        for address in held.addresses:
            await asyncio.to_thread(send, SPACE, says(OTHER_MAC, address))
            await appliance.tells(address, DuplicateState.OVERRIDDEN, OTHER_MAC)
        assert appliance.state.trouble is None
