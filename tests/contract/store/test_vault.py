"""Secrets at rest: sealed to their row, with keys that change while controllers run and are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from causeway_controller.errors import MasterKeyError, SealBroken, StoreError
from causeway_controller.store import secrets, vault
from causeway_controller.store.audit import Audit
from causeway_controller.store.database import Database
from causeway_controller.store.secrets import Kind, Secrets
from causeway_controller.store.tables import secret
from causeway_controller.trust import master_key
from causeway_controller.trust.master_key import KeyFile, MasterKeys
from causeway_wire.types import Secret
from tests import stores

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NAMES = [f"hypervisor/esx{number}" for number in range(30)]

RESEALER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from causeway_controller.store import vault
from causeway_controller.store.database import connect
from causeway_controller.store.secrets import Secrets
from causeway_controller.trust import master_key
now = lambda: datetime.now(UTC)
database = connect(sys.argv[1])
keys = master_key.read(master_key.KeyFile(Path(sys.argv[2])))
secrets = Secrets(database, vault.unlock(database, keys, now=now, actor="x"), now=now)
print("begun", flush=True)
secrets.reseal(actor="x", batch=1)
"""


def opened(database: Database, keys: MasterKeys) -> Secrets:
    return Secrets(database, vault.unlock(database, keys, now=lambda: AT, actor="anna"), now=lambda: AT)


def without_first(keys: MasterKeys) -> MasterKeys:
    lines = [line for line in keys.text().reveal().splitlines() if not line.startswith("1 ")]
    return master_key.parse(Secret("\n".join(lines)), source="the tests")


@pytest.fixture
def keys() -> MasterKeys:
    return master_key.make()


@pytest.fixture
def kept(database: Database, keys: MasterKeys) -> Secrets:
    return opened(database, keys)


def fill(kept: Secrets) -> None:
    for name in NAMES:
        kept.put(name, Secret(f"password of {name}"), actor="anna")


def whole(kept: Secrets) -> bool:
    return all(kept.get(name) == Secret(f"password of {name}") for name in NAMES)


def test_a_secret_is_kept_listed_replaced_and_removed(kept: Secrets, database: Database) -> None:
    kept.put("bot/token", Secret("one"), actor="anna")
    kept.put("bot/token", Secret("two"), actor="bert")
    kept.put("a", Secret(""), actor="anna")
    assert (kept.get("bot/token"), kept.get("a")) == (Secret("two"), Secret(""))
    assert [(each.name, each.key, each.at) for each in kept.entries()] == [("a", 1, AT), ("bot/token", 1, AT)]
    kept.remove("a", actor="anna")
    kept.remove("a", actor="anna")
    with pytest.raises(StoreError, match="no secret a in the vault"):
        kept.get("a")
    acts = [(each.act.action, each.act.subject, each.act.actor) for each in Audit(database).records()]
    assert acts == [
        ("master-key.enter", "1", "anna"),
        ("secret.put", "bot/token", "anna"),
        ("secret.put", "bot/token", "bert"),
        ("secret.put", "a", "anna"),
        ("secret.remove", "a", "anna"),
    ]


@pytest.mark.parametrize("name", ["", "A", "/a", "a/", "a b", "a\n", "ä", "a" * 128, "a\0"])
def test_a_name_that_could_be_misread_is_refused(kept: Secrets, name: str) -> None:
    with pytest.raises(StoreError, match="cannot be named"):
        kept.put(name, Secret("x"), actor="anna")


@pytest.mark.parametrize("value", ["x" * (secrets.MAX_OCTETS + 1), "\ud800"])
def test_what_is_no_secret_is_refused_and_not_shown(kept: Secrets, value: str) -> None:
    with pytest.raises(StoreError) as refused:
        kept.put("a", Secret(value), actor="anna")
    assert value[:5] not in str(refused.value)
    assert refused.value.__cause__ is None
    assert kept.entries() == ()


def test_no_value_is_in_the_database(kept: Secrets, database: Database) -> None:
    kept.put("a", Secret("a needle"), actor="anna")
    with database.read() as connection:
        rows = [tuple(row) for table in ("secret", "master_key", "audit") for row in read(connection, table)]
    assert "needle" not in repr(rows)


def read(connection: object, table: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(text(f"SELECT * FROM {table}"))]  # type: ignore[attr-defined]  # noqa: S608 - our own


def test_a_value_in_another_row_does_not_open(kept: Secrets, database: Database) -> None:
    kept.put("mine", Secret("one"), actor="anna")
    kept.put("theirs", Secret("two"), actor="anna")
    with database.write() as connection:
        sealed = connection.execute(select(secret.c.sealed).where(secret.c.name == "theirs")).scalar_one()
        connection.execute(update(secret).where(secret.c.name == "mine").values(sealed=sealed))
    with pytest.raises(SealBroken, match=r"named/mine .*sealed with key 1"):
        kept.get("mine")
    assert kept.get("theirs") == Secret("two")


def test_a_value_of_another_kind_does_not_open(kept: Secrets, database: Database, keys: MasterKeys) -> None:
    kept.put("a", Secret("one"), actor="anna")
    sealing = vault.unlock(database, keys, now=lambda: AT, actor="anna")
    with database.write() as connection:
        connection.execute(update(secret).values(kind=Kind.AUTHORITY.value))
    with pytest.raises(SealBroken), database.read() as connection:
        secrets.find(connection, sealing, Kind.AUTHORITY, "a")


