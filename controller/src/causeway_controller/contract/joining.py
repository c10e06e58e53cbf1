"""How a tenant's controller joins a provider's: the invitation, what is sent, what both sides know after.

An invitation is one line of text. Whoever holds it may join in the tenant's place once, so it travels as a
password does; what the provider keeps of it is a hash.
"""

from __future__ import annotations

import base64
import re
from enum import StrEnum
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from causeway_controller.contract.provider import Fingerprint
from causeway_wire import codec
from causeway_wire.desired import Document
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name, Pem, Secret, TenantId, Timestamp, shaped

InvitationId = Annotated[
    str,
    shaped(
        r"^[0-9a-f]{12}(?!\n)$",
        "the id of an invitation: 12 lower-case hexadecimal digits",
        description="the part of an invitation's secret that names it",
    ),
]
InvitationSecret = Annotated[
    str,
    shaped(
        r"^cwi_[0-9a-f]{12}_[A-Za-z0-9_-]{43}(?!\n)$", "an invitation's secret, whole: it begins with cwi_"
    ),
]
PeerUrl = Annotated[
    str,
    shaped(
        r"^https://[a-z0-9.:\[\]-]{1,255}(?!\n)$",
        "https:// with a lower-case host name or an address, and its port where it is not 443",
        description="where a provider's controller is for its tenants' controllers",
    ),
]
Hours = Annotated[int, Meta(ge=1, le=720)]

PREFIX: Final = "causeway-invite-"
_LINE: Final = re.compile(PREFIX + r"(?P<body>[A-Za-z0-9_-]{1,4000})")


class Invitation(Document, frozen=True, kw_only=True):
    """What the line says."""

    url: PeerUrl
    pins: Annotated[tuple[Fingerprint, ...], Meta(min_length=1, max_length=2)]
    """The public keys that the provider's controller shows: its own, and the next one when it has one."""
    secret: InvitationSecret
    expires: Timestamp
    """By the provider's clock, which alone counts."""
    tenant: TenantId


def write(invitation: Invitation) -> str:
    """The line, without its end."""
    return PREFIX + base64.urlsafe_b64encode(codec.encode(invitation)).rstrip(b"=").decode()


def read(text: str) -> Invitation:
    """The invitation in this text, white space around it left out. Raises ProblemError (`invalid`)."""
    shape = _LINE.fullmatch(text.strip())
    if shape is None:
        raise _no_invitation(f"an invitation is one line that begins with {PREFIX}")
    body = shape["body"]
    try:
        return codec.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), Invitation)
    except (ValueError, ProblemError) as error:
        raise _no_invitation("the line was cut or changed on its way") from error


def _no_invitation(reason: str) -> ProblemError:
    detail = f"{reason}; copy all of it as the provider gave it"
    return ProblemError(problem(ProblemType.INVALID, detail, pointer="/invitation"))


class NewInvitation(Document, frozen=True, kw_only=True):
    """An invitation to be made."""

    hours: Hours = 24
    """Until it expires."""


class InvitationReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An invitation without its secret."""

    id: InvitationId
    tenant: TenantId
    made: Timestamp
    made_by: str
    expires: Timestamp
    accepted: Timestamp | UnsetType = UNSET
    key: Fingerprint | UnsetType = UNSET
    """Of the key that accepted it."""
    revoked: Timestamp | UnsetType = UNSET
    alarms: int = 0
    """How often its secret came with another key than the one that accepted it."""
    alarm_at: Timestamp | UnsetType = UNSET
    alarm_from: str | UnsetType = UNSET
    """The address that the last of those came from."""


class MadeInvitation(Struct, frozen=True, kw_only=True):
    """An invitation with its line, which is shown this once and kept nowhere."""

    invitation: InvitationReport
    text: str
    replaces: bool
    """Whether the tenant has a controller already, which is out when this is accepted with another key."""


class Invitations(Struct, frozen=True, kw_only=True):
    """All invitations, the oldest first."""

    invitations: tuple[InvitationReport, ...]


class MemberReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A tenant's controller that joined."""

    tenant: TenantId
    joined: Timestamp
    key: Fingerprint
    """Of the newest key that it was given a certificate for."""
    ends: Timestamp
    """When that certificate does."""
    revoked: Timestamp | UnsetType = UNSET
    """When that was revoked, if it was: it is refused, and the tenant is invited anew."""
    seen: Timestamp | UnsetType = UNSET
    """When it last asked, to the minute."""
    knows_next_key: bool = False


class Members(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tenants' controllers that joined, and the keys that they know the provider by."""

    members: tuple[MemberReport, ...]
    url: PeerUrl
    key: Fingerprint
    next_key: Fingerprint | UnsetType = UNSET
    """Announced, and used once all know it."""


class Join(Document, frozen=True, kw_only=True):
    """An invitation accepted: its secret, and a signing request for the key that is to be known from now on.

    The same again with the same key gets the same certificate.
    """

    secret: InvitationSecret
    request: Pem


class Renew(Document, frozen=True, kw_only=True):
    """A signing request for the next key. The same key again gets the same certificate."""

    request: Pem


class Certified(Struct, frozen=True, kw_only=True):
    """A certificate for the key that was sent."""

    tenant: TenantId
    certificate: Pem


class Membership(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the provider's controller tells of itself and of who asks."""

    tenant: TenantId
    version: str
    now: Timestamp
    """The provider's clock, by which everything here is judged."""
    ends: Timestamp
    """When the certificate that was shown does."""
    key: Fingerprint
    """The public key that the provider's controller shows from now on."""
    next_key: Fingerprint | UnsetType = UNSET
    """Accept it besides: it takes over once all members know it."""
    renew: bool = False
    """Whether a new certificate is due: two thirds of this one's life are over, or its authority goes."""


class LinkState(StrEnum):
    """How a tenant's controller stands with a provider."""

    JOINING = "joining"
    """The invitation was given, and no answer has come yet."""
    JOINED = "joined"
    OUT = "out"
    """The provider knows this controller no more."""
    LEAVING = "leaving"
    """It is being left: no failover over it begins."""


class AcceptInvitation(Document, frozen=True, kw_only=True):
    """An invitation that this tenant's controller is to accept."""

    invitation: Secret
    """The line."""
    name: Name | UnsetType = UNSET
    """What the provider is called here; the host in its URL where nothing is said."""


class ProviderReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A provider that this tenant's controller joined."""

    name: Name
    url: PeerUrl
    tenant: TenantId
    """Who one is there."""
    state: LinkState
    keys: tuple[Fingerprint, ...]
    """The public keys that its controller may show."""
    own_key: Fingerprint
    """The public key that it knows this controller by."""
    joined: Timestamp | UnsetType = UNSET
    ends: Timestamp | UnsetType = UNSET
    """When the certificate does that is shown to it."""
    seen: Timestamp | UnsetType = UNSET
    """When it last answered, by this controller's clock."""
    trouble: str | UnsetType = UNSET
    """What is wrong, and what to do."""


class Providers(Struct, frozen=True, kw_only=True):
    """All providers that were joined, by name."""

    providers: tuple[ProviderReport, ...]
