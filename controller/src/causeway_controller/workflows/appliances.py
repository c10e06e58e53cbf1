"""An appliance's beginning: deployed, powered on, enrolled. Every step may be repeated; a re-run converges.

What has been done is asked of the hypervisor and of the appliance itself, never remembered. Only the token
that proves a fresh appliance is kept, from before it is deployed until it has enrolled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from msgspec.structs import replace

from causeway_controller.contract.hosts import Grade, Topic
from causeway_controller.errors import AgentUnreachable, MachineMissing, WrongPeer
from causeway_controller.fleet import client, enrolment
from causeway_controller.fleet.connection import SocketFactory
from causeway_controller.hypervisors import seed_image
from causeway_controller.hypervisors.base import (
    HypervisorError,
    Imaged,
    Inspecting,
    MachineSpec,
    NicSpec,
    Progress,
    Provider,
    Trunking,
)
from causeway_controller.inventory.host_needs import BridgeNeed, HostNeeds
from causeway_controller.inventory.tenancy import Adapter, ManagementAccess
from causeway_controller.inventory.vnics import InNetwork, InVlan, OnTrunk, Vnic
from causeway_controller.trust import pki
from causeway_controller.trust.identity import ControllerIdentity
from causeway_wire.desired import Management, Nic
from causeway_wire.seed import AuthorizedKey, Enrolment, RoleName, Seed
from causeway_wire.types import ApplianceId, IPAddress, Pem, Secret, VlanId

TOKEN_LIFE: Final = timedelta(hours=1)
"""From deployment to enrolment."""
BOOT_SECONDS: Final = 180.0
"""From power to an agent that answers."""
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An appliance as it is to be deployed."""

    id: ApplianceId
    role: RoleName
    management: ManagementAccess
    adapters: tuple[Adapter, ...]
    vnics: tuple[Vnic, ...]
    bridged: tuple[tuple[str, VlanId], ...] = ()
    """Switch and VLAN of networks that it extends by a bridge."""
    bridges: tuple[BridgeNeed, ...] = ()
    """The same in production, where networks are named."""


class Tokens(Protocol):
    """Enrolment tokens of appliances that have not enrolled yet."""

    async def get(self, appliance: ApplianceId) -> Secret:
        """Return the appliance's token, made now when it has none."""

    async def drop(self, appliance: ApplianceId) -> None:
        """Forget it: it has been used."""


class Onboarding:
    """Brings appliances up for one controller."""

    def __init__(
        self,
        *,
        identity: Callable[[], ControllerIdentity],
        issuer: Callable[[ApplianceId], pki.Issuer],
        tokens: Tokens,
        now: Callable[[], datetime],
        ssh_keys: tuple[AuthorizedKey, ...] = (),
        time_servers: tuple[IPAddress, ...] = (),
        socket_factory: SocketFactory | None = None,
        patience: float = 1.0,
        boot: float = BOOT_SECONDS,
    ) -> None:
        """`identity` is who we are now; `issuer` signs an appliance's first certificate. `ssh_keys` and
        `time_servers` stand in each seed. `patience`: how many times longer than usual to wait for answers;
        `boot`: seconds from power to an agent that answers.
        """
        self._identity = identity
        self._issuer = issuer
        self._tokens = tokens
        self._now = now
        self._ssh_keys = ssh_keys
        self._time_servers = time_servers
        self._socket_factory = socket_factory
        self._patience = patience
        self._boot = boot

    async def bring_up(
        self, wanted: Wanted, provider: Provider, progress: Progress, *, in_place: bool = False
    ) -> None:
        """Deploy what is not there, power on what is off, enrol what is new; `in_place` as of `MachineSpec`.

        Raises HypervisorError, EnrolmentRefused, RequestRefused, WrongPeer, AgentUnreachable, StoreError.
        """
        await self.deploy(wanted, provider, progress, in_place=in_place)
        await provider.power(wanted.id, on=True, grace=0.0)
        progress(f"{wanted.id} boots", 0.5)
        await self.enrol(wanted, provider)
        progress(f"{wanted.id} is enrolled", 1.0)

    async def deploy(
        self, wanted: Wanted, provider: Provider, progress: Progress, *, in_place: bool = False
    ) -> None:
        """Create the machine, powered off, unless it is there. Nothing is created when it cannot run there.

        Raises HypervisorError, StoreError.
        """
        if await provider.find(wanted.id) is not None:
            return
        await _refuse_image(wanted, provider)
        await _refuse_bridge(wanted, provider)
        token = await self._tokens.get(wanted.id)
        seed = seed_of(wanted, self._identity().authority, token, expires=self._now() + TOKEN_LIFE)
        seed = replace(seed, ssh_authorized_keys=self._ssh_keys, time_servers=self._time_servers)
        spec = await _spec(wanted, provider, seed_image.encode(seed), in_place=in_place)
        await _refuse(spec, provider)
        await provider.deploy(spec, progress)

    async def check_in_place(self, wanted: Wanted, provider: Provider) -> None:
        """Raise HypervisorError when another machine could not be made in the place of the one that is there.

        Without an envelope: its token would be a new one.
        """
        await _refuse_image(wanted, provider)
        await _refuse_bridge(wanted, provider)
        await _refuse(await _spec(wanted, provider, b"", in_place=True), provider)

    async def enrol(self, wanted: Wanted, provider: Provider) -> None:
        """Give the appliance its first certificate, unless it has one of ours; waits while it boots."""
        deadline = time.monotonic() + self._boot
        while not await self._enrolled(wanted):
            machine = await provider.find(wanted.id)
            if machine is None or not machine.powered_on:
                raise MachineMissing(wanted.id)
            try:
                await self._enrol(wanted)
            except AgentUnreachable:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(_POLL_SECONDS)
        await self._tokens.drop(wanted.id)

    async def _enrolled(self, wanted: Wanted) -> bool:
        """Whether it shows a certificate of our authority. One that does not answer has yet to boot."""
        agent = client.open_agent(
            appliance=wanted.id,
            address=wanted.management.address,
            port=wanted.management.port,
            identity=self._identity(),
            socket_factory=self._socket_factory,
            patience=self._patience,
        )
        try:
            async with agent:
                await agent.versions()
        except (WrongPeer, AgentUnreachable):
            return False
        return True

    async def _enrol(self, wanted: Wanted) -> None:
        await enrolment.enrol(
            appliance=wanted.id,
            address=wanted.management.address,
            port=wanted.management.port,
            token=await self._tokens.get(wanted.id),
            identity=self._identity(),
            authority=self._issuer(wanted.id),
            now=self._now(),
            socket_factory=self._socket_factory,
            patience=self._patience,
        )