@pytest.mark.parametrize("spoil", [lambda text: text[:-8], lambda _: "", lambda _: "AAAA", lambda _: "%"])
def test_what_is_left_of_a_value_does_not_open(
    kept: Secrets, database: Database, spoil: Callable[[str], str]
) -> None:
    kept.put("a", Secret("one"), actor="anna")
    with database.write() as connection:
        sealed = connection.execute(select(secret.c.sealed)).scalar_one()
        connection.execute(update(secret).values(sealed=spoil(sealed)))
    with pytest.raises(SealBroken, match="named/a"):
        kept.get("a")


def test_a_value_of_another_store_with_the_same_key_does_not_open(
    kept: Secrets, database: Database, keys: MasterKeys, tmp_path: Path
) -> None:
    other = stores.made(tmp_path / "other.db")
    opened(other, keys).put("a", Secret("theirs"), actor="anna")
    with other.read() as connection:
        sealed = connection.execute(select(secret.c.sealed)).scalar_one()
    other.close()
    kept.put("a", Secret("mine"), actor="anna")
    with database.write() as connection:
        connection.execute(update(secret).values(sealed=sealed))
    with pytest.raises(SealBroken):
        kept.get("a")


def test_another_key_of_the_same_number_is_refused_at_once(kept: Secrets, database: Database) -> None:
    kept.put("a", Secret("one"), actor="anna")
    with pytest.raises(MasterKeyError, match="is not the key 1 of this store"):
        opened(database, master_key.make("the file /etc/keys"))
    assert kept.get("a") == Secret("one")


def test_a_key_that_seals_cannot_be_missing(kept: Secrets, database: Database, keys: MasterKeys) -> None:
    fill(kept)
    with pytest.raises(MasterKeyError, match=r"lacks key 1, with which 30 secrets .*and 25 more"):
        opened(database, without_first(keys.with_new()))
    assert vault.in_use(database) == {1: 30}
    assert [each.act.action for each in Audit(database).records()].count("master-key.enter") == 1


def test_secrets_are_resealed_with_the_newest_key_and_the_old_one_can_go(
    kept: Secrets, database: Database, keys: MasterKeys
) -> None:
    fill(kept)
    both = keys.with_new()
    newer = opened(database, both)
    newer.put("new", Secret("x"), actor="anna")
    assert vault.in_use(database) == {1: 30, 2: 1}
    with pytest.raises(MasterKeyError, match=r"still seals 30 secrets .*reseal first"):
        vault.drop(database, 1, now=lambda: AT, actor="anna")
    assert newer.reseal(actor="anna", batch=7).count == 30
    assert newer.reseal(actor="anna").count == 0
    assert vault.in_use(database) == {2: 31}
    assert whole(newer)
    vault.drop(database, 1, now=lambda: AT, actor="anna")
    vault.drop(database, 1, now=lambda: AT, actor="anna")
    assert whole(opened(database, without_first(both)))
    with pytest.raises(MasterKeyError, match="is the newest"):
        vault.drop(database, 2, now=lambda: AT, actor="anna")


def test_who_runs_with_old_keys_opens_nothing_new_and_seals_nothing_once_they_are_dropped(
    kept: Secrets, database: Database, keys: MasterKeys
) -> None:
    kept.put("a", Secret("one"), actor="anna")
    newer = opened(database, keys.with_new())
    kept.put("b", Secret("two"), actor="anna")
    newer.reseal(actor="anna")
    with pytest.raises(SealBroken, match=r"named/a .*does not hold key 2"):
        kept.get("a")
    vault.drop(database, 1, now=lambda: AT, actor="anna")
    with pytest.raises(MasterKeyError, match="key 1 was dropped"):
        kept.put("c", Secret("three"), actor="anna")
    with pytest.raises(MasterKeyError, match="key 1 was dropped"):
        kept.reseal(actor="anna")
    assert (newer.get("a"), newer.get("b")) == (Secret("one"), Secret("two"))


def test_the_database_itself_lets_no_key_go_that_seals(kept: Secrets, database: Database) -> None:
    kept.put("a", Secret("one"), actor="anna")
    with pytest.raises(StoreError, match=r"(?i)foreign key"), database.write() as connection:
        connection.execute(text("DELETE FROM master_key"))


def test_a_broken_secret_is_told_and_the_others_are_resealed(
    kept: Secrets, database: Database, keys: MasterKeys
) -> None:
    fill(kept)
    with database.write() as connection:
        connection.execute(update(secret).where(secret.c.name == NAMES[3]).values(sealed="damaged"))
    newer = opened(database, keys.with_new())
    done = newer.reseal(actor="anna", batch=4)
    assert (done.count, [each.place for each in done.broken]) == (29, [f"named/{NAMES[3]} (secret.sealed)"])
    assert vault.in_use(database) == {1: 1, 2: 29}


def test_resealing_that_is_killed_goes_on_where_it_was(
    url: str, kept: Secrets, database: Database, keys: MasterKeys, tmp_path: Path
) -> None:
    """Killed again and again, each time after some more; whatever the moment, every secret opens."""
    fill(kept)
    path = tmp_path / "master.key"
    master_key.create(path)
    master_key.replace(path, keys.with_new())
    both = master_key.read(KeyFile(path))
    for limit in (1, 9, 18, 25):
        resealer = subprocess.Popen(
            [sys.executable, "-c", RESEALER, url, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert resealer.stdout is not None
        resealer.stdout.readline()
        while vault.in_use(database).get(2, 0) < limit and resealer.poll() is None:
            pass
        resealer.send_signal(signal.SIGKILL)
        resealer.communicate()
        assert sum(vault.in_use(database).values()) == len(NAMES)
        assert whole(opened(database, both))
    assert opened(database, both).reseal(actor="anna").broken == ()
    assert vault.in_use(database) == {2: 30}
    assert whole(opened(database, both))
    assert Audit(database).broken_at() is None
