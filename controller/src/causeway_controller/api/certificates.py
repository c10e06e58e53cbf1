"""Handlers of certificates: told as the ledger has them, and revoked.

To write into the ledger is all that is done here. What follows from that, controllers do as soon as they see
it, also when this one dies at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET, UnsetType

from causeway_controller.api.callers import Caller
from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.contract import certificate_routes
from causeway_controller.contract.certificates import (
    Bearer,
    CertificateReport,
    Certificates,
    CertificateState,
    RevokeCertificate,
    Revoked,
    RevokedBy,
)
from causeway_controller.contract.status import Trouble
from causeway_controller.inventory import refused_lists, revoking
from causeway_controller.inventory.certificates import Issued
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.ledger import Ledger, Wanted
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import SerialNumber, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateHandlers:
    """Reads the ledger, and writes revocations into it."""

    ledger: Ledger
    appliances: Appliances
    now: Callable[[], datetime]

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {
            certificate_routes.CERTIFICATES.name: self.list,
            certificate_routes.CERTIFICATE.name: self.show,
            certificate_routes.REVOKE_CERTIFICATE.name: self.revoke,
        }

    async def troubles(self) -> tuple[Trouble, ...]:
        """Lists of revoked certificates that are nearly full (`ports.Watcher`)."""
        found = await asyncio.to_thread(self.ledger.refused)
        return tuple(refused_lists.troubles(found, now=self.now()))

    async def list(self, ask: Ask) -> Answer:
        """Some of those that the caller sees, the newest first; the cursor is a certificate's number."""
        tenant = ask.query.get("tenant", ask.caller.tenant)
        if tenant is not None:
            ask.caller.see(tenant)
        wanted = Wanted(
            tenant=tenant,
            bearer=ask.choice("bearer", Bearer),
            appliance=ask.query.get("appliance"),
            counts=ask.flag("counts"),
            revoked=ask.flag("revoked"),
        )
        before = ask.number("cursor", 0) if "cursor" in ask.query else None
        limit = ask.limit
        found = await asyncio.to_thread(self.ledger.page, wanted, before=before, limit=limit + 1)
        told = tuple(self._told(one, ask.caller) for one in found[:limit])
        more = str(told[-1].number) if len(found) > limit else UNSET
        return Answer(document=Certificates(certificates=told, next=more))

    async def show(self, ask: Ask) -> Answer:
        """One of them."""
        return Answer(document=self._told(await self._seen(ask), ask.caller))

    async def revoke(self, ask: Ask) -> Answer:
        """Have it count no more, and tell what comes of that."""
        asked, dry = ask.document(RevokeCertificate), ask.flag("dry_run")
        named = await self._seen(ask)
        if ask.caller.tenant is not None and named.subject.purpose is not Bearer.CLIENT:
            detail = "you may revoke your own ends of tunnels; the rest is the provider's, so ask its staff"
            raise ProblemError(problem(ProblemType.NOT_ALLOWED, detail))
        done = await asyncio.to_thread(self._revoke, named.serial, asked.reason, ask.caller, dry=dry)
        return Answer(document=done)

    def _revoke(self, serial: SerialNumber, reason: str, caller: Caller, *, dry: bool) -> Revoked:
        if not dry:
            self.ledger.revoke(serial, actor=caller.name, reason=reason)
        found = self.ledger.of_same_key(serial)
        last = (self.ledger.last(subject) for subject in {one.subject for one in found})
        newest = {one.subject.slot: one.number for one in last if one is not None}
        deployed = {one.id: one for one in self.appliances.all()}
        return Revoked(
            certificates=tuple(self._told(one, caller) for one in found),
            next=revoking.consequences(found, newest=newest, deployed=deployed),
        )

    async def _seen(self, ask: Ask) -> Issued:
        serial = ask.places["serial"]
        found = await asyncio.to_thread(self.ledger.find, serial)
        if found is None or ask.caller.tenant not in {None, _tenant(found)}:
            detail = (
                f"there is no certificate {serial} that this controller signed (`causeway certificate list` "
                "shows those); what a tenant's appliances show in tunnels is signed, and revoked, by the "
                "provider's controller"
            )
            raise ProblemError(problem(ProblemType.NOT_FOUND, detail))
        return found

    def _told(self, one: Issued, caller: Caller) -> CertificateReport:
        subject = one.subject
        return CertificateReport(
            serial=one.serial,
            number=one.number,
            bearer=subject.purpose,
            name=subject.name,
            begins=one.not_before,
            ends=one.not_after,
            state=_state(one, self.now()),
            appliance=subject.appliance or UNSET,
            tenant=_tenant(one) or UNSET,
            tunnel=subject.tunnel or UNSET,
            seen=one.installed or UNSET,
            revoked=_revoked(one, caller),
        )


def _tenant(one: Issued) -> TenantId | None:
    return one.subject.name if one.subject.purpose is Bearer.MEMBER else one.subject.tenant


def _state(one: Issued, now: datetime) -> CertificateState:
    if now >= one.not_after:
        return CertificateState.ENDED
    return CertificateState.COUNTS if one.revoked is None else CertificateState.REVOKED


def _revoked(one: Issued, caller: Caller) -> RevokedBy | UnsetType:
    """Who and why is the provider's affair."""
    if one.revoked is None:
        return UNSET
    if caller.tenant is not None:
        return RevokedBy(at=one.revoked, actor="", reason="")
    return RevokedBy(at=one.revoked, actor=one.revoked_by, reason=one.reason)
