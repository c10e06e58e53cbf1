"""Handlers of the audit: read on from a record, and have the chain verified."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import UNSET

from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.contract import routes
from causeway_controller.contract.audit import AuditRecord, AuditRecords, AuditVerdict
from causeway_controller.store.audit import Audit, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHandlers:
    """Reads the audit."""

    audit: Audit

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {routes.AUDIT.name: self.read, routes.VERIFY_AUDIT.name: self.verify}

    async def read(self, ask: Ask) -> Answer:
        """Some records after the cursor, which is a record's number."""
        after, limit = ask.number("cursor", 0), ask.limit
        found = await asyncio.to_thread(self.audit.records, after=after, limit=limit + 1)
        told = tuple(_told(record) for record in found[:limit])
        more = str(told[-1].number) if len(found) > limit else UNSET
        return Answer(document=AuditRecords(records=told, next=more))

    async def verify(self, ask: Ask) -> Answer:  # noqa: ARG002 - handlers are alike
        """Whether the chain is whole."""
        broken, (number, last) = await asyncio.to_thread(self._verify)
        verdict = AuditVerdict(
            whole=broken is None, number=number, hash=last, broken_at=UNSET if broken is None else broken
        )
        return Answer(document=verdict)

    def _verify(self) -> tuple[int | None, tuple[int, str]]:
        return self.audit.broken_at(), self.audit.head()


def _told(record: Record) -> AuditRecord:
    act = record.act
    return AuditRecord(
        number=record.number,
        at=act.at,
        actor=act.actor,
        action=act.action,
        subject=act.subject,
        detail=act.detail,
        previous=record.previous,
        hash=record.hash,
    )
