"""Tells of tokens that end before long, or just did: whoever shows one is a stranger from then on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import UNSET

from causeway_controller.contract.access import Role
from causeway_controller.contract.status import Trouble
from causeway_controller.contract.tokens import Token

_BEFORE: Final = timedelta(days=14)
_AFTER: Final = timedelta(days=14)
_SHORT: Final = timedelta(days=30)
"""Made for less, it was made for something that passes."""


def tell(tokens: Sequence[Token], now: datetime) -> Iterator[Trouble]:
    """Yield a notice for each token of long life that nothing of the same name outlives.

    Not for a revoked one, nor for a code on paper (`break-glass`) that has ended: perhaps it was used.
    """
    for one in tokens:
        lives = one.expires - one.made
        soon = now - _AFTER < one.expires <= now + _BEFORE
        if one.revoked is not UNSET or lives < _SHORT or not soon or _outlived(one, tokens):
            continue
        if one.role is Role.BREAK_GLASS and one.expires <= now:
            continue
        theirs = "" if one.tenant is UNSET else f" --tenant {one.tenant}"
        verb = "ended" if one.expires <= now else "ends"
        yield Trouble(
            subject=f"token {one.name}",
            detail=f"it {verb} on {one.expires:%Y-%m-%d}, and who shows it is a stranger then: "
            f"`causeway token create {one.name} --role {one.role.value}{theirs}` makes another",
        )


def _outlived(one: Token, tokens: Sequence[Token]) -> bool:
    return any(
        other.revoked is UNSET and other.expires > one.expires
        for other in tokens
        if (other.name, other.role, other.tenant) == (one.name, one.role, one.tenant)
    )
