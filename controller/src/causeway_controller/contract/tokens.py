"""Tokens: what programs and people show to the controller to be known."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from causeway_controller.contract.access import Role
from causeway_wire.desired import Document
from causeway_wire.types import Name, TenantId, Timestamp, shaped

TokenId = Annotated[
    str,
    shaped(
        r"^[0-9a-f]{12}(?!\n)$",
        "the id of a token, as `causeway token list` shows it: 12 lower-case hexadecimal digits",
        description="the part of a token by which it is recognised",
    ),
]
Days = Annotated[int, Meta(ge=1, le=3650)]


class NewToken(Document, frozen=True, kw_only=True):
    """A token to be made."""

    name: Name
    """Whose it is: what the audit calls who shows it."""
    role: Role
    tenant: TenantId | UnsetType = UNSET
    """Needed by the tenant's roles, possible for an auditor: nothing of any other tenant is seen with it."""
    days: Days = 90
    """Until it expires."""


class Token(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A token without its secret."""

    id: TokenId
    name: Name
    role: Role
    made: Timestamp
    made_by: str
    expires: Timestamp
    tenant: TenantId | UnsetType = UNSET
    revoked: Timestamp | UnsetType = UNSET


class MadeToken(Struct, frozen=True, kw_only=True):
    """A token with its secret, which is shown this once and kept nowhere."""

    token: Token
    secret: str
    """Send it as `Authorization: Bearer SECRET`."""


class Tokens(Struct, frozen=True, kw_only=True):
    """All tokens, the expired and the revoked ones too."""

    tokens: tuple[Token, ...]
