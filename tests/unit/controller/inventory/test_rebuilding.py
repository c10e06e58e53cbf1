"""A dead appliance is brought back only where nobody can lose by it, and not for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from causeway_controller.contract.appliances import Condition
from causeway_controller.contract.provider import Rebuild
from causeway_controller.inventory import rebuilding
from causeway_controller.inventory.health import NOBODY, Deployed, Power
from causeway_controller.inventory.rebuilding import Attempt, Surroundings

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
LONG = timedelta(hours=1)


def appliance(condition: Condition, *, intended: str = "idle", lasts: timedelta = LONG) -> Deployed:
    return Deployed(
        id="acme-esx1",
        tenant="acme",
        host="esx1",
        address=ip_address("192.0.2.1"),
        port=8443,
        condition=condition,
        since=NOW - lasts,
        asked=NOW,
        intended=intended,
    )


HEARD = Deployed(
    id="zeta-esx1",
    tenant="zeta",
    host="esx1",
    address=ip_address("192.0.2.2"),
    port=8443,
    condition=Condition.HEALTHY,
    asked=NOW,
    seen=NOW,
)


def around(
    *,
    policy: Rebuild = Rebuild.SAFE,
    neighbours: tuple[Deployed, ...] = (HEARD,),
    attempts: tuple[Attempt, ...] = (),
) -> Surroundings:
    return Surroundings(
        policy=policy, neighbours=neighbours, attempts=attempts, now=NOW, interval=timedelta(seconds=30)
    )


def attempt(ago: timedelta, *, tenant: str = "other", going_on: bool = False) -> Attempt:
    return Attempt(run=f"r{ago.seconds}", tenant=tenant, host="esx1", on="esx1", at=NOW - ago, open=going_on)


@pytest.mark.parametrize(
    ("condition", "intended", "policy", "due"),
    [
        (Condition.MISSING, "idle", Rebuild.SAFE, True),
        (Condition.MISSING, "partial", Rebuild.SAFE, True),
        (Condition.MISSING, "partial", Rebuild.NEVER, False),
        (Condition.OFF, "idle", Rebuild.ALWAYS, False),
        (Condition.OFF, "full", Rebuild.SAFE, True),
        (Condition.SILENT, "idle", Rebuild.SAFE, True),
        (Condition.SILENT, "full", Rebuild.SAFE, False),
        (Condition.SILENT, "full", Rebuild.ALWAYS, True),
        (Condition.SILENT, "idle", Rebuild.NEVER, False),
        (Condition.REFUSED, "idle", Rebuild.ALWAYS, False),
        (Condition.DEGRADED, "full", Rebuild.ALWAYS, False),
        (Condition.OUTDATED, "idle", Rebuild.ALWAYS, False),
    ],
)
def test_what_is_brought_back(condition: Condition, intended: str, policy: Rebuild, *, due: bool) -> None:
    assert bool(rebuilding.due(appliance(condition, intended=intended), around(policy=policy))) is due


@pytest.mark.parametrize(
    ("condition", "policy", "due"),
    [
        (Condition.MISSING, Rebuild.SAFE, True),
        (Condition.OFF, Rebuild.SAFE, True),
        (Condition.SILENT, Rebuild.SAFE, False),
        (Condition.SILENT, Rebuild.ALWAYS, True),
        (Condition.OFF, Rebuild.NEVER, False),
        (Condition.REFUSED, Rebuild.ALWAYS, False),
    ],
)
def test_a_gateway_always_serves(condition: Condition, policy: Rebuild, *, due: bool) -> None:
    """It carries all tenants' tunnels, whatever mode a failover would say."""
    one = replace(appliance(condition), id="gw1", tenant=NOBODY, host="gw1")
    assert bool(rebuilding.due(one, around(policy=policy))) is due


def test_gateways_are_told_apart_from_one_another() -> None:
    one = replace(appliance(Condition.MISSING), id="gw1", tenant=NOBODY, host="gw1")
    other = replace(attempt(timedelta(minutes=2), going_on=True), tenant=NOBODY, host="gw2")
    assert rebuilding.due(one, around(attempts=(other,)))
    assert rebuilding.due(one, around(attempts=(replace(other, host="gw1"),))) == ""
    assert rebuilding.told(one, (other,), on="esx1", now=NOW) == ""
    assert "run watch" in rebuilding.told(one, (replace(other, host="gw1"),), on="esx1", now=NOW)


