"""Certificates of agents and the authority behind them, renewed and replaced without anybody's asking.

A round asks what each appliance that just answered needs, does that, and moves the authority's rotation on
when nobody stands in its way. Everything may be done twice, by two controllers at once too: the last one
that was issued counts, and it is sent until it is seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from causeway_controller.errors import ControllerError, StoreError
from causeway_controller.fleet import enrolment
from causeway_controller.fleet.client import AgentClient
from causeway_controller.inventory import certificates, renewal
from causeway_controller.inventory.certificates import Issued
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.renewal import Need
from causeway_controller.inventory.rotation import Add, Distribute, Generation, Retire
from causeway_controller.inventory.tenancy import ManagementAccess
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.audit import Act, Audit
from causeway_controller.store.authorities import Authorities, AuthorityName
from causeway_controller.store.ledger import Ledger
from causeway_controller.trust import pki
from causeway_controller.workflows.watch import access
from causeway_wire.identity import AGENT_KEY, Certificate
from causeway_wire.problem import ProblemError
from causeway_wire.types import ApplianceId, Name

_SECONDS: Final = 60.0
"""For one appliance's certificate."""

_log = logging.getLogger(__name__)


class Renewal:
    """One controller's; nothing of it is remembered but in the store."""

    def __init__(
        self,
        *,
        authority: AuthorityName,
        authorities: Authorities,
        ledger: Ledger,
        appliances: Appliances,
        audit: Audit,
        clients: Callable[[ApplianceId, ManagementAccess], Awaitable[AgentClient]],
        anew: Callable[[ApplianceId], Awaitable[None]],
        in_charge: Callable[[], None],
        now: Callable[[], datetime],
        settled: timedelta,
        actor: Name,
    ) -> None:
        """`anew` has the next request meet the appliance on a new connection. `settled`: after which time
        every controller that lives trusts an authority that was made.
        """
        self._authority = authority
        self._authorities = authorities
        self._ledger = ledger
        self._appliances = appliances
        self._audit = audit
        self._clients = clients
        self._anew = anew
        self._in_charge = in_charge
        self._now = now
        self._settled = settled
        self._actor = actor

    async def look(
        self, seen: Iterable[Deployed], roll: Mapping[ApplianceId, Deployed]
    ) -> Mapping[ApplianceId, Deployed]:
        """Do what those that just answered need, and move the authority on; what became of those.

        `roll`: all that are deployed. Raises StoreError.
        """
        answered = [one for one in seen if one.seen is not None and one.seen == one.asked]
        if not answered:
            return {}
        generations = await asyncio.to_thread(self._authorities.generations, self._authority)
        newest = await asyncio.to_thread(self._ledger.newest_of_agents, [one.id for one in answered])
        changed = {}
        for one in answered:
            last = newest.get(one.id)
            await self._note(last, one)
            if renewal.need(last, one, generations, now=self._now()) is not Need.NOTHING:
                changed[one.id] = await self._care(one, last, generations)
        await self._move_on({**roll, **changed}.values(), generations)
        return changed

    async def rotate(self, one: Deployed) -> Deployed:
        """Give the appliance a new key and certificate now.

        Raises AgentUnreachable, ProblemError, RequestRefused, StoreError; repeating it is safe.
        """
        generations = await asyncio.to_thread(self._authorities.generations, self._authority)
        newest = await asyncio.to_thread(self._ledger.newest_of_agents, [one.id])
        return await self._renewed(one, newest.get(one.id), generations)

    async def _note(self, last: Issued | None, one: Deployed) -> None:
        """Write into the ledger that the newest certificate was seen."""
        if last is None or one.shown is None or last.installed is not None:
            return
        if last.serial == one.shown.serial:
            await asyncio.to_thread(self._ledger.installed, last.serial, actor=self._actor)

    async def _care(
        self, one: Deployed, last: Issued | None, generations: tuple[Generation, ...]
    ) -> Deployed:
        """What is known of it after what it needed was done; as before when that failed: it stays due."""
        try:
            async with asyncio.timeout(_SECONDS):
                need = renewal.need(last, one, generations, now=self._now())
                if need is Need.RENEW or last is None:
                    return await self._renewed(one, last, generations)
                return await self._installed(one, last, generations)
        except StoreError:
            raise
        except (ControllerError, ProblemError, TimeoutError) as error:
            _log.warning("the certificate of %s is not renewed: %s", one.id, error)
            return one

    async def _renewed(
        self, one: Deployed, last: Issued | None, generations: tuple[Generation, ...]
    ) -> Deployed:
        """Under a new key: who has learnt the old one gains nothing by it."""
        self._in_charge()
        agent = await self._clients(one.id, access(one))
        subject = certificates.of_agent(one.id)
        await enrolment.renew(
            agent,
            key=AGENT_KEY if last is None else f"{AGENT_KEY}-{last.number}",
            address=one.address,
            trust=await asyncio.to_thread(self._authorities.bundle, self._authority),
            authority=self._authorities.issuer(self._authority, subject, actor=self._actor),
            now=self._now(),
        )
        known = await self._met(one, agent, generations)
        act = Act(at=self._now(), actor=self._actor, action="certificate.renew", subject=subject.slot)
        await asyncio.to_thread(self._audit.append, act)
        return known

    async def _installed(self, one: Deployed, last: Issued, generations: tuple[Generation, ...]) -> Deployed:
        """Send what was issued. An appliance that has not got its key any more gets another one."""
        self._in_charge()
        agent = await self._clients(one.id, access(one))
        sent = Certificate(
            certificate=await asyncio.to_thread(self._ledger.pem, last.serial),
            controller_ca=await asyncio.to_thread(self._authorities.bundle, self._authority),
        )
        try:
            await agent.put_certificate(sent)
        except ProblemError as error:
            _log.warning("%s does not take its certificate, another one is made: %s", one.id, error)
            return await self._renewed(one, last, generations)
        return await self._met(one, agent, generations)

    async def _met(self, one: Deployed, agent: AgentClient, generations: tuple[Generation, ...]) -> Deployed:
        """Meet it anew, and keep what it shows and trusts now."""
        await self._anew(one.id)
        await agent.versions()
        known = replace(one, shown=agent.shown, trusts=renewal.bundle(generations))
        await asyncio.to_thread(self._appliances.shows, known.id, known.shown, at=self._now())
        await asyncio.to_thread(self._appliances.trusts, known.id, known.trusts)
        newest = await asyncio.to_thread(self._ledger.newest_of_agents, [one.id])
        await self._note(newest.get(one.id), known)
        _log.info("certificate installed", extra={"appliance": one.id})
        return known

    async def _move_on(self, deployed: Iterable[Deployed], generations: tuple[Generation, ...]) -> None:
        """Take the next step of the authority's rotation, if nobody stands in its way."""
        phase = await asyncio.to_thread(self._authorities.phase, self._authority)
        match phase:
            case Add():
                self._in_charge()
                await asyncio.to_thread(self._authorities.add, self._authority, actor=self._actor)
            case Distribute(generation) if self._everybody_trusts(deployed, generations):
                self._in_charge()
                await asyncio.to_thread(
                    self._authorities.trusted, self._authority, generation, actor=self._actor
                )
            case Retire(generation):
                self._in_charge()
                await asyncio.to_thread(
                    self._authorities.retire, self._authority, generation, actor=self._actor
                )
            case _:
                return
        _log.info("authority moves on", extra={"authority": str(self._authority), "step": repr(phase)})

    def _everybody_trusts(self, deployed: Iterable[Deployed], generations: tuple[Generation, ...]) -> bool:
        """Controllers read the authorities again and again; one that cannot has lost its lease by then."""
        made = max(one.not_before for one in generations) + pki.BACKDATING
        return self._now() >= made + self._settled and renewal.told(deployed, generations)
