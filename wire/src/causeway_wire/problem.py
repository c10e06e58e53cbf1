"""Problems: every refusal and failure, as RFC 9457 `application/problem+json` with stable types."""

from __future__ import annotations

from enum import Enum

from msgspec import UNSET, Struct, UnsetType

MEDIA_TYPE = "application/problem+json"


class ProblemType(Enum):
    """Every problem type: URN suffix, HTTP status, title. The URNs never change meaning."""

    MALFORMED = ("malformed", 400, "The request is not valid JSON of the expected shape")
    INVALID = ("invalid", 422, "The document is well formed but cannot be meant")
    NIC_NOT_FOUND = ("nic-not-found", 422, "No network adapter has this MAC address")
    OVERLAP = ("overlap", 422, "Two networks overlap")
    OUTSIDE_NETWORK = ("outside-network", 422, "An address lies outside its network")
    DUPLICATE = ("duplicate", 422, "Two entries that must differ are equal")
    UNKNOWN_REFERENCE = ("unknown-reference", 422, "A name refers to nothing in the document")
    WRONG_APPLIANCE = ("wrong-appliance", 422, "The document is for another appliance")
    WRONG_ROLE = ("wrong-role", 422, "The appliance has another role")
    UNSUPPORTED = ("unsupported", 422, "This machine cannot do what the document asks")
    CUTS_MANAGEMENT = ("cuts-management", 422, "The change would cut the controller off")
    RESERVED_PORT = ("reserved-port", 422, "The port is the appliance's own and cannot be published")
    OUTSIDE_ALLOCATION = ("outside-allocation", 422, "The address is not the tenant's")
    FAILOVER_IN_PROGRESS = ("failover-in-progress", 409, "Another type of failover is in progress")
    AWAITING_CONFIRMATION = ("awaiting-confirmation", 409, "A change awaits its confirmation")
    NOT_AWAITING = ("not-awaiting", 409, "The change awaits no confirmation")
    SAME_CONNECTION = ("same-connection", 409, "Confirm over a connection opened after the change")
    STALE_REVISION = ("stale-revision", 409, "The table of rules has another revision")
    ADDRESS_IN_USE = ("address-in-use", 409, "Another machine answers for an address to be claimed")
    NEIGHBOURS_FULL = ("neighbours-full", 503, "The kernel's table of neighbours is full")
    TUNNEL_FULL = ("tunnel-full", 503, "A machine sends more than its share of what a tunnel carries")
    CONNECTIONS_FULL = ("connections-full", 503, "The kernel's table of connections has little room left")
    STALE_GENERATION = ("stale-generation", 409, "This generation or a newer one was accepted before")
    GENERATION_CONFLICT = ("generation-conflict", 409, "The same generation was sent with other content")
    STALE_EPOCH = ("stale-epoch", 409, "A newer workflow has taken over")
    CHANGE_IN_FLIGHT = ("change-in-flight", 409, "Another change is being applied")
    PRECONDITION_FAILED = ("precondition-failed", 412, "The document in force is another one")
    PRECONDITION_REQUIRED = ("precondition-required", 428, "Say with If-Match what is replaced")
    FORBIDDEN = ("forbidden", 403, "The client certificate does not allow this")
    UNAUTHENTICATED = ("unauthenticated", 401, "Nobody knows who asks")
    NOT_ALLOWED = ("not-allowed", 403, "The role of who asks does not allow this")
    TOO_MANY = ("too-many", 429, "Too many requests")
    KEY_REUSED = ("key-reused", 422, "The idempotency key was used for another request")
    REQUEST_IN_FLIGHT = ("request-in-flight", 409, "The same request is still being carried out")
    RUN_OVER = ("run-over", 409, "The run is over")
    INVITATION_VOID = ("invitation-void", 403, "The invitation does not count, or not any more")
    INVITATION_USED = ("invitation-used", 409, "The invitation was accepted with another key")
    MEMBERS_BEHIND = ("members-behind", 409, "Not all members know the next key yet")
    WRONG_PEER = ("wrong-peer", 502, "Another machine answers than the one whose key is known")
    NOT_FOUND = ("not-found", 404, "No such resource")
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "The resource has no such method")
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported-media-type",
        415,
        "The body is of another type than the resource takes",
    )
    TOO_SLOW = ("too-slow", 408, "The body did not arrive in time")
    TOO_LARGE = ("too-large", 413, "The body is larger than the published limit")
    TOO_COSTLY = ("too-costly", 422, "Checking the document takes longer than the appliance allows")
    NOT_CONFIGURED = ("not-configured", 409, "No document has been applied yet")
    UPDATE_UNSUPPORTED = ("update-unsupported", 409, "This machine cannot be updated in place")
    UPDATE_IN_PROGRESS = ("update-in-progress", 409, "Another update is under way")
    UPDATE_REFUSED = ("update-refused", 422, "The update file is damaged or not for this machine")
    UPDATE_OLDER = ("update-older", 409, "The update is older than the system that runs")
    UPDATE_NOT_READY = ("update-not-ready", 409, "The other slot holds no such system")
    TUNNEL_IMPAIRED = ("tunnel-impaired", 503, "A tunnel works by another way than meant, or does not work")
    APPLY_FAILED = ("apply-failed", 500, "The change failed and was undone")
    STORAGE = ("storage", 507, "The appliance's disk cannot be written; nothing has changed")
    DAMAGED = ("damaged", 500, "What is on the appliance's disk is not what was written")
    INTERNAL = ("internal", 500, "A defect of Causeway; the incident is in the log")
    UNAVAILABLE = ("unavailable", 503, "Not ready")

    def __init__(self, suffix: str, status: int, title: str) -> None:
        self.urn = f"urn:causeway:problem:{suffix}"
        self.status = status
        self.title = title


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457 problem details with Causeway's extension members (`pointer`, `generation`, `change`, ...)."""

    type: str
    title: str
    status: int
    detail: str
    pointer: str | UnsetType = UNSET
    """RFC 6901 pointer into the request's document."""
    generation: int | UnsetType = UNSET
    """The generation in force."""
    epoch: int | UnsetType = UNSET
    """The highest epoch accepted."""
    revision: int | UnsetType = UNSET
    """The revision of the table of public rules."""
    change: str | UnsetType = UNSET
    incident: str | UnsetType = UNSET
    retry_after: float | UnsetType = UNSET
    """Seconds."""
    errors: tuple[Problem, ...] | UnsetType = UNSET
    """The problems found, when there is more than one."""
    more: int | UnsetType = UNSET
    """How many problems were found besides `errors`."""

    @property
    def each(self) -> tuple[Problem, ...]:
        """Every problem that it tells: `errors`, or itself alone."""
        return self.errors or (self,)


