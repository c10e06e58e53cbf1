"""What a provider promises of its verbs, on each kind of host: repeated, cut off, slow, by two at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import pytest

from causeway_controller.contract.hosts import Grade
from causeway_controller.hypervisors.base import HypervisorError, Inspecting, Provider, unwatched
from causeway_controller.inventory.host_needs import HostNeeds
from tests.conformance.killing import killed_half_way
from tests.conformance.kinds import OWNER, HypervKind, Kind, LabKind, LibvirtKind, VsphereKind
from tests.cutting_proxy import Way

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

Act = Callable[[Provider, Kind], Awaitable[object]]


async def deploy(provider: Provider, kind: Kind) -> object:
    return await provider.deploy(kind.spec, unwatched)


async def find(provider: Provider, kind: Kind) -> object:
    return await provider.find(OWNER)


async def inspect(provider: Provider, kind: Kind) -> object:
    assert isinstance(provider, Inspecting)
    needs = HostNeeds(networks=tuple(nic.segment for nic in kind.spec.nics), appliances=(OWNER,))
    findings = (await provider.inspect(needs)).findings
    assert Grade.PROBLEM not in {one.grade for one in findings}, findings
    return findings


async def vms(provider: Provider, kind: Kind) -> object:
    assert isinstance(provider, Inspecting)
    (ours,) = (one for one in await provider.vms() if one.owner_id == OWNER)
    assert [(nic.mac, nic.network) for nic in ours.nics] == [(nic.mac, nic.segment) for nic in kind.spec.nics]
    return ours


async def power_on(provider: Provider, kind: Kind) -> object:
    await provider.power(OWNER, on=True, grace=0)
    return None


async def power_off(provider: Provider, kind: Kind) -> object:
    await provider.power(OWNER, on=False, grace=0)
    return None


async def destroy(provider: Provider, kind: Kind) -> object:
    await provider.destroy(OWNER)
    return None


VERBS: Mapping[str, Act] = {
    "find": find,
    "check": inspect,
    "list": vms,
    "deploy": deploy,
    "power on": power_on,
    "power off": power_off,
    "destroy": destroy,
}
BEFORE: Mapping[str, tuple[Act, ...]] = {
    "find": (deploy,),
    "check": (deploy,),
    "list": (deploy,),
    "deploy": (),
    "power on": (deploy,),
    "power off": (deploy, power_on),
    "destroy": (deploy, power_on),
}
AFTER: Mapping[str, bool | None] = {
    "find": False,
    "check": False,
    "list": False,
    "deploy": False,
    "power on": True,
    "power off": False,
    "destroy": None,
}
"""Whether the machine is on; None: there is none."""
DROPS: Mapping[str, tuple[Way, float]] = {
    "dropped before it is asked": (Way.ASKED, 0.0),
    "dropped half asked": (Way.ASKED, 0.5),
    "dropped before the answer's end": (Way.ANSWERED, 0.95),
}
"""Where the connection is cut: after this part of the octets that go this way."""
verbs = pytest.mark.parametrize("verb", VERBS)


async def prepare(kind: Kind, verb: str) -> frozenset[str]:
    """Bring about what the verb needs; what the host had before all."""
    had = kind.there()
    for act in BEFORE[verb]:
        await act(kind.direct(), kind)
    return had


async def check(kind: Kind, verb: str, had: frozenset[str]) -> None:
    """The machine is as the verb leaves it, and the host has what one deployment makes and no more."""
    found = await kind.direct().find(OWNER)
    assert (None if found is None else found.powered_on) == AFTER[verb]
    more = kind.there() - had
    assert len(more) == (0 if AFTER[verb] is None else kind.pieces), more
    assert had <= kind.there()


async def tried(act: Act, provider: Provider, kind: Kind) -> bool:
    """Whether it was done; else it was refused as a provider refuses."""
    try:
        await act(provider, kind)
    except HypervisorError:
        return False
    return True


@pytest.mark.shows(fault="repeated")
@verbs
async def test_every_verb_may_be_repeated(kind: Kind, verb: str) -> None:
    had = await prepare(kind, verb)
    first = await VERBS[verb](kind.provider(), kind)
    assert await VERBS[verb](kind.provider(), kind) == first
    await check(kind, verb, had)


@pytest.mark.shows(fault="two controllers at once")
@verbs
async def test_two_controllers_do_the_same_at_once(kind: Kind, verb: str) -> None:
    had = await prepare(kind, verb)
    done = await asyncio.gather(*(tried(VERBS[verb], kind.provider(), kind) for _ in range(2)))
    assert any(done)
    await check(kind, verb, had)


@pytest.mark.shows(fault="connection dropped before")
@verbs
async def test_a_connection_that_was_lost_before_is_made_anew(kind: Kind, verb: str) -> None:
    had = await prepare(kind, verb)
    provider = kind.provider()
    await find(provider, kind)
    kind.proxy.cut()
    await VERBS[verb](provider, kind)
    await check(kind, verb, had)


@pytest.mark.shows(fault="service restarted, login expired")
@verbs
async def test_a_host_whose_service_began_anew_is_asked_again(kind: Kind, verb: str) -> None:
    had = await prepare(kind, verb)
    provider = kind.provider()
    await find(provider, kind)
    await kind.restart()
    await VERBS[verb](provider, kind)
    await check(kind, verb, had)


@pytest.mark.shows
@pytest.mark.parametrize("fault", DROPS)
@verbs
async def test_a_connection_is_dropped_while_it_is_used(kind: Kind, verb: str, fault: str) -> None:
    way, part = DROPS[fault]
    had = await prepare(kind, verb)
    provider = kind.provider()
    await find(provider, kind)
    whole = await _octets(kind, verb, way) if part else 0
    kind.proxy.arm(way, max(int(part * whole), 1))
    await tried(VERBS[verb], provider, kind)
    assert kind.proxy.cuts == 1
    await VERBS[verb](provider, kind)
    await check(kind, verb, had)


async def _octets(kind: Kind, verb: str, way: Way) -> int:
    """How many go that way while the verb is done; what it did is undone."""
    provider = kind.provider()
    await find(provider, kind)
    kind.proxy.arm(way, 1 << 40)
    await VERBS[verb](provider, kind)
    whole = kind.proxy.passed[way]
    await kind.direct().destroy(OWNER)
    for act in BEFORE[verb]:
        await act(kind.direct(), kind)
    return whole


_NOWHERE: Mapping[type[Kind], str] = {
    LabKind: "nowhere",
    LibvirtKind: "nowhere",
    VsphereKind: "network-99999",
    HypervKind: "00000000-0000-4000-8000-00000000dead",
}
"""What each kind of host does not have, in its own words."""


@pytest.mark.shows(operation="deploy", fault="nothing to plug into")
async def test_a_network_that_is_not_there_is_named_and_nothing_is_made(kind: Kind) -> None:
    had, absent = kind.there(), _NOWHERE[type(kind)]
    nics = (kind.spec.nics[0], replace(kind.spec.nics[1], segment=absent))
    with pytest.raises(HypervisorError, match=f"no (segment|network|switch) {absent}"):
        await kind.provider().deploy(replace(kind.spec, nics=nics), unwatched)
    assert kind.there() == had
    assert await kind.direct().find(OWNER) is None


@pytest.mark.shows(fault="host slow")
@verbs
async def test_a_slow_host_is_waited_for(kind: Kind, verb: str) -> None:
    had = await prepare(kind, verb)
    kind.proxy.pause = 0.01
    await VERBS[verb](kind.provider(), kind)
    kind.proxy.pause = 0
    await check(kind, verb, had)


@pytest.mark.shows(
    operations=("find", "check", "list", "power on", "power off", "deploy"),
    fault="half made, its controller killed",
)
async def test_what_is_half_made_is_no_machine_and_the_next_deployment_makes_it(kind: Kind) -> None:
    had = kind.there()
    await killed_half_way(kind)
    # An image that is half sent stays a while: another controller may be sending it.
    had |= {one for one in kind.there() if "causeway-image" in one}
    provider = kind.provider()
    assert await find(provider, kind) is None
    await inspect(provider, kind)
    assert isinstance(provider, Inspecting)
    assert OWNER not in {one.owner_id for one in await provider.vms()}
    for act in (power_on, power_off):
        with pytest.raises(HypervisorError, match="no machine"):
            await act(provider, kind)
    await deploy(provider, kind)
    await check(kind, "deploy", had)


@pytest.mark.shows(operation="destroy", fault="half made, its controller killed")
async def test_what_is_half_made_goes_with_a_removal(kind: Kind) -> None:
    had = kind.there()
    await killed_half_way(kind)
    await destroy(kind.provider(), kind)
    assert kind.there() == had
