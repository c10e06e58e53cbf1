"""Write the dump of the newest revision: `python -m tests.contract.store.dump`, once for each revision.

A dump is a database of SQLite as SQL, with its tables, triggers and some data. When a revision was released
its dump never changes again: `test_migrations` goes up from every one of them.
"""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import tempfile
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from causeway_controller.contract.access import Role
from causeway_controller.contract.joining import Invitation
from causeway_controller.contract.tokens import NewToken
from causeway_controller.inventory import certificates, modes
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.replicas import Told
from causeway_controller.store import authorities, migrate, revisions, vault
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.counters import Epochs, StoredGenerations
from causeway_controller.store.database import connect
from causeway_controller.store.idempotency import Keys
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.leases import Leases
from causeway_controller.store.ledger import Ledger
from causeway_controller.store.links import Links
from causeway_controller.store.replicas import Replicas
from causeway_controller.store.run_news import News, Stage
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.secrets import Secrets
from causeway_controller.store.tenancies import Standing, Standings
from causeway_controller.store.tokens import Tokens
from causeway_controller.trust import master_key, pki
from causeway_controller.trust.master_key import MasterKeys
from causeway_wire.types import Secret
from tests import joining, run_events
from tests.provider_inventory import seed_example, tenant

DUMPS = Path(__file__).parent / "dumps"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLIENT = certificates.of_client("acme", "t1", "acme-lan-tenant")
PASSWORD = Secret("correct horse")
LEFT = Standing(mode=modes.Full(frozenset({"db", "web"}), frozenset({"lan"})), publications=())

REPLICA = Told(
    host="esx1", vm_id="vm-db1", restored_to=AT, addresses=(ip_address("192.168.10.12"),), at=AT, by="robot"
)


def keys() -> MasterKeys:
    """The master key of every dump."""
    text = base64.b64encode(bytes(range(32))).decode()
    return master_key.parse(Secret(f"1 {text}"), source="the tests")


def fill(url: str) -> None:
    """Put something into every table of an empty database."""
    database = connect(url)
    migrate.upgrade(database)
    asking = seed_example(tenants=(tenant(more_public_ipv4=1),))
    Inventories(database, now=lambda: AT).replace(asking, expected=0, actor="anna")
    asyncio.run(StoredGenerations(database).at_least("acme-esx1", 41))
    epoch = Epochs(database).take("acme", "esx1")
    runs = Runs(database)
    runs.start(Run(id="r1", tenant="acme", host="esx1", request="{}", actor="anna", at=AT))
    run_events.append(runs, "r1", epoch=epoch, kind="started", detail="{}", at=AT)
    through = News(kind="stage", detail="{}", at=AT, through=Stage(name="stage 1", record="{}"))
    run_events.append_all(runs, "r1", (through,), epoch=epoch)
    runs.ask_to_stop("r1", actor="bert", at=AT)
    Standings(database).put("acme", "esx1", LEFT)
    Leases(database).take("controller-1", 10)
    sealing = vault.unlock(database, keys(), now=lambda: AT, actor="anna")
    Secrets(database, sealing, now=lambda: AT).put("hypervisor/esx1", PASSWORD, actor="anna")
    tokens = Tokens(database=database, now=lambda: AT, random=bytes)
    tokens.make(NewToken(name="bert", role=Role.AUDITOR, tenant="acme"), actor="anna")
    Keys(database=database, now=lambda: AT).claim("anna", "key", fingerprint="0" * 64)
    entered = Deployed(
        id="acme-esx1", tenant="acme", host="esx1", address=ip_address("203.0.113.10"), port=8443
    )
    Appliances(database).enter(entered, at=AT)
    named = authorities.vpn("acme")
    made = Authorities(database, sealing, now=lambda: AT)
    made.establish(named, actor="anna")
    issuer = made.issuer(named, CLIENT, actor="anna")
    key = pki.make_key().public_key()
    issued = issuer.issue(key, common_name=CLIENT.name, usage=pki.Usage.CLIENT, now=AT)
    Ledger(database, now=lambda: AT).installed(pki.serial(pki.pem(issued)), actor="anna")
    joined = joining.peering(database, sealing, now=lambda: AT, random=bytes)
    line = joined.invitations.make("acme", hours=24, actor="anna")
    request = pki.read_request(pki.make_request(pki.make_key()))
    joined.members.join(line.secret, request, source="192.0.2.1")
    told = Invitation(
        url=joined.url, pins=joined.keys.pins().both, secret=line.secret, expires=AT, tenant="acme"
    )
    Replicas(database).keep("acme", {"db1": REPLICA})
    Links(database, sealing, now=lambda: AT).begin("north", told, actor="anna")
    database.close()


def main() -> None:
    """Write the newest revision's dump."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "causeway.db"
        fill(f"sqlite:///{path}")
        with sqlite3.connect(path) as connection:
            text = "\n".join(connection.iterdump()) + "\n"
        connection.close()
    (DUMPS / f"{revisions.known()[-1]}.sql").write_text(text)


if __name__ == "__main__":
    main()
