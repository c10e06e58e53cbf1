"""A throw-away machine's way through a host, each step timed: what a deployment does, without an appliance.

The machine has a name of its own, so that whoever comes after one that was killed finds what it left. It is
given a whole first-boot document whose authority's key was thrown away: nobody can ever command it. Its
addresses are for documentation (RFC 5737).
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from causeway_controller.contract.hosts import Finding, Grade
from causeway_controller.contract.provider import Host
from causeway_controller.contract.selftest import Outcome, SelftestReport, SelftestStep
from causeway_controller.hypervisors.base import (
    HypervisorError,
    Imaged,
    Inspecting,
    Machine,
    MachineSpec,
    NicSpec,
    Progress,
    Provider,
    Sweeping,
)
from causeway_controller.hypervisors.findings import masked
from causeway_controller.inventory.host_needs import HostNeeds
from causeway_controller.trust import pki
from causeway_wire import __version__, seed
from causeway_wire.desired import Management, Nic
from causeway_wire.seed import Enrolment, RoleName, Seed
from causeway_wire.types import ApplianceId, MacAddress, Name, Secret, VlanId

PREFIX: Final = "selftest-"
_NAME_LENGTH: Final = 40
_DIGITS: Final = 8
_ON_SECONDS: Final = 30.0
"""For the host to say that the machine runs."""
_STAYS_SECONDS: Final = 3.0
"""It must run for so long: what cannot boot at all, ends sooner."""
_GRACE_SECONDS: Final = 10.0
_POLL: Final = 0.5
_TOKEN_OCTETS: Final = 32
_REMOVE: Final = "remove"
_STEPS: Final = (
    "image",
    "check",
    "clean",
    "networks",
    "deploy",
    "read back",
    "power on",
    "power off",
    _REMOVE,
)
_MANAGEMENT: Final = ipaddress.IPv4Interface("192.0.2.10/24")


def owner_of(host: Name) -> ApplianceId:
    """Return the owner id of the throw-away machine of this host."""
    name = PREFIX + host
    if len(name) <= _NAME_LENGTH:
        return name
    return f"{PREFIX}{hashlib.sha256(host.encode()).hexdigest()[:_DIGITS]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selftest:
    """What one is to do."""

    host: Host
    provider: Provider
    needs: HostNeeds
    """As `causeway host check` compares it with."""
    networks: tuple[str, ...]
    """Segments that are there."""
    vlans: tuple[tuple[str, VlanId], ...]
    """Switch and spare VLAN of segments that are looked for or made, and removed."""
    now: Callable[[], datetime]
    tell: Callable[[SelftestStep], None]
    progress: Progress
    hide: Callable[[str], str]
    """Masks secrets in what a host says."""
    stays: float = _STAYS_SECONDS
    grace: float = _GRACE_SECONDS

    async def run(self) -> SelftestReport:
        """Go the whole way; what fails is in the report. What was made is removed, also when cancelled."""
        way = _Way(self)
        try:
            image = await way.step("image", way.image)
            if await way.step("check", way.check) and await way.step("clean", way.clean):
                _ = (
                    image
                    and await way.step("networks", way.make_networks)
                    and await way.step("deploy", way.deploy)
                    and await way.step("read back", way.read_back)
                    and await way.step("power on", way.power_on)
                    and await way.step("power off", way.power_off)
                )
        finally:
            way.skip_others(_REMOVE if way.made else "")
            if way.made:
                await way.step(_REMOVE, way.remove)
        return way.report()

    async def clean(self) -> SelftestReport:
        """Only remove what an earlier one left, which was killed."""
        way = _Way(self)
        way.made = True
        await way.step("clean", way.sweep_all)
        return way.report()


@dataclass(slots=True)
class _Way:
    """How far one is."""

    asked: Selftest
    steps: list[SelftestStep] = field(default_factory=list)
    findings: tuple[Finding, ...] = ()
    segments: list[str] = field(default_factory=list)
    made: bool = False
    """Whether there may be something to remove."""
    at: datetime = field(init=False)
    owner: ApplianceId = field(init=False)

    def __post_init__(self) -> None:
        self.at = self.asked.now()
        self.owner = owner_of(self.asked.host.id)

    async def step(self, name: str, act: Callable[[], Awaitable[str]]) -> bool:
        """Do it and note how it went; whether it was done."""
        begun, outcome = time.monotonic(), Outcome.FAILED
        detail = "it was interrupted"
        try:
            detail = await act()
            outcome = Outcome.DONE
        except HypervisorError as error:
            detail = str(error)
        finally:
            seconds = round(time.monotonic() - begun, 2)
            self._note(
                SelftestStep(name=name, outcome=outcome, seconds=seconds, detail=self.asked.hide(detail))
            )
        return outcome is Outcome.DONE

    def skip_others(self, but: str) -> None:
        """Note what was not come to."""
        taken = {but, *(one.name for one in self.steps)}
        for name in _STEPS:
            if name not in taken:
                self._note(SelftestStep(name=name, outcome=Outcome.SKIPPED, seconds=0.0))

    def _note(self, step: SelftestStep) -> None:
        self.steps.append(step)
        self.asked.tell(step)

    def report(self) -> SelftestReport:
        return SelftestReport(
            host=self.asked.host.id,
            kind=self.asked.host.kind,
            causeway=__version__,
            at=self.at,
            passed=all(one.outcome is Outcome.DONE for one in self.steps),
            steps=tuple(self.steps),
            networks=tuple(self.segments),
            findings=masked(self.findings, self.asked.hide),
        )

    async def image(self) -> str:
        """What does not hold ends it before anything is made; the host is looked at all the same."""
        provider = self.asked.provider
        if not isinstance(provider, Imaged):
            return "this kind of host has none"
        return str(await provider.image())

    async def check(self) -> str:
        """A problem does not end it: what it hinders, a step will show."""
        provider = self.asked.provider
        if not isinstance(provider, Inspecting):
            return "this kind of host cannot be looked at"
        self.findings = (await provider.inspect(self.asked.needs)).findings
        problems = [one.text for one in self.findings if one.grade is Grade.PROBLEM]
        if not problems:
            return "no problem"
        return f"{len(problems)} problem{'s' if len(problems) > 1 else ''}: {'; '.join(problems)}"

    async def clean(self) -> str:
        found = await self.asked.provider.find(self.owner)
        self.made = True
        await self.asked.provider.destroy(self.owner)
        return "there was nothing" if found is None else f"what an earlier one left, {found.name}"

    async def sweep_all(self) -> str:
        if isinstance(self.asked.provider, Sweeping):
            # A port group that was made and not yet used is known by its VLAN only.
            self.segments = [await self._segment(*one) for one in self.asked.vlans]
        return await self.remove()

    async def make_networks(self) -> str:
        self.segments = list(self.asked.networks)
        if reasons := await self.asked.provider.preflight(self._spec(b"")):
            raise HypervisorError("; ".join(reasons))
        self.segments += [await self._segment(*one) for one in self.asked.vlans]
        return ", ".join(self.segments)

    async def _segment(self, switch: str, vlan: VlanId) -> str:
        return await self.asked.provider.segment(switch, vlan)

    async def deploy(self) -> str:
        spec = self._spec(self._seed())
        machine = await self.asked.provider.deploy(spec, self.asked.progress)
        again = await self.asked.provider.deploy(spec, self.asked.progress)
        if machine.powered_on or again != machine:
            raise HypervisorError(f"it was to be there once and off: {machine}, then {again}")
        return f"{machine.name}, with {len(spec.nics)} vNICs"

    async def read_back(self) -> str:
        provider = self.asked.provider
        await self._is(on=False)
        if not isinstance(provider, Inspecting):
            return "it is off; this kind of host does not list its VMs"
        mine = [one for one in await provider.vms() if one.owner_id == self.owner]
        if len(mine) != 1:
            raise HypervisorError(f"it is listed {len(mine)} times among the VMs of the host")
        wanted = sorted((nic.mac, nic.segment) for nic in self._spec(b"").nics)
        found = sorted((nic.mac.lower(), nic.network) for nic in mine[0].nics)
        if wanted != found:
            raise HypervisorError(f"its vNICs were to be {wanted}, and are {found}")
        return f"it is off, {', '.join(f'{mac} on {network}' for mac, network in found)}"

    async def power_on(self) -> str:
        await self.asked.provider.power(self.owner, on=True, grace=0)
        for _ in range(int(_ON_SECONDS / _POLL)):
            if (await self._there()).powered_on:
                break
            await asyncio.sleep(_POLL)
        await self._is(on=True)
        await asyncio.sleep(self.asked.stays)
        found = await self._is(on=True)
        says = {None: "its guest was not asked", True: "its guest answers", False: "its guest is silent"}
        return f"it runs; {says[found.guest_answers]}"

    async def power_off(self) -> str:
        await self.asked.provider.power(self.owner, on=False, grace=self.asked.grace)
        await self._is(on=False)
        return "it is off"

    async def remove(self) -> str:
        """With a look for what is left of it."""
        provider = self.asked.provider
        if isinstance(provider, Sweeping):
            left: Sequence[str] = await provider.sweep(self.owner, tuple(self.segments))
        else:
            await provider.destroy(self.owner)
            left = ()
        if await provider.find(self.owner) is not None:
            left = (*left, f"machine {self.owner}")
        if left:
            raise HypervisorError(f"there is still {', '.join(left)}; `--clean` tries again")
        return "nothing is left"

    async def _there(self) -> Machine:
        found = await self.asked.provider.find(self.owner)
        if found is None:
            raise HypervisorError("it is not there any more: somebody removed it")
        return found

    async def _is(self, *, on: bool) -> Machine:
        found = await self._there()
        if found.powered_on != on:
            raise HypervisorError(f"it is {'off' if on else 'on'}, and was to be {'on' if on else 'off'}")
        return found

    def _spec(self, data: bytes) -> MachineSpec:
        nics = tuple(
            NicSpec(mac=self._mac(place), segment=segment) for place, segment in enumerate(self.segments)
        )
        return MachineSpec(owner_id=self.owner, name=self.owner, nics=nics, seed=data)

    def _mac(self, place: int) -> MacAddress:
        """A locally administered address (IEEE 802, 8.2), the same one every time."""
        octets = bytearray(hashlib.sha256(f"{self.owner}\n{place}".encode()).digest()[:6])
        octets[0] = octets[0] & 0xFC | 0x02
        return octets.hex(":")

    def _seed(self) -> bytes:
        management = Nic(name="management", mac=self._mac(0), addresses=(_MANAGEMENT,))
        made = Seed(
            version=1,
            appliance=self.owner,
            role=RoleName.PROVIDER,
            management=Management(
                nic=management.name, address=_MANAGEMENT.ip, sources=(_MANAGEMENT.network,)
            ),
            nics=(management,),
            controller_ca=pki.make_controller_authority(name="selftest", now=self.at).pem,
            enrolment=Enrolment(
                token=Secret(secrets.token_urlsafe(_TOKEN_OCTETS)), expires=self.at + timedelta(hours=1)
            ),
        )
        return seed.encode(made)
