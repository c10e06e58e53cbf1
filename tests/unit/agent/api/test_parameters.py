"""Query parameters are exactly one of the allowed forms, or a problem."""

from __future__ import annotations

import pytest

from causeway_agent.api import parameters
from causeway_agent.engine.state import InForce
from causeway_agent.web.fields import Fields
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType
from tests.agents import REPLICA, partial, tenant
from tests.unit.agent.api.api_bench import FIRST, JSON, refused, serving


@pytest.mark.parametrize("text", ["", "0", "-1", "+5", "1.0", "3601", "99999", " 5", "5 ", "5s", "٣", "0x5"])
def test_only_whole_seconds_up_to_an_hour_confirm(text: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parameters.confirm_seconds({"confirm": text}, "confirm")
    assert caught.value.problem.type == ProblemType.INVALID.urn


@pytest.mark.parametrize("seconds", [1, 60, 3600])
def test_the_seconds_are_read(seconds: int) -> None:
    assert parameters.confirm_seconds({"confirm": str(seconds)}, "confirm") == seconds
    assert parameters.confirm_seconds({}, "confirm") is None


@pytest.mark.parametrize("text", ["", "1", "yes", "True", "TRUE", "true ", "on"])
def test_a_flag_is_true_or_false_in_so_many_letters(text: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parameters.flag({"escalate": text}, "escalate")
    assert caught.value.problem.type == ProblemType.INVALID.urn
    assert (parameters.flag({}, "escalate"), parameters.flag({"escalate": "true"}, "escalate")) == (
        False,
        True,
    )


async def test_the_api_refuses_them_before_anything_else_happens() -> None:
    async with serving() as api:
        for query in ("confirm=0", "confirm=ten", "escalate=1"):
            answer = await api.client.put(f"/v1/desired?{query}", data=codec.encode(tenant(1)), headers=FIRST)
            assert query.partition("=")[0] in (await refused(answer, ProblemType.INVALID)).detail
        assert api.engine.records.all() == ()


async def test_a_document_awaits_is_extended_cancelled_and_has_its_tag() -> None:
    async with serving() as api:
        await api.applied(tenant(1))
        new = tenant(2, failover=partial(REPLICA))
        answer = await api.client.put(
            "/v1/desired?confirm=60",
            data=codec.encode(new),
            headers={**JSON, "If-Match": await api.etag()},
        )
        assert (answer.status, answer.headers["ETag"]) == (202, InForce.of(new).etag)
        place = answer.headers["Location"]
        found = await (await api.client.get(place, params={"wait": "10"})).json()
        assert (found["state"], found["deadline"]) == ("awaiting-confirmation", "2026-01-01T00:01:00Z")
        assert (await api.etag()).startswith('"1-')
        extended = await api.client.post(f"{place}/extend", params={"seconds": "120", "epoch": "1"})
        assert (await extended.json())["deadline"] == "2026-01-01T00:02:00Z"
        await refused(await api.client.post(f"{place}/extend?epoch=1"), ProblemType.INVALID)
        await refused(await api.client.post(f"{place}/confirm?epoch=1"), ProblemType.SAME_CONNECTION)
        cancelled = await api.client.post(f"{place}/cancel?epoch=1")
        assert (cancelled.status, (await cancelled.json())["state"]) == (200, "rolled-back")
        await refused(await api.client.post(f"{place}/confirm?epoch=1"), ProblemType.NOT_AWAITING)


@pytest.mark.parametrize("query", [{"confrm": "1"}, {"": "1"}, {"Confirm": "1"}])
def test_what_a_resource_does_not_know_is_refused_with_what_it_knows(query: dict[str, str]) -> None:
    with pytest.raises(ProblemError, match="it knows confirm, escalate"):
        parameters.only(Fields(query.items()), ("confirm", "escalate"))


def test_only_names_of_rules_may_be_given_twice() -> None:
    parameters.only(Fields([("id", "a"), ("id", "b")]), ("id",))
    with pytest.raises(ProblemError, match="more than once"):
        parameters.only(Fields([("wait", "1"), ("wait", "1")]), ("wait",))
