"""Certificates are renewed and authorities replaced by themselves, over real TLS, whoever dies in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from causeway_controller.contract.appliances import Condition
from causeway_controller.inventory import certificates
from causeway_controller.inventory.rotation import Steady
from causeway_controller.store.audit import Audit
from causeway_controller.trust import pki
from causeway_controller.workflows.renewal import Renewal
from tests.watched import MANAGEMENT, ME, Watched, watched

DUE = pki.LEAF_LIFETIME * certificates.RENEW_AFTER + timedelta(days=1)
OLD = pki.AUTHORITY_LIFETIME * certificates.RENEW_AFTER + timedelta(days=1)


@pytest_asyncio.fixture
async def one(tmp_path: Path) -> AsyncIterator[Watched]:
    async with watched(tmp_path, ago=DUE) as made:
        yield made


@pytest_asyncio.fixture
async def old(tmp_path: Path) -> AsyncIterator[Watched]:
    """Of an authority that is to be replaced."""
    async with watched(tmp_path, authority_ago=OLD) as made:
        yield made


def another(one: Watched) -> Renewal:
    """Another controller's."""
    return one.renewing()


def serials(one: Watched) -> list[str]:
    """Every certificate that was issued for the agent."""
    newest = one.ledger.newest_of_agents([ME])[ME]
    return [each.serial for each in (newest,)]


async def test_what_is_shown_is_written_into_the_ledger(one: Watched) -> None:
    (serial,) = serials(one)
    assert one.ledger.get(serial).installed is None
    await one.round()
    assert one.ledger.get(serial).installed is not None


async def test_the_authorities_are_told_once_and_then_nothing_is_done(one: Watched) -> None:
    told = await one.round()
    assert (told.trusts, one.agent.trusted) == ("1", one.pool.identity.authority)
    one.agent.requests.clear()
    await one.round()
    assert [path for _, path in one.agent.requests] == ["/v1/observed"]


async def test_a_certificate_is_renewed_after_two_thirds_of_its_life_under_a_new_key(one: Watched) -> None:
    before = await one.round()
    (first,) = serials(one)
    one.now += DUE
    after = await one.round()
    (second,) = serials(one)
    assert first != second
    assert before.shown is not None
    assert after.shown is not None
    assert (before.shown.serial, after.shown.serial) == (first, second)
    assert one.ledger.get(second).installed is not None
    assert len(one.agent.keys) == 2


@pytest.mark.parametrize("lost", ["PUT /v1/identity/certificate", "GET /v1"], ids=["not-sent", "not-noted"])
async def test_a_controller_that_died_in_between_is_followed_by_one_that_goes_on(
    one: Watched, lost: str
) -> None:
    """Signed, and not sent; or sent, and nobody noted it: either way that certificate is the one."""
    await one.round()
    one.now += DUE
    one.agent.intercept = lambda request: (
        web.Response(status=500, text="no") if f"{request.method} {request.path}" == lost else None
    )
    await one.round()
    (issued,) = serials(one)
    assert one.ledger.get(issued).installed is None
    one.agent.intercept = lambda _: None
    one.watch, one.renewal = one.watching(), another(one)
    await one.round()
    found = await one.round()
    assert found.shown is not None
    assert (found.shown.serial, serials(one)) == (issued, [issued])
    assert one.ledger.get(issued).installed is not None


async def test_an_agent_that_lost_its_key_gets_another_certificate(one: Watched) -> None:
    await one.round()
    one.issue()
    (lost,) = serials(one)
    one.agent.keys.clear()
    await one.round()
    assert serials(one) != [lost]
    found = await one.round()
    assert found.condition is Condition.HEALTHY


async def test_two_controllers_at_once_end_with_one_certificate(one: Watched) -> None:
    await one.round()
    one.now += DUE
    await one.refresh()
    one.pass_(minutes=1)
    other_watch, other = one.watching(), another(one)
    seen, seen_too = await one.watch.look(), await other_watch.look()
    await one.renewal.look(seen, one.watch.roll)
    await other.look(seen_too, other_watch.roll)
    await one.round()
    found = await one.round()
    assert found.shown is not None
    assert [found.shown.serial] == serials(one)


async def test_an_authority_is_replaced_without_a_moment_of_distrust(old: Watched) -> None:
    one = old
    for number in range(20):
        assert (await one.round()).condition is Condition.HEALTHY, number
        if isinstance(one.kept.phase(MANAGEMENT), Steady) and one.appliances.all()[0].trusts == "2":
            break
    first, second = one.kept.generations(MANAGEMENT)
    assert (first.retired is None, second.trusted is None) == (False, False)
    assert one.agent.trusted == one.kept.bundle(MANAGEMENT)
    assert one.ledger.newest_of_agents([ME])[ME].generation == 2
    told = [record.act.action for record in Audit(one.database).records()]
    assert [each for each in told if each.startswith("authority.")] == [
        "authority.make",
        "authority.make",
        "authority.trust",
        "authority.retire",
    ]


async def test_nothing_is_signed_by_an_authority_that_somebody_was_not_told_of(old: Watched) -> None:
    one = old
    await one.round()
    one.agent.intercept = lambda request: (
        web.Response(status=500, text="no") if request.method == "PUT" else None
    )
    for _ in range(6):
        await one.round()
    assert [each.trusted is None for each in one.kept.generations(MANAGEMENT)] == [False, True]


async def test_a_revoked_certificate_is_refused_on_connections_that_were_open_too(one: Watched) -> None:
    found = await one.round()
    assert found.shown is not None
    one.ledger.revoke(found.shown.serial, actor="anna", reason="stolen")
    await one.refresh()
    refused = await one.round()
    assert refused.condition is Condition.REFUSED
    assert f"{found.shown.serial} was revoked" in refused.cause
    assert serials(one) == [found.shown.serial], "a revoked one is not renewed by itself"


async def test_rotating_now_does_not_wait_until_it_is_due(one: Watched) -> None:
    found = await one.round()
    rotated = await one.renewal.rotate(found)
    assert rotated.shown is not None
    assert [rotated.shown.serial] == serials(one)
    assert rotated.shown != found.shown
