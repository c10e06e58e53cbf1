"""A throw-away machine goes through each kind of host and leaves nothing, whatever ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from causeway_controller.contract.provider import Host, HostKind, Storage
from causeway_controller.contract.selftest import Outcome, SelftestStep
from causeway_controller.hypervisors.base import Provider, Sweeping, unwatched
from causeway_controller.inventory.host_needs import HostNeeds
from causeway_controller.workflows.selftest import Selftest, _Way, owner_of
from tests.conformance.kinds import Kind, VsphereKind

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(120)]

HOST = Host(id="h1", kind=HostKind.LAB, endpoint="unix:///s", storage=Storage(id="s"))
STEPS = ["image", "check", "clean", "networks", "deploy", "read back", "power on", "power off", "remove"]


def unheard(_: SelftestStep) -> None:
    """Nobody listens."""


def asked(kind: Kind, tell: Callable[[SelftestStep], None] = unheard) -> Selftest:
    networks = tuple(nic.segment for nic in kind.spec.nics)
    vlans: tuple[tuple[str, int], ...] = ()
    if isinstance(kind, VsphereKind):
        from pyVmomi import vim  # noqa: PLC0415 - of this kind only

        vlans = ((kind.centre.id(vim.DistributedVirtualSwitch, "DVS0"), 199), ("vswitch:vSwitch0", 198))
    return Selftest(
        host=HOST,
        provider=kind.direct(),
        needs=HostNeeds(networks=networks),
        networks=networks,
        vlans=vlans,
        now=lambda: datetime.now(UTC),
        tell=tell,
        progress=unwatched,
        hide=lambda text: text,
        stays=0.1,
        grace=0.2,
    )


@pytest.mark.shows(operation="selftest", fault="none")
async def test_it_goes_the_whole_way_and_leaves_nothing(kind: Kind) -> None:
    had, told = kind.there(), list[SelftestStep]()
    report = await asked(kind, told.append).run()
    assert [
        (one.name, one.outcome, one.detail) for one in report.steps if one.outcome is not Outcome.DONE
    ] == []
    assert [one.name for one in report.steps] == STEPS
    assert told == list(report.steps)
    assert report.passed
    assert kind.there() == had


@pytest.mark.shows(operation="selftest", fault="killed after each step")
async def test_what_a_killed_one_left_goes_with_the_next_and_with_cleaning(kind: Kind) -> None:
    had = kind.there()
    for killed_after in range(3, len(STEPS)):
        way = _Way(asked(kind))
        acts = (
            way.image,
            way.check,
            way.clean,
            way.make_networks,
            way.deploy,
            way.read_back,
            way.power_on,
            way.power_off,
        )
        for act in acts[:killed_after]:
            await act()
        again = asked(kind)
        report = await (again.run() if killed_after % 2 else again.clean())
        assert report.passed, report
        assert kind.there() == had, killed_after


class Died(BaseException):
    """As SIGKILL is: nothing else is done."""


class Mortal:
    """A provider of a process that ends after so many calls: none is made any more, whoever asks."""

    def __init__(self, provider: Provider, calls: int) -> None:
        self._provider = provider
        self.calls = calls

    async def _call(self, name: str, *told: object, **named: object) -> Any:
        if self.calls == 0:
            raise Died
        self.calls -= 1
        return await getattr(self._provider, name)(*told, **named)

    async def segment(self, *told: Any) -> Any:
        return await self._call("segment", *told)

    async def preflight(self, *told: Any) -> Any:
        return await self._call("preflight", *told)

    async def deploy(self, *told: Any) -> Any:
        return await self._call("deploy", *told)

    async def destroy(self, *told: Any) -> Any:
        return await self._call("destroy", *told)

    async def find(self, *told: Any) -> Any:
        return await self._call("find", *told)

    async def power(self, *told: Any, **named: Any) -> Any:
        return await self._call("power", *told, **named)

    async def inspect(self, *told: Any) -> Any:
        return await self._call("inspect", *told)

    async def vms(self, *told: Any) -> Any:
        return await self._call("vms", *told)


class SweepingMortal(Mortal):
    """The same of a kind of host that says what is left."""

    async def sweep(self, *told: Any) -> Any:
        return await self._call("sweep", *told)


def mortal(provider: Provider, calls: int) -> Mortal:
    return (SweepingMortal if isinstance(provider, Sweeping) else Mortal)(provider, calls)


@pytest.mark.timeout(400)
@pytest.mark.shows(operation="selftest", fault="killed between any two calls")
async def test_one_that_dies_before_any_call_of_the_hosts_is_cleaned_up_after(kind: Kind) -> None:
    had, whole = kind.there(), 1 << 10
    one = asked(kind)
    immortal = mortal(one.provider, whole)
    assert (await replace(one, provider=immortal).run()).passed
    calls = whole - immortal.calls
    assert calls > len(STEPS), "each step calls once at least"
    for lives in range(calls):
        with pytest.raises(Died):
            await replace(one, provider=mortal(one.provider, lives)).run()
        cleaned = await asked(kind).clean()
        assert cleaned.passed, (lives, cleaned)
        assert kind.there() == had, lives


@pytest.mark.shows(operation="selftest", fault="interrupted")
async def test_one_that_is_interrupted_removes_what_it_made(kind: Kind) -> None:
    had, told, deployed = kind.there(), list[SelftestStep](), asyncio.Event()

    def tell(step: SelftestStep) -> None:
        told.append(step)
        if step.name == "deploy":
            deployed.set()

    running = asyncio.create_task(asked(kind, tell).run())
    await deployed.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (told[-1].name, told[-1].outcome) == ("remove", Outcome.DONE)
    assert kind.there() == had


@pytest.mark.shows(operation="selftest", fault="network not there")
async def test_what_is_refused_is_told_and_the_rest_skipped(kind: Kind) -> None:
    had = kind.there()
    one = asked(kind)
    report = await Selftest(
        **{**{name: getattr(one, name) for name in one.__slots__}, "networks": ("nowhere",), "vlans": ()}
    ).run()
    outcomes = {step.name: step.outcome for step in report.steps}
    assert not report.passed
    assert [name for name, outcome in outcomes.items() if outcome is Outcome.FAILED] == ["networks"]
    assert outcomes["remove"] is Outcome.DONE
    assert outcomes["deploy"] is Outcome.SKIPPED
    assert "nowhere" in next(step.detail for step in report.steps if step.name == "networks")
    assert kind.there() == had
    assert await kind.direct().find(owner_of("h1")) is None
