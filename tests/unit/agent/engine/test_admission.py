"""The order of questions asked of a new document."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from causeway_agent.engine.admission import Preconditions, Standing, admit, is_repeat
from causeway_agent.engine.state import InForce
from causeway_wire.change import Change, ChangeState
from causeway_wire.desired import Desired, Failover, Full, Idle, Rehearsal
from causeway_wire.problem import Problem, ProblemError, ProblemType
from tests.agents import REPLICA, partial, provider, tenant

RUNNING = Change(
    id="0000000009-g9",
    generation=9,
    epoch=1,
    state=ChangeState.APPLYING,
    requested_by="tests",
    created=datetime(2026, 1, 1, tzinfo=UTC),
)


def standing(
    document: Desired | None = None,
    *,
    attempted: Desired | None = None,
    spent: str | None = None,
    epoch: int = 0,
    in_flight: Change | None = None,
) -> Standing:
    """The engine with this document in force."""
    last = InForce.of(attempted) if attempted is not None else None
    return Standing(
        in_force=InForce.of(document) if document is not None else None,
        attempted=(last.document.generation, last.digest) if last is not None else None,
        spent=spent,
        epoch=epoch,
        in_flight=in_flight,
    )


def match(document: Desired) -> Preconditions:
    """If-Match with this document's tag."""
    return Preconditions(if_match=(InForce.of(document).etag,))


FIRST = Preconditions(if_none_match=("*",))


def refusal(new: Desired, against: Standing, preconditions: Preconditions) -> Problem:
    """The problem that the document meets."""
    assert not is_repeat(InForce.of(new), against)
    with pytest.raises(ProblemError) as caught:
        admit(InForce.of(new), against, preconditions)
    return caught.value.problem


def test_the_first_document_needs_if_none_match() -> None:
    admit(InForce.of(tenant(1)), standing(), FIRST)
    assert refusal(tenant(1), standing(), Preconditions()).type == ProblemType.PRECONDITION_REQUIRED.urn
    assert refusal(tenant(1), standing(), match(tenant(1))).type == ProblemType.PRECONDITION_FAILED.urn


def test_the_next_document_needs_the_tag_of_the_one_in_force() -> None:
    now = standing(tenant(1))
    admit(InForce.of(tenant(2)), now, match(tenant(1)))
    admit(InForce.of(tenant(2)), now, Preconditions(if_match=("*",)))
    assert refusal(tenant(2), now, Preconditions()).type == ProblemType.PRECONDITION_REQUIRED.urn
    for wrong in (FIRST, match(tenant(7)), Preconditions(if_match=(f"W/{InForce.of(tenant(1)).etag}",))):
        assert refusal(tenant(2), now, wrong).type == ProblemType.PRECONDITION_FAILED.urn


def test_a_repeat_is_known_without_any_precondition() -> None:
    assert is_repeat(InForce.of(tenant(1)), standing(tenant(1)))


def test_a_repeat_of_what_is_being_applied_is_known() -> None:
    now = standing(tenant(1), attempted=tenant(2), in_flight=RUNNING)
    assert is_repeat(InForce.of(tenant(2)), now)


@pytest.mark.parametrize("before", [None, tenant(1)])
@pytest.mark.parametrize("preconditions", [match(tenant(1)), FIRST, Preconditions()])
def test_what_was_tried_and_taken_back_is_not_tried_again_under_its_generation(
    before: Desired | None, preconditions: Preconditions
) -> None:
    now = standing(before, attempted=tenant(2), spent="0000000002-g2")
    found = refusal(tenant(2), now, preconditions)
    assert (found.type, found.pointer) == (ProblemType.STALE_GENERATION.urn, "/generation")
    assert (found.generation, found.change) == (2, "0000000002-g2")
    assert "use 3 or more" in found.detail
    admit(InForce.of(tenant(3)), now, FIRST if before is None else match(before))


def test_what_was_in_force_and_is_lost_may_be_sent_again() -> None:
    now = standing(None, attempted=tenant(2))
    assert not is_repeat(InForce.of(tenant(2)), now)
    admit(InForce.of(tenant(2)), now, FIRST)


@pytest.mark.parametrize("attempted", [None, tenant(2)])
def test_the_same_generation_with_other_content_is_a_conflict(attempted: Desired | None) -> None:
    now = standing(tenant(2) if attempted is None else tenant(1), attempted=attempted)
    found = refusal(tenant(2, failover=partial(REPLICA)), now, match(tenant(2)))
    assert found.type == ProblemType.GENERATION_CONFLICT.urn
    assert found.pointer == "/generation"


@pytest.mark.parametrize("preconditions", [match(tenant(5)), Preconditions()])
def test_a_lower_generation_is_stale_before_preconditions_count(preconditions: Preconditions) -> None:
    found = refusal(tenant(4), standing(tenant(5)), preconditions)
    assert found.type == ProblemType.STALE_GENERATION.urn
    assert found.generation == 5


def test_a_generation_below_a_failed_attempt_is_stale() -> None:
    found = refusal(tenant(6), standing(tenant(5), attempted=tenant(7)), match(tenant(5)))
    assert (found.type, found.generation) == (ProblemType.STALE_GENERATION.urn, 7)


def test_a_lower_epoch_is_stale() -> None:
    found = refusal(tenant(6, epoch=3), standing(tenant(5), epoch=4), match(tenant(5)))
    assert (found.type, found.pointer) == (ProblemType.STALE_EPOCH.urn, "/epoch")


def test_a_change_in_flight_is_named_with_advice_when_to_return() -> None:
    found = refusal(tenant(10), standing(tenant(5), in_flight=RUNNING), match(tenant(5)))
    assert (found.type, found.change) == (ProblemType.CHANGE_IN_FLIGHT.urn, RUNNING.id)
    assert found.retry_after == 1.0


def test_a_role_never_changes_its_kind() -> None:
    found = refusal(provider(6), standing(tenant(5)), match(tenant(5)))
    assert (found.type, found.pointer) == (ProblemType.WRONG_ROLE.urn, "/role/kind")


def test_what_awaits_its_confirmation_is_named_with_both_ways_on() -> None:
    awaiting = msgspec.structs.replace(RUNNING, state=ChangeState.AWAITING, deadline=RUNNING.created)
    found = refusal(tenant(10), standing(tenant(5), in_flight=awaiting), match(tenant(5)))
    assert (found.type, found.change) == (ProblemType.AWAITING_CONFIRMATION.urn, RUNNING.id)
    assert "confirm it or cancel it" in found.detail
    assert "2026-01-01 00:00:00 UTC" in found.detail


IDLE, FULL, REHEARSAL = Idle(), Full(networks=()), Rehearsal(networks=())
MODES = (IDLE, partial(REPLICA), FULL, REHEARSAL)


@pytest.mark.parametrize("now", MODES, ids=lambda mode: type(mode).__name__)
@pytest.mark.parametrize("wanted", MODES, ids=lambda mode: type(mode).__name__)
def test_going_from_one_failover_directly_to_another_must_be_asked_for(
    now: Failover, wanted: Failover
) -> None:
    new, against = provider(6, failover=wanted), standing(provider(5, failover=now))
    admit(InForce.of(new), against, match(provider(5, failover=now)), escalate=True)
    if type(now) is type(wanted) or IDLE in (now, wanted):
        admit(InForce.of(new), against, match(provider(5, failover=now)))
        return
    found = refusal(new, against, match(provider(5, failover=now)))
    assert (found.type, found.pointer) == (ProblemType.FAILOVER_IN_PROGRESS.urn, "/role/failover/mode")
    assert all(way in found.detail for way in ("end it first", "?escalate=true"))