def seed_of(wanted: Wanted, authority: Pem, token: Secret, *, expires: datetime) -> Seed:
    """Return the first-boot document: who it is, where it is managed, and how it proves itself."""
    access = wanted.management
    return Seed(
        version=1,
        appliance=wanted.id,
        role=wanted.role,
        management=Management(
            nic=access.nic, address=access.address, sources=access.sources, port=access.port
        ),
        nics=tuple(_nics(wanted.adapters, access.nic)),
        controller_ca=authority,
        enrolment=Enrolment(token=token, expires=expires),
    )


def _nics(adapters: Iterable[Adapter], management: str) -> Iterable[Nic]:
    """Only the management adapter: all else comes with the first document."""
    for one in adapters:
        if one.name == management:
            yield Nic(name=one.name, mac=one.mac, addresses=one.addresses, gateways=one.gateways)


async def _spec(wanted: Wanted, provider: Provider, seed: bytes, *, in_place: bool) -> MachineSpec:
    nics = [NicSpec(mac=vnic.mac, segment=await _segment(provider, vnic)) for vnic in wanted.vnics]
    return MachineSpec(owner_id=wanted.id, name=wanted.id, nics=tuple(nics), seed=seed, in_place=in_place)


async def _refuse(spec: MachineSpec, provider: Provider) -> None:
    if reasons := await provider.preflight(spec):
        raise HypervisorError(f"appliance {spec.name} cannot be deployed: {'; '.join(reasons)}")


async def _refuse_image(wanted: Wanted, provider: Provider) -> None:
    """Raise HypervisorError where it would be made of no image: before the host is given networks for it."""
    if isinstance(provider, Imaged):
        try:
            await provider.image()
        except HypervisorError as error:
            raise HypervisorError(f"appliance {wanted.id} cannot be deployed: {error}") from error


async def _refuse_bridge(wanted: Wanted, provider: Provider) -> None:
    """Raise HypervisorError where the host would keep the frames of a bridge: nothing would say so later."""
    if not (wanted.bridged or wanted.bridges) or not isinstance(provider, Inspecting):
        return
    needs = HostNeeds(
        bridged=(wanted.id,),
        bridged_vlans=wanted.bridged,
        vlans=wanted.bridged,
        bridges=wanted.bridges,
        networks=tuple(one.network for one in wanted.bridges),
    )
    found = (await provider.inspect(needs)).findings
    stopped = [one for one in found if one.topic is Topic.TRAPS and one.grade is Grade.PROBLEM]
    if stopped:
        said = "; ".join(f"{one.text}: {one.advice}" for one in stopped)
        raise HypervisorError(f"appliance {wanted.id} cannot be deployed: {said}")


async def _segment(provider: Provider, vnic: Vnic) -> str:
    match vnic.place:
        case InNetwork(network=network):
            return network
        case InVlan(switch=switch, vlan=vlan):
            return await provider.segment(switch, vlan)
        case OnTrunk(switch=switch, vlans=vlans) if isinstance(provider, Trunking):
            return await provider.trunk(switch, vlans)
        case OnTrunk():
            raise HypervisorError(
                "this host gives each VLAN an adapter and has no trunk; subscribe with adapters: access"
            )
