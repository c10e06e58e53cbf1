"""Handlers of a provider's members: invite tenants' controllers, list them, put them out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import UNSET

from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.api.ports import Peering
from causeway_controller.contract import joining, member_routes, routes
from causeway_controller.contract.joining import Invitation, MadeInvitation, NewInvitation
from causeway_controller.contract.status import Trouble
from causeway_controller.store.peer_keys import Pins
from causeway_wire.problem import ProblemError, ProblemType, problem


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberHandlers:
    """Asks the store, which both sides' handlers share."""

    peering: Peering | None

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {
            member_routes.INVITE.name: self.invite,
            member_routes.INVITATIONS.name: self.invitations,
            member_routes.REVOKE_INVITATION.name: self.revoke,
            member_routes.MEMBERS.name: self.list,
            member_routes.EXPEL.name: self.expel,
            member_routes.ANNOUNCE_KEY.name: self.announce,
            member_routes.SWITCH_KEY.name: self.switch,
            member_routes.REPLACE_AUTHORITY.name: self.replace_authority,
        }

    async def invite(self, ask: Ask) -> Answer:
        """Make an invitation, and its line."""
        asked, tenant, peering = ask.document(NewInvitation), ask.places["tenant"], self._serving()
        made = await asyncio.to_thread(
            peering.invitations.make, tenant, hours=asked.hours, actor=ask.caller.name
        )
        pins = await asyncio.to_thread(peering.keys.pins)
        line = Invitation(
            url=peering.url,
            pins=pins.both,
            secret=made.secret,
            expires=made.report.expires,
            tenant=tenant,
        )
        told = MadeInvitation(invitation=made.report, text=joining.write(line), replaces=made.replaces)
        where = f"/v1/invitations/{made.report.id}"
        return Answer(status=201, document=told, headers={routes.LOCATION: where})

    async def invitations(self, ask: Ask) -> Answer:  # noqa: ARG002 - handlers are alike
        """All invitations."""
        found = await asyncio.to_thread(self._serving().invitations.list)
        return Answer(document=joining.Invitations(invitations=found))

    async def revoke(self, ask: Ask) -> Answer:
        """Revoke an invitation."""
        invitations, name = self._serving().invitations, ask.places["invitation"]
        return Answer(document=await asyncio.to_thread(invitations.revoke, name, actor=ask.caller.name))

    async def list(self, ask: Ask) -> Answer:  # noqa: ARG002 - handlers are alike
        """All members, and the keys."""
        peering = self._serving()
        return Answer(document=await self._members(peering, await asyncio.to_thread(peering.keys.pins)))

    async def expel(self, ask: Ask) -> Answer:
        """Put a member out."""
        members, tenant = self._serving().members, ask.places["tenant"]
        report = await asyncio.to_thread(members.end, tenant, action="member.expel", actor=ask.caller.name)
        return Answer(document=report)

    async def announce(self, ask: Ask) -> Answer:
        """Make the next key."""
        peering = self._serving()
        pins = await asyncio.to_thread(peering.keys.announce, actor=ask.caller.name)
        return Answer(document=await self._members(peering, pins))

    async def switch(self, ask: Ask) -> Answer:
        """Use the next key. It is shown before the answer: whoever is invited then may come at once."""
        peering, force = self._serving(), ask.flag("force")
        pins = await asyncio.to_thread(peering.keys.switch, actor=ask.caller.name, force=force)
        await asyncio.to_thread(peering.shown.refresh)
        return Answer(document=await self._members(peering, pins))

    async def replace_authority(self, ask: Ask) -> Answer:
        """Make the next authority; while an older one is being replaced, that goes on."""
        peering = self._serving()
        await asyncio.to_thread(peering.members.replace_authority, actor=ask.caller.name)
        return await self.list(ask)

    async def troubles(self) -> tuple[Trouble, ...]:
        """Invitations that two keys came with: one of the two is not the tenant."""
        if self.peering is None:
            return ()
        found = await asyncio.to_thread(self.peering.invitations.alarmed)
        return tuple(
            Trouble(
                subject=f"invitation {each.id} of {each.tenant}",
                detail=(
                    f"a second key came with its secret, last from {each.alarm_from}: one of the two is not "
                    f"the tenant. Ask them for theirs (`causeway provider show`): unless it is {each.key}, "
                    f"`causeway tenant expel {each.tenant}`, else `causeway invitation revoke {each.id}`"
                ),
            )
            for each in found
        )

    async def _members(self, peering: Peering, pins: Pins) -> joining.Members:
        found = await asyncio.to_thread(peering.members.list, next_key=pins.next)
        return joining.Members(
            members=found,
            url=peering.url,
            key=pins.current,
            next_key=UNSET if pins.next is None else pins.next,
        )

    def _serving(self) -> Peering:
        """Raises ProblemError (`unsupported`) where no tenant's controller is served."""
        if self.peering is None:
            detail = (
                "tenants' controllers are not served here; set tenants.listen and start the controller again"
            )
            raise ProblemError(problem(ProblemType.UNSUPPORTED, detail))
        return self.peering
