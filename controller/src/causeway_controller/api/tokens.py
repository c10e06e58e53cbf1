"""Handlers of tokens: nobody makes one that may do more than they may themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import UNSET

from causeway_controller.api.callers import Caller
from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.contract import routes, tokens
from causeway_controller.contract.access import OF_PROVIDER, OF_TENANTS, Role, granted
from causeway_controller.contract.tenant import Starter
from causeway_controller.contract.tokens import NewToken
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.tokens import Tokens
from causeway_wire.problem import ProblemError, ProblemType, problem


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHandlers:
    """Makes, lists and revokes tokens."""

    tokens: Tokens
    inventories: Inventories

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {
            routes.MAKE_TOKEN.name: self.make,
            routes.TOKENS.name: self.list,
            routes.REVOKE_TOKEN.name: self.revoke,
        }

    async def make(self, ask: Ask) -> Answer:
        """Make a token."""
        asked = ask.document(NewToken)
        check(asked, ask.caller)
        await asyncio.to_thread(self._known, asked)
        made = await asyncio.to_thread(self.tokens.make, asked, actor=ask.caller.name)
        return Answer(status=201, document=made, headers={routes.LOCATION: f"/v1/tokens/{made.token.id}"})

    async def list(self, ask: Ask) -> Answer:
        """The tokens that the caller may revoke."""
        found = await asyncio.to_thread(self.tokens.list, ask.caller.tenant)
        return Answer(document=tokens.Tokens(tokens=found))

    async def revoke(self, ask: Ask) -> Answer:
        """Revoke a token."""
        revoked = await asyncio.to_thread(
            self.tokens.revoke, ask.places["token"], tenant=ask.caller.tenant, actor=ask.caller.name
        )
        return Answer(document=revoked)

    def _known(self, asked: NewToken) -> None:
        """Raises ProblemError (`unknown-reference`) for a tenant that is not in the inventory; `not-allowed`
        for a break-glass code where the tenant's policy does not let its staff start what that is for.
        """
        if asked.tenant is UNSET:
            return
        found = self.inventories.of_tenant(asked.tenant).inventory.tenants
        if not found:
            detail = f"no tenant is called {asked.tenant}; enter it first, or correct the name"
            raise ProblemError(problem(ProblemType.UNKNOWN_REFERENCE, detail, pointer="/tenant"))
        if asked.role is Role.BREAK_GLASS and Starter.TENANT not in found[0].full_failover_by:
            detail = f"staff of {asked.tenant} starts no full failover (full_failover_by in the inventory)"
            raise ProblemError(problem(ProblemType.NOT_ALLOWED, detail, pointer="/role"))


def check(asked: NewToken, caller: Caller) -> None:
    """Raise ProblemError unless role and tenant go together, and the caller may give both away."""
    tenant = None if asked.tenant is UNSET else asked.tenant
    if tenant is None and asked.role in OF_TENANTS:
        raise _invalid(f"the role {asked.role} is within a tenant; say which")
    if tenant is not None and asked.role in OF_PROVIDER:
        raise _invalid(
            f"the role {asked.role} is for every tenant; leave the tenant out, or take another role"
        )
    beyond = granted(asked.role, tenant) - caller.permissions
    if beyond or not (caller.tenant is None or caller.tenant == tenant):
        what = f"may {', '.join(sorted(beyond))}" if beyond else "reaches beyond your tenant"
        detail = f"a token of role {asked.role} {what}, which you may not; ask an admin"
        raise ProblemError(problem(ProblemType.NOT_ALLOWED, detail))


def _invalid(detail: str) -> ProblemError:
    return ProblemError(problem(ProblemType.INVALID, detail, pointer="/tenant"))