@pytest.mark.parametrize(
    ("condition", "lasts", "due"),
    [
        (Condition.MISSING, 89, False),
        (Condition.MISSING, 90, True),
        (Condition.SILENT, 599, False),
        (Condition.SILENT, 600, True),
    ],
)
def test_it_must_have_been_so_for_a_while(condition: Condition, lasts: int, *, due: bool) -> None:
    found = appliance(condition, lasts=timedelta(seconds=lasts))
    assert bool(rebuilding.due(found, around())) is due


@pytest.mark.parametrize(
    ("condition", "lasts", "due"),
    [(Condition.SILENT, 4799, False), (Condition.SILENT, 4800, True), (Condition.MISSING, 90, True)],
)
def test_silence_lasts_longer_where_appliances_are_slow(
    condition: Condition, lasts: int, *, due: bool
) -> None:
    found = appliance(condition, lasts=timedelta(seconds=lasts))
    assert bool(rebuilding.due(found, replace(around(), patience=8.0))) is due


def test_what_was_not_looked_at_lately_is_left_alone() -> None:
    one = replace(appliance(Condition.MISSING), asked=NOW - timedelta(minutes=5))
    assert rebuilding.due(one, around()) == ""


def test_where_nobody_is_heard_the_way_may_be_broken() -> None:
    one = appliance(Condition.SILENT)
    assert rebuilding.due(one, around(neighbours=())) == ""
    assert rebuilding.due(one, around(neighbours=(one,))) == ""
    before = replace(HEARD, seen=NOW - 2 * LONG, asked=NOW - 2 * LONG)
    assert rebuilding.due(one, around(neighbours=(before,))) == "", "heard before, not since"
    silent = replace(HEARD, condition=Condition.SILENT, seen=NOW - timedelta(minutes=5))
    assert rebuilding.due(one, around(neighbours=(silent,))) == "", "its last look was not answered"


def test_after_three_within_an_hour_on_a_host_it_stops_and_says_what_to_do() -> None:
    one = appliance(Condition.MISSING)
    attempts = tuple(attempt(timedelta(minutes=minutes)) for minutes in (50, 40, 30))
    assert rebuilding.due(one, around(attempts=attempts[1:]))
    assert rebuilding.due(one, around(attempts=attempts)) == ""
    said = rebuilding.told(one, attempts, on="esx1", now=NOW)
    assert "3 were brought back on esx1" in said
    assert "until 12:10 UTC" in said
    assert "causeway run report r1800" in said
    later = NOW + timedelta(minutes=11)
    assert rebuilding.told(one, attempts, on="esx1", now=later) == "", "the first one is over an hour ago"
    assert len(rebuilding.recent(attempts, "esx1", now=later)) == 2
    assert rebuilding.recent(attempts, "esx2", now=NOW) == ()


def test_one_at_a_time_and_not_again_at_once() -> None:
    one = appliance(Condition.MISSING)
    under_way = attempt(timedelta(minutes=20), tenant="acme", going_on=True)
    assert rebuilding.due(one, around(attempts=(under_way,))) == ""
    assert "causeway run watch" in rebuilding.told(one, (under_way,), on="esx1", now=NOW)
    lately = attempt(timedelta(minutes=4), tenant="acme")
    assert rebuilding.due(one, around(attempts=(lately,))) == ""
    assert rebuilding.due(one, around(attempts=(replace(lately, tenant="zeta"),)))
    assert rebuilding.told(appliance(Condition.HEALTHY), (), on="esx1", now=NOW) == ""


@pytest.mark.parametrize(
    ("condition", "power", "agrees"),
    [
        (Condition.MISSING, Power.MISSING, True),
        (Condition.MISSING, Power.UNKNOWN, False),
        (Condition.SILENT, Power.ON, True),
        (Condition.SILENT, Power.UNKNOWN, False),
        (Condition.SILENT, Power.OFF, False),
        (Condition.OFF, Power.ON, False),
    ],
)
def test_its_host_must_say_the_same_again(condition: Condition, power: Power, *, agrees: bool) -> None:
    assert rebuilding.agrees(appliance(condition), power) is agrees
