"""A host is commanded with the login that is kept now: another password needs no restart."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from causeway_controller.app import identity
from causeway_controller.app.sites import Sites
from causeway_controller.contract.provider import Host
from causeway_controller.failover.steps import MachineKind, MachineRef
from causeway_controller.hypervisors import hosts
from causeway_controller.inventory import certificates
from causeway_controller.inventory.health import Deployed
from causeway_controller.peers.half import HalfPatience
from causeway_controller.store import authorities
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.database import Database
from causeway_controller.store.enrolments import Enrolments
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.ledger import Ledger
from causeway_controller.store.secrets import Secrets
from causeway_controller.trust import pki
from causeway_controller.trust.sealing import Vault
from causeway_wire.types import Secret
from tests import joining
from tests.provider_inventory import host, seed_example


def now() -> datetime:
    return datetime.now(UTC)


def made(database: Database, sealing: Vault, pool: Any) -> Sites:
    return Sites(
        database, sealing, pool=pool, controllers=(), image=Path("image"), halves=HalfPatience(), now=now
    )


async def test_another_password_is_used_without_a_restart(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def opening(_: Host, login: Secret | None, *, image: Path) -> object:
        opened.append("" if login is None else login.reveal())
        return object()

    monkeypatch.setattr(hosts, "provider", opening)
    sealing = joining.unlocked(database, now=now)
    kept = Secrets(database, sealing, now=now)
    pool: Any = None
    sites = made(database, sealing, pool)
    kept.put("esx1", Secret("user\nwrong"), actor="test")
    first = await sites.host(host("esx1"))
    assert await sites.host(host("esx1")) is first, "its session is kept"
    kept.put("esx1", Secret("user\nright"), actor="test")
    assert await sites.host(host("esx1")) is not first
    assert opened == ["user\nwrong", "user\nright"]


class Opened:
    """A host that keeps logins."""

    def __init__(self) -> None:
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1


async def test_logins_end_with_the_controller_and_with_their_password(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "provider", lambda *_, **__: Opened())
    sealing = joining.unlocked(database, now=now)
    kept = Secrets(database, sealing, now=now)
    pool: Any = None
    sites = made(database, sealing, pool)
    kept.put("esx1", Secret("user\nfirst"), actor="test")
    first: Any = await sites.host(host("esx1"))
    kept.put("esx1", Secret("user\nsecond"), actor="test")
    second: Any = await sites.host(host("esx1"))
    assert (first.closed, second.closed) == (1, 0)
    await sites.close()
    assert (first.closed, second.closed) == (1, 1)


async def test_logins_end_with_the_entry_of_their_host(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "provider", lambda *_, **__: Opened())
    sealing = joining.unlocked(database, now=now)
    Secrets(database, sealing, now=now).put("esx1", Secret("user\nright"), actor="test")
    pool: Any = None
    sites = made(database, sealing, pool)
    first: Any = await sites.host(host("esx1"))
    moved: Any = await sites.host(replace(host("esx1"), endpoint="https://elsewhere.example/sdk"))
    assert (first.closed, moved.closed) == (1, 0)


class Knowing:
    """A pool of agents that only hears of them."""

    async def know(self, *_: object) -> None: ...


async def test_a_machine_of_a_site_loaded_before_is_asked_for_by_the_new_entry(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it and who loads the site now would end each other's login with every question."""
    opened: list[str] = []

    class Answering(Opened):
        async def find(self, _: str) -> None: ...

    def opening(entry: Host, *_: object, **__: object) -> Answering:
        opened.append(entry.endpoint)
        return Answering()

    monkeypatch.setattr(hosts, "provider", opening)
    sealing = joining.unlocked(database, now=now)
    Secrets(database, sealing, now=now).put("esx1", Secret("user\nright"), actor="test")
    inventories, inventory = Inventories(database, now=now), seed_example()
    inventories.replace(inventory, expected=0, actor="test")
    pool: Any = Knowing()
    sites = made(database, sealing, pool)
    await sites.load("acme", "esx1")
    before = sites.machine(MachineRef(kind=MachineKind.REPLICA, tenant="acme", name="db1"))
    await before.find("vm-db1")
    (entry,) = inventory.hosts
    moved = replace(inventory, hosts=(replace(entry, endpoint="https://elsewhere.example/sdk"),))
    inventories.replace(moved, expected=1, actor="test")
    for _ in range(2):
        await sites.host_of("acme", "esx1")
        await before.find("vm-db1")
    assert opened == ["https://esx1.example/sdk", "https://elsewhere.example/sdk"]


async def test_what_was_deployed_and_has_not_enrolled_is_told_with_its_command(database: Database) -> None:
    sealing = joining.unlocked(database, now=now)
    tokens = Enrolments(database, sealing, now=now, make=lambda: Secret("a-long-token"))
    pool: Any = None
    sites = made(database, sealing, pool)
    place = Deployed(id="acme-esx1", tenant="acme", host="esx1", address=ip_address("192.0.2.7"), port=8443)
    Appliances(database).enter(place, at=now())
    assert await sites.unenrolled("acme-esx1") == ""
    await tokens.get("acme-esx1")
    assert await sites.unenrolled("acme-esx1") == "appliance deploy acme esx1"
    assert await sites.unenrolled("another") == ""
    await tokens.drop("acme-esx1")
    assert await sites.unenrolled("acme-esx1") == ""


async def test_what_has_a_certificate_has_enrolled_whatever_token_was_made_since(database: Database) -> None:
    """To deploy again what is not reached makes a token, which stays when that fails."""
    sealing = joining.unlocked(database, now=now)
    kept, ledger = Authorities(database, sealing, now=now), Ledger(database, now=now)
    pool: Any = None
    sites = made(database, sealing, pool)
    place = Deployed(id="acme-esx1", tenant="acme", host="esx1", address=ip_address("192.0.2.7"), port=8443)
    Appliances(database).enter(place, at=now())
    await Enrolments(database, sealing, now=now, make=lambda: Secret("a-long-token")).get("acme-esx1")
    management = authorities.management(identity.PROVIDER)
    kept.establish(management, actor="test")
    issuer = kept.issuer(management, certificates.of_agent("acme-esx1"), actor="test")
    issuer.issue(pki.make_key().public_key(), common_name="acme-esx1", usage=pki.Usage.SERVER, now=now())
    assert await sites.unenrolled("acme-esx1") == ""
    (serial,) = ledger.alive_of_agent("acme-esx1")
    ledger.revoke(serial, actor="test", reason="redeployed")
    assert await sites.unenrolled("acme-esx1") == "appliance deploy acme esx1"
