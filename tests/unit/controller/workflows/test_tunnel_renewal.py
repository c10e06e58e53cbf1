"""Tunnels' certificates are renewed at two thirds of their life, of appliances that answer, one at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from causeway_controller.contract.appliances import Condition
from causeway_controller.errors import PeerUnreachable
from causeway_controller.inventory import certificates
from causeway_controller.inventory.health import NOBODY, Deployed
from causeway_controller.store import authorities
from causeway_controller.store.audit import Audit
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.database import Database
from causeway_controller.store.ledger import Ledger
from causeway_controller.store.tunnels import end_names
from causeway_controller.trust import pki
from causeway_controller.workflows.certifying import Certifying
from causeway_controller.workflows.tunnel_renewal import AGAIN, AT_ONCE, CHECK, SOON, TunnelRenewal
from causeway_controller.workflows.tunnels import ServerCertificates
from tests import joining, sites

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SEEN = Deployed(
    id="acme-esx1", tenant="acme", host="esx1", address=ip_address("192.0.2.1"), port=8443, asked=AT, seen=AT
)


class Appliances:
    """What is due, and what was asked for."""

    def __init__(self, database: Database) -> None:
        self.seconds = 0.0
        self.chance = 0.0
        self.revoked = 3
        self.due = True
        self.failing: Exception | None = None
        self.hangs: asyncio.Event | None = None
        """When it is set `esx1` goes on."""
        self.ended = asyncio.Semaphore(0)
        self.slow = 0.0
        self.now = self.most = 0
        self.done: list[tuple[str, str]] = []
        self.audit = Audit(database)
        self.renewal = TunnelRenewal(
            due=self._due,
            conform=self._conform,
            revoked=lambda: self.revoked,
            audit=self.audit,
            now=lambda: AT,
            actor="ctl1",
            clock=lambda: self.seconds,
            random=lambda: self.chance,
        )

    async def _due(self, tenant: str, host: str) -> bool:
        return self.due

    async def _conform(self, tenant: str, host: str) -> None:
        if self.failing is not None:
            raise self.failing
        self.now += 1
        self.most = max(self.most, self.now)
        if self.hangs is not None and host == "esx1":
            await self.hangs.wait()
        await asyncio.sleep(self.slow)
        self.now -= 1
        self.done.append((tenant, host))
        self.ended.release()

    async def look(self, *seen: Deployed, after: float = 0.0) -> None:
        self.seconds += after
        await self.renewal.look(seen, lambda: None)


async def test_what_is_due_is_renewed_and_written_down(database: Database) -> None:
    appliances = Appliances(database)
    appliances.due = False
    await appliances.look(SEEN)
    appliances.due = True
    await appliances.look(SEEN, after=CHECK - 1)
    assert appliances.done == []
    await appliances.look(SEEN, after=1)
    assert appliances.done == [("acme", "esx1")]
    assert [one.act.action for one in appliances.audit.records()] == ["tunnel.renew"]


async def test_when_more_are_revoked_those_are_looked_at_too_that_are_idle(database: Database) -> None:
    appliances = Appliances(database)
    appliances.due = False
    await appliances.look(SEEN)
    appliances.due = True
    await appliances.look(SEEN, after=1)
    assert appliances.done == []
    appliances.revoked += 1
    await appliances.look(SEEN, after=1)
    assert appliances.done == [("acme", "esx1")]


async def test_all_are_not_looked_at_in_the_first_moment(database: Database) -> None:
    appliances = Appliances(database)
    appliances.chance = 0.5
    await appliances.look(SEEN)
    await appliances.look(SEEN, after=CHECK / 2 - 1)
    assert appliances.done == []
    await appliances.look(SEEN, after=1)
    assert appliances.done == [("acme", "esx1")]


async def test_who_did_not_answer_and_gateways_are_left_alone(database: Database) -> None:
    appliances = Appliances(database)
    await appliances.look(replace(SEEN, seen=AT - timedelta(minutes=1)), replace(SEEN, tenant=NOBODY))
    assert appliances.done == []


async def test_one_that_is_not_what_it_should_be_is_looked_at_soon(database: Database) -> None:
    appliances = Appliances(database)
    appliances.chance = 0.5
    appliances.due = False
    behind = replace(SEEN, condition=Condition.OUTDATED)
    await appliances.look(behind)
    appliances.due = True
    await appliances.look(SEEN, behind, after=SOON - 1)
    assert appliances.done == []
    await appliances.look(SEEN, after=1)
    assert appliances.done == []
    await appliances.look(behind)
    assert appliances.done == [("acme", "esx1")]


async def test_what_fails_is_tried_again_soon(database: Database) -> None:
    appliances = Appliances(database)
    appliances.failing = PeerUnreachable("no controller answers")
    await appliances.look(SEEN)
    appliances.failing = None
    await appliances.look(SEEN, after=AGAIN)
    assert appliances.done == [("acme", "esx1")]


async def test_what_was_certified_and_not_sent_is_sent(database: Database) -> None:
    appliances = Appliances(database)
    appliances.failing = PeerUnreachable("no controller answers")
    await appliances.look(SEEN)
    appliances.failing, appliances.due = None, False
    await appliances.look(SEEN, after=AGAIN)
    assert appliances.done == [("acme", "esx1")]
    await appliances.look(SEEN, after=CHECK)
    assert len(appliances.done) == 1


async def test_one_that_hangs_keeps_the_others_from_nothing(database: Database) -> None:
    appliances = Appliances(database)
    others = [replace(SEEN, id=f"acme-esx{number}", host=f"esx{number}") for number in range(2, 9)]
    appliances.hangs = asyncio.Event()
    looking = asyncio.create_task(appliances.look(SEEN, *others))
    async with asyncio.timeout(10):
        for _ in others:
            await appliances.ended.acquire()
    assert ("acme", "esx1") not in appliances.done
    appliances.hangs.set()
    await looking
    assert len(appliances.done) == 8


async def test_not_all_are_spoken_to_at_once(database: Database) -> None:
    appliances = Appliances(database)
    appliances.slow = 0.02
    everybody = [replace(SEEN, id=f"acme-kvm{number}", host=f"kvm{number}") for number in range(30)]
    await appliances.look(*everybody)
    assert (len(appliances.done), appliances.most) == (30, AT_ONCE)


async def test_a_servers_certificate_is_due_at_two_thirds(database: Database) -> None:
    now = [AT]
    sealing = joining.unlocked(database, now=lambda: now[0])
    kept = Authorities(database, sealing, now=lambda: now[0])
    ledger = Ledger(database, now=lambda: now[0])
    servers = ServerCertificates(
        Certifying(authorities=kept, ledger=ledger, now=lambda: now[0], actor="test")
    )
    tenant = sites.site().tenants["acme"]
    network = next(iter(tenant.networks.values()))
    name = end_names("acme", network.id)[1]
    subject = certificates.of_server("acme", network.tunnel, name)
    assert not await servers.due(tenant), "what never was is deployed, not renewed"
    kept.establish(authorities.vpn("acme"), actor="test")
    request = pki.read_request(pki.make_request(pki.make_key()))
    issuer = kept.issuer(authorities.vpn("acme"), subject, actor="test")
    made = pki.issue_vpn(issuer, request, common_name=name, usage=pki.Usage.SERVER, now=AT)
    begins, ends = pki.validity(made)
    now[0] = begins + (ends - begins) * 2 / 3 - timedelta(minutes=1)
    assert not await servers.due(tenant)
    now[0] += timedelta(minutes=1)
    assert await servers.due(tenant)
    renewed = pki.issue_vpn(issuer, request, common_name=name, usage=pki.Usage.SERVER, now=now[0])
    assert not await servers.due(tenant)
    ledger.revoke(pki.serial(renewed), actor="test", reason="the disk is gone")
    assert await servers.due(tenant), "one that was revoked is replaced at once"
