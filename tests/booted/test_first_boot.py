"""First boot in QEMU: what becomes of a fresh machine, seen on its console, on its cable and from inside.

No seed and a refused one leave it without a network: no address, no adapter that is up, no listener, and not
one frame on its cable.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from causeway_controller.errors import AgentUnreachable, EnrolmentRefused
from causeway_lab.qemu.command import Carrier
from tests.booted import fresh_machine
from tests.booted.fresh_machine import ADDRESS, APPLIANCE, FOREIGN_MAC, OTHER, OWNER, PORT, Fresh

pytestmark = [pytest.mark.booted, pytest.mark.timeout(4 * fresh_machine.BOOT_SECONDS)]

TAKEN = f"this machine is {APPLIANCE} now, by the seed from"
SSH_PORT = 22
CAPABILITIES = ("wireguard", "vrf", "vlan_8021q", "openvpn_dco")


@pytest.fixture(autouse=True)
def _wired(sandboxed: None) -> Iterator[None]:
    with fresh_machine.wired():
        yield


@pytest_asyncio.fixture
async def fresh(tmp_path: Path) -> AsyncIterator[Fresh]:
    machine = Fresh(tmp_path)
    yield machine
    await machine.provider.destroy(OWNER)


def token() -> str:
    return secrets.token_urlsafe(24)


def spoilt(data: bytes, **changes: object) -> bytes:
    return json.dumps({**json.loads(data), **changes}).encode()


async def has_no_network(machine: Fresh) -> bool:
    """From inside; and the address that a seed would have given it answers nobody."""
    inside = await machine.inside()
    assert inside.closed, inside
    return not await machine.answers(PORT)


async def test_a_machine_waits_silently_refuses_what_is_wrong_and_takes_the_right_disc(fresh: Fresh) -> None:
    good = fresh.seed(token=token())
    await fresh.deploy(b"")
    await fresh.power(on=True)
    with fresh_machine.cable() as wire:
        await fresh.says("waiting for a seed: attach its ISO image")
        assert await has_no_network(fresh)
        for data, sentence in (
            (good[: len(good) // 2], "in /dev/sr0"),
            (spoilt(good, version=2), "/version"),
            (spoilt(good, colour="blue"), "unknown field"),
            (fresh.seed(token=token(), mac=FOREIGN_MAC), f"no device has MAC address {FOREIGN_MAC}"),
            (_expired(good), "/enrolment/expires"),
        ):
            since = await fresh.insert(data)
            told = await fresh.says(sentence, since=since)
            assert TAKEN not in told
            assert await has_no_network(fresh)
        assert fresh_machine.sent(wire) == 0
        since = await fresh.insert(good)
        await fresh.says(TAKEN, since=since)
        await fresh.ready()
        assert fresh_machine.sent(wire) > 0
    await fresh.says("enrolled not yet")


async def test_a_seed_is_used_once_and_its_replay_changes_nothing(fresh: Fresh) -> None:
    first = token()
    await fresh.deploy(fresh.seed(token=first))
    await fresh.power(on=True)
    await fresh.ready()
    assert (await fresh.inside()).token
    await fresh.enrol(first)
    page = await fresh.says("enrolled yes")
    for line in (
        f"appliance {APPLIANCE}, provider",
        "state ",
        f" management up, {ADDRESS}",
        f"management {ADDRESS.ip}, agent on port {PORT}, SSH on port {SSH_PORT}",
        "SSH key SHA256:",
    ):
        assert line in page
    with pytest.raises((EnrolmentRefused, AgentUnreachable)):
        await fresh.enrol(first)
    await fresh.power(on=False)
    since = await fresh.insert(fresh.seed(token=first, address=OTHER))
    await fresh.power(on=True)
    await fresh.says("was used before", since=since)
    await fresh.ready()
    assert not await fresh.answers(PORT, OTHER)
    inside = await fresh.inside()
    assert str(ADDRESS) in inside.addresses
    assert str(OTHER) not in inside.addresses
    assert not inside.token
    async with fresh.agent() as agent:
        assert (await agent.versions()).appliance == APPLIANCE


async def test_a_seed_in_smbios_does_the_same_and_the_kernel_can_what_is_reported(
    tmp_path: Path,
) -> None:
    fresh = Fresh(tmp_path, carrier=Carrier.CREDENTIAL)
    first = token()
    await fresh.deploy(fresh.seed(token=first))
    try:
        await fresh.power(on=True)
        await fresh.says(f"{TAKEN} credential causeway.seed")
        await fresh.ready()
        await fresh.enrol(first)
        await fresh.says("enrolled yes")
        async with fresh.agent() as agent:
            reported = msgspec.structs.asdict((await agent.versions()).capabilities)
        assert (await fresh.inside()).can == {name: reported[name] for name in CAPABILITIES}
    finally:
        await fresh.provider.destroy(OWNER)


async def test_a_broken_seed_in_smbios_is_refused_and_leaves_no_network(tmp_path: Path) -> None:
    fresh = Fresh(tmp_path, carrier=Carrier.CREDENTIAL)
    good = fresh.seed(token=token())
    await fresh.deploy(good[:-20])
    try:
        await fresh.power(on=True)
        with fresh_machine.cable() as wire:
            told = await fresh.says("credential causeway.seed")
            assert TAKEN not in told
            assert await has_no_network(fresh)
            assert fresh_machine.sent(wire) == 0
    finally:
        await fresh.provider.destroy(OWNER)


def _expired(data: bytes) -> bytes:
    document = json.loads(data)
    document["enrolment"]["expires"] = "2020-01-01T00:00:00Z"
    return json.dumps(document).encode()
