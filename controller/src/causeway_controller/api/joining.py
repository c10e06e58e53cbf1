"""Handlers of what a tenant's controller asks about itself: join, how it stands, renew, leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET

from causeway_controller import __version__
from causeway_controller.api import signing
from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.api.member_callers import MemberCaller
from causeway_controller.api.ports import Peering
from causeway_controller.api.throttle import Throttle
from causeway_controller.contract import tenant_routes
from causeway_controller.contract.joining import Certified, Join, Membership, Renew
from causeway_controller.store.members import Member
from causeway_wire.problem import ProblemError


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinHandlers:
    """Asks the store."""

    peering: Peering
    throttle: Throttle
    now: Callable[[], datetime]

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {
            tenant_routes.JOIN.name: self.join,
            tenant_routes.MEMBERSHIP.name: self.membership,
            tenant_routes.RENEW.name: self.renew,
            tenant_routes.LEAVE.name: self.leave,
        }

    async def join(self, ask: Ask) -> Answer:
        """Let in who has an invitation. Who fails too often has to wait."""
        source = ask.http.remote or ""
        self.throttle.check(source)
        asked = ask.document(Join)
        request = signing.read(asked.request)
        try:
            with signing.refusals():
                made = await asyncio.to_thread(
                    self.peering.members.join, asked.secret, request, source=source
                )
        except ProblemError:
            self.throttle.failed(source)
            raise
        return Answer(document=made)

    async def membership(self, ask: Ask) -> Answer:
        """How the caller stands, and the keys to know this provider by."""
        member, knows = _member(ask), ask.query.get("knows")
        pins = await asyncio.to_thread(self.peering.keys.pins)
        if knows is not None and knows == pins.next:
            await asyncio.to_thread(self.peering.members.told, member.tenant, knows=knows)
        told = Membership(
            tenant=member.tenant,
            version=__version__,
            now=self.now(),
            ends=member.issued.not_after,
            key=pins.current,
            next_key=UNSET if pins.next is None else pins.next,
            renew=member.renew,
        )
        return Answer(document=told)

    async def renew(self, ask: Ask) -> Answer:
        """A certificate for the next key."""
        request = signing.read(ask.document(Renew).request)
        with signing.refusals():
            made: Certified = await asyncio.to_thread(self.peering.members.renew, _member(ask), request)
        return Answer(document=made)

    async def leave(self, ask: Ask) -> Answer:
        """Put the caller out."""
        await asyncio.to_thread(
            self.peering.members.end, _member(ask).tenant, action="member.leave", actor=ask.caller.name
        )
        return Answer(status=204)


def _member(ask: Ask) -> Member:
    if not isinstance(ask.caller, MemberCaller):
        raise TypeError(f"{ask.route.name} was asked by {ask.caller.name}, which is no member")
    return ask.caller.member
