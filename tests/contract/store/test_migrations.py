"""Every revision that was released becomes the tables of now, with all that is in them."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from msgspec import UNSET
from sqlalchemy import MetaData, delete, insert, text

from causeway_controller.errors import StoreError
from causeway_controller.inventory.rotation import Steady
from causeway_controller.store import authorities, migrate, revisions, vault
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.columns import METADATA
from causeway_controller.store.counters import Epochs, StoredGenerations
from causeway_controller.store.database import Database, connect
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.ledger import Ledger
from causeway_controller.store.replicas import Replicas
from causeway_controller.store.runs import Runs
from causeway_controller.store.secrets import Secrets
from tests.contract.store.dump import AT, CLIENT, DUMPS, PASSWORD, REPLICA, keys
from tests.provider_inventory import host, seed_example, tenant, with_

WITHOUT_LOGIN = with_(host(), login=UNSET)
"""As in every dump up to 0010; nobody may enter it any more."""


def test_each_revision_has_a_dump() -> None:
    dumped = {path.stem for path in DUMPS.glob("*.sql")}
    assert dumped == set(revisions.known()), "python -m tests.contract.store.dump writes the newest one's"


def test_the_revisions_that_are_known_are_those_that_lead_to_now() -> None:
    scripts = ScriptDirectory.from_config(migrate.config())
    assert revisions.known() == tuple(reversed([each.revision for each in scripts.walk_revisions()]))


def test_a_database_says_which_tables_it_has(empty_url: str) -> None:
    database = connect(empty_url)
    with database.read() as connection:
        assert revisions.current(connection) is None
    migrate.upgrade(database, to=revisions.known()[3])
    assert revisions.missing(database) == revisions.known()[4:]
    with database.read() as connection:
        assert revisions.current(connection) == MigrationContext.configure(connection).get_current_revision()
    database.close()


def restored(tmp_path: Path, revision: str) -> Path:
    path = tmp_path / "dumped.db"
    connection = sqlite3.connect(path)
    connection.executescript((DUMPS / f"{revision}.sql").read_text())
    connection.close()
    return path


def copied(dumped: Path, url: str, revision: str) -> None:
    """What is in the dump, in a database of PostgreSQL at the same revision."""
    database = connect(url)
    migrate.upgrade(database, to=revision)
    source = sqlite3.connect(dumped)
    source.row_factory = sqlite3.Row
    with database.write() as connection:
        tables = MetaData()
        tables.reflect(connection)
        for table in tables.sorted_tables:
            rows = [dict(row) for row in source.execute(f'SELECT * FROM "{table.name}"')]  # noqa: S608 - our own
            if table.name.endswith("_head"):
                connection.execute(delete(table))
            if rows and table.name != "alembic_version":
                connection.execute(insert(table), rows)
    source.close()
    database.close()


def migrated(empty_url: str, tmp_path: Path, revision: str) -> str:
    """The URL of a database that was dumped at this revision and is of now."""
    dumped, url = restored(tmp_path, revision), empty_url
    if url.startswith("sqlite"):
        url = f"sqlite:///{dumped}"
    else:
        copied(dumped, url, revision)
    database = connect(url)
    migrate.upgrade(database)
    database.close()
    return url


@pytest.mark.parametrize("revision", revisions.known())
def test_what_an_older_version_kept_is_there(empty_url: str, tmp_path: Path, revision: str) -> None:
    database = connect(migrated(empty_url, tmp_path, revision))
    stored = Inventories(database, now=lambda: AT).load()
    known = WITHOUT_LOGIN if revision <= "0010" else host()
    entered = seed_example(hosts=(known,), tenants=(tenant(more_public_ipv4=1),))
    assert (stored.revision, stored.inventory) == (1, entered)
    assert [lease.vlan for lease in stored.allocation.vlans] == [100, 150, 101, 151, 102]
    assert [str(lease.address) for lease in stored.allocation.public] == ["198.51.100.10"]
    assert asyncio.run(StoredGenerations(database).next("acme-esx1")) == 42
    assert Epochs(database).current("acme", "esx1") == 1
    assert [run.id for run in Runs(database).open()] == ["r1"]
    assert Runs(database).events("r1")[0].kind == "started"
    database.close()


@pytest.mark.parametrize("revision", [each for each in revisions.known() if each >= "0002"])
def test_what_an_older_version_sealed_opens(empty_url: str, tmp_path: Path, revision: str) -> None:
    url = migrated(empty_url, tmp_path, revision)
    database = connect(url)
    sealing = vault.unlock(database, keys(), now=lambda: AT, actor="bert")
    assert Secrets(database, sealing, now=lambda: AT).get("hypervisor/esx1") == PASSWORD
    database.close()


@pytest.mark.parametrize("revision", [each for each in revisions.known() if each >= "0004"])
def test_what_an_older_version_issued_is_in_the_ledger(empty_url: str, tmp_path: Path, revision: str) -> None:
    database = connect(migrated(empty_url, tmp_path, revision))
    sealing = vault.unlock(database, keys(), now=lambda: AT, actor="bert")
    issued = Ledger(database, now=lambda: AT).history("acme")
    assert [(each.subject, each.installed) for each in issued] == [(CLIENT, AT)]
    assert isinstance(Authorities(database, sealing, now=lambda: AT).phase(authorities.vpn("acme")), Steady)
    database.close()


@pytest.mark.parametrize("revision", [each for each in revisions.known() if each >= "0011"])
def test_what_an_older_version_was_told_of_replicas(empty_url: str, tmp_path: Path, revision: str) -> None:
    database = connect(migrated(empty_url, tmp_path, revision))
    assert Replicas(database).of_tenant("acme") == {"db1": REPLICA}
    database.close()


def test_migrations_end_in_the_tables_of_now(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    migrate.upgrade(database)


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer version of Causeway"):
        migrate.upgrade(database)


@pytest.mark.parametrize(
    "url", ["mysql://host/name", "nothing", "sqlite://", "sqlite:////nowhere/causeway.db"]
)
def test_what_is_no_store_is_told(url: str) -> None:
    with pytest.raises(StoreError, match="store"):
        connect(url)


def test_the_file_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "causeway.db"
    database = connect(f"sqlite:///{path}")
    migrate.upgrade(database)
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
    database.close()