def problem(
    kind: ProblemType,
    detail: str,
    *,
    pointer: str | UnsetType = UNSET,
    generation: int | UnsetType = UNSET,
    epoch: int | UnsetType = UNSET,
    revision: int | UnsetType = UNSET,
    change: str | UnsetType = UNSET,
    incident: str | UnsetType = UNSET,
    retry_after: float | UnsetType = UNSET,
) -> Problem:
    """A problem of this kind; `detail` says what to do next."""
    return Problem(
        type=kind.urn,
        title=kind.title,
        status=kind.status,
        detail=detail,
        pointer=pointer,
        generation=generation,
        epoch=epoch,
        revision=revision,
        change=change,
        incident=incident,
        retry_after=retry_after,
    )


def combine(problems: tuple[Problem, ...], *, more: int = 0) -> Problem:
    """One problem to answer with: the first, carrying all of them when there are several, and how many more
    were found.
    """
    first = problems[0]
    if len(problems) == 1:
        return first
    return Problem(
        type=first.type,
        title=first.title,
        status=first.status,
        detail=first.detail,
        pointer=first.pointer,
        errors=problems,
        more=more or UNSET,
    )


class ProblemError(Exception):
    """A problem on its way to the edge, where it becomes the answer."""

    def __init__(self, details: Problem) -> None:
        super().__init__(f"{details.title}: {details.detail}")
        self.problem = details
