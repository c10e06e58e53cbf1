"""Routes of the controller's API about the other site's: a provider's members, a tenant's providers."""

from __future__ import annotations

from typing import Final

from causeway_controller.contract.access import Permission
from causeway_controller.contract.joining import (
    AcceptInvitation,
    InvitationReport,
    Invitations,
    MadeInvitation,
    MemberReport,
    Members,
    NewInvitation,
    ProviderReport,
    Providers,
)
from causeway_controller.contract.routes import BODY, LOCATION, READ, Route
from causeway_controller.contract.tenant_view import TenantResources
from causeway_wire.problem import ProblemType as P

INVITE = Route(
    name="invite",
    method="POST",
    path="/v1/tenants/{tenant}/invitations",
    summary="Invite the tenant's controller; the invitation's line is shown this once",
    permission=Permission.MANAGE_MEMBERS,
    success=(201,),
    request=NewInvitation,
    response=MadeInvitation,
    answers=(LOCATION,),
    problems=(*BODY, P.UNSUPPORTED),
)
INVITATIONS = Route(
    name="invitations",
    method="GET",
    path="/v1/invitations",
    summary="Invitations without their secrets",
    permission=Permission.MANAGE_MEMBERS,
    response=Invitations,
    problems=READ,
)
REVOKE_INVITATION = Route(
    name="revoke_invitation",
    method="DELETE",
    path="/v1/invitations/{invitation}",
    summary="Let nobody accept an invitation any more; what it was accepted for stays, its alarm ends",
    permission=Permission.MANAGE_MEMBERS,
    response=InvitationReport,
    problems=READ,
)
MEMBERS = Route(
    name="members",
    method="GET",
    path="/v1/members",
    summary="Tenants' controllers that joined, and the keys that they know this provider by",
    permission=Permission.MANAGE_MEMBERS,
    response=Members,
    problems=(*READ, P.UNSUPPORTED),
)
EXPEL = Route(
    name="expel",
    method="DELETE",
    path="/v1/members/{tenant}",
    summary="Expel a tenant's controller: it is out at once, and its open invitations are revoked",
    permission=Permission.MANAGE_MEMBERS,
    response=MemberReport,
    problems=READ,
)
ANNOUNCE_KEY = Route(
    name="announce_key",
    method="POST",
    path="/v1/members/next-key",
    summary="Make the next key that members know this provider by, and tell them; again makes no other",
    permission=Permission.MANAGE_MEMBERS,
    response=Members,
    problems=(*READ, P.UNSUPPORTED),
)
SWITCH_KEY = Route(
    name="switch_key",
    method="POST",
    path="/v1/members/next-key/use",
    summary="Use the next key, and destroy the one before; refused while a member does not know it",
    permission=Permission.MANAGE_MEMBERS,
    response=Members,
    query=("force",),
    problems=(*READ, P.UNSUPPORTED, P.MEMBERS_BEHIND),
)
REPLACE_AUTHORITY = Route(
    name="replace_authority",
    method="POST",
    path="/v1/members/authority",
    summary="Replace the authority of members' certificates; they renew by themselves, then the old one goes",
    permission=Permission.MANAGE_MEMBERS,
    response=Members,
    problems=(*READ, P.UNSUPPORTED),
)
JOIN_PROVIDER = Route(
    name="join_provider",
    method="POST",
    path="/v1/providers",
    summary="Accept a provider's invitation; after no answer, ask again with the same one",
    permission=Permission.MANAGE_PROVIDERS,
    success=(201,),
    request=AcceptInvitation,
    response=ProviderReport,
    answers=(LOCATION,),
    problems=(*BODY, P.DUPLICATE, P.INVITATION_VOID, P.INVITATION_USED, P.WRONG_PEER),
)
PROVIDERS = Route(
    name="providers",
    method="GET",
    path="/v1/providers",
    summary="The providers that were joined",
    permission=Permission.MANAGE_PROVIDERS,
    response=Providers,
    problems=READ,
)
PROVIDER = Route(
    name="provider",
    method="GET",
    path="/v1/providers/{provider}",
    summary="A provider that was joined",
    permission=Permission.MANAGE_PROVIDERS,
    response=ProviderReport,
    problems=READ,
)
RESCAN_PROVIDER = Route(
    name="rescan_provider",
    method="POST",
    path="/v1/providers/{provider}/rescan",
    summary="Ask the provider now, rather than when it tells of a change",
    permission=Permission.MANAGE_PROVIDERS,
    response=ProviderReport,
    problems=(*READ, P.WRONG_PEER),
)
PROVIDER_RESOURCES = Route(
    name="provider_resources",
    method="GET",
    path="/v1/providers/{provider}/resources",
    summary="All that is one's own at the provider, as it says now",
    permission=Permission.MANAGE_PROVIDERS,
    response=TenantResources,
    problems=(*READ, P.WRONG_PEER),
)
LEAVE_PROVIDER = Route(
    name="leave_provider",
    method="DELETE",
    path="/v1/providers/{provider}",
    summary="Leave a provider that no failover relies on; it is told, unless `force` says that it cannot be",
    permission=Permission.MANAGE_PROVIDERS,
    response=ProviderReport,
    query=("force",),
    problems=(*READ, P.WRONG_PEER, P.FAILOVER_IN_PROGRESS),
)

MEMBER_ROUTES: Final = (
    INVITE,
    INVITATIONS,
    REVOKE_INVITATION,
    MEMBERS,
    EXPEL,
    ANNOUNCE_KEY,
    SWITCH_KEY,
    REPLACE_AUTHORITY,
)
PROVIDER_ROUTES: Final = (
    JOIN_PROVIDER,
    PROVIDERS,
    PROVIDER,
    RESCAN_PROVIDER,
    PROVIDER_RESOURCES,
    LEAVE_PROVIDER,
)
