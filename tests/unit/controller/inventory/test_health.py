"""What is seen of an appliance becomes a condition, and a sentence that says what to do; the worst first."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from causeway_controller.contract.appliances import Condition
from causeway_controller.inventory import health
from causeway_controller.inventory.health import Answer, Deployed, Power, Shown, Sight, Silence

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PATIENCE = timedelta(minutes=3)
ONE = Deployed(id="acme-esx1", tenant="acme", host="esx1", address=ip_address("192.0.2.1"), port=8443)
FINE = Answer(agent="1.0", mode="idle", generation=41, epoch=7)
SHOWN = Shown(serial="ab", begins=AT, ends=AT + timedelta(days=300))


def looked(what: Answer | Silence, *, minutes: int = 0, before: Deployed = ONE, **members: Any) -> Deployed:
    sight = Sight(at=AT + timedelta(minutes=minutes), what=what, **{"intended": "idle", **members})
    return health.judged(before, sight)


def said(one: Deployed, *, minutes: int = 0) -> str:
    return health.trouble(one, now=AT + timedelta(minutes=minutes), patience=PATIENCE)


def test_what_is_well_is_no_trouble() -> None:
    one = looked(FINE, shown=SHOWN)
    assert (one.condition, one.seen, one.agent, one.generation) == (Condition.HEALTHY, AT, "1.0", 41)
    assert said(one) == ""


def test_silence_is_told_with_its_length_and_its_cause() -> None:
    one = looked(Silence(reason="connection refused", power=Power.ON), before=looked(FINE), minutes=1)
    one = looked(Silence(reason="connection refused", power=Power.ON), before=one, minutes=3)
    assert (one.condition, one.since) == (Condition.SILENT, AT + timedelta(minutes=1))
    assert said(one, minutes=3).startswith("has not answered for 3 min (connection refused); ")
    assert "redeploy" not in said(one, minutes=3), "it may be in the middle of its update"
    one = looked(Silence(reason="connection refused", power=Power.ON), before=one, minutes=11)
    assert "causeway appliance redeploy acme esx1" in said(one, minutes=11)


def test_what_never_answered_is_to_be_deployed_again_before_it_is_replaced() -> None:
    """Its host was not reached, or it never booted to its end: there may be nothing to redeploy."""
    one = looked(Silence(reason="connection refused"))
    assert said(one, minutes=3).startswith("has not answered once in 3 min (connection refused); ")
    words = said(one, minutes=3)
    assert words.index("causeway appliance deploy acme esx1") < words.index("appliance redeploy acme esx1")


@pytest.mark.parametrize(
    ("what", "members", "condition", "word"),
    [
        (Silence(reason="x", power=Power.MISSING), {}, Condition.MISSING, "deploy acme esx1"),
        (Silence(reason="x", power=Power.OFF), {"intended": "full"}, Condition.OFF, "it is full and powered"),
        (Silence(reason="was revoked", refused=True), {}, Condition.REFUSED, "was revoked"),
        (replace(FINE, wrong="the disk is full"), {}, Condition.DEGRADED, "the disk is full"),
        (FINE, {"intended": "full"}, Condition.OTHER_MODE, "it is idle, the last run left it full"),
        (FINE, {"current": False}, Condition.OUTDATED, "generation 41"),
        (replace(FINE, generation=None), {"current": False}, Condition.OUTDATED, "no document"),
    ],
)
def test_each_condition_says_what_to_do(
    what: Answer | Silence, members: dict[str, Any], condition: Condition, word: str
) -> None:
    one = looked(what, **members)
    assert one.condition is condition
    assert word in said(one)


def test_an_idle_appliance_may_be_off() -> None:
    one = looked(Silence(reason="no route", power=Power.OFF), before=looked(FINE))
    assert (one.condition, said(one)) == (Condition.OFF, "")


def test_one_that_has_never_answered_is_of_no_use_to_a_failover_when_it_is_off() -> None:
    one = looked(Silence(reason="no route", power=Power.OFF))
    assert one.condition is Condition.OFF
    assert "has not answered once since it was deployed" in said(one)
    assert f"`causeway {one.deploy}`" in said(one)


def test_while_a_run_changes_it_its_mode_is_no_trouble() -> None:
    one = looked(replace(FINE, mode="full"), intended=None, before=looked(FINE))
    assert (one.condition, one.intended) == (Condition.HEALTHY, "idle")


def test_that_nobody_asks_is_a_trouble_itself() -> None:
    assert said(looked(FINE), minutes=2) == ""
    assert "nobody has asked it for 4 min" in said(looked(FINE), minutes=4)


def test_a_certificate_that_was_not_renewed_is_told_before_it_ends() -> None:
    one = looked(FINE, shown=SHOWN)
    for days, told in ((1, False), (240, False), (251, True), (299, True)):
        now = AT + timedelta(days=days)
        found = health.trouble(replace(one, asked=now), now=now, patience=PATIENCE)
        assert ("causeway appliance rotate acme esx1" in found) is told


def test_the_worst_comes_first_and_what_serves_before_what_is_idle() -> None:
    silent = Silence(reason="no route", power=Power.ON)
    idle_gone = replace(looked(Silence(reason="x", power=Power.MISSING)), id="a")
    serving_outdated = replace(looked(replace(FINE, mode="full"), intended="full", current=False), id="b")
    serving_silent = replace(looked(silent, intended="full"), id="c")
    well = replace(looked(FINE), id="d")
    told = health.troubles((well, idle_gone, serving_outdated, serving_silent), now=AT, patience=PATIENCE)
    assert [each.appliance.id for each in told] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172_800, "2 d"),
        (-5, "0 s"),
    ],
)
def test_ages_are_told_in_the_largest_unit_that_says_enough(seconds: int, words: str) -> None:
    assert health.age(timedelta(seconds=seconds)) == words


def test_a_gateway_is_told_of_by_its_name_and_is_always_needed() -> None:
    gateway = replace(ONE, id="gw1", tenant=health.NOBODY, host="gw1")
    off = looked(Silence(reason="no answer", power=Power.OFF), before=gateway)
    assert said(off) == "it is powered off, and no tunnel goes over it; run `causeway gateway deploy gw1`"
    assert health.troubles([off], now=AT, patience=PATIENCE)[0].subject == "gateway gw1"
    assert "causeway gateway redeploy gw1" in said(looked(Silence(reason="x", refused=True), before=gateway))
    idle = looked(Silence(reason="no answer", power=Power.MISSING))
    assert health.rank(off) < health.rank(idle), "what carries all tenants comes before what is idle"
