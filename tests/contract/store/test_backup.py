"""Backups: one state of the store in one file, restored whole or not at all, into either database."""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from causeway_controller.errors import StoreError
from causeway_controller.store import backup, revisions, vault
from causeway_controller.store.audit import Act, Audit
from causeway_controller.store.backup import Summary
from causeway_controller.store.columns import METADATA
from causeway_controller.store.counters import Epochs, StoredGenerations
from causeway_controller.store.database import Database, connect
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.ledger import Ledger
from causeway_controller.store.runs import Runs
from causeway_controller.store.secrets import Secrets
from causeway_wire.types import Secret
from tests.contract.store.dump import AT, CLIENT, DUMPS, PASSWORD, fill, keys

WRITER = """
import sys
from datetime import UTC, datetime
from sqlalchemy import text
from causeway_controller.store import audit, counters
from causeway_controller.store.database import connect
database = connect(sys.argv[1])
while True:
    with database.write() as connection:
        number = counters.advance(connection, "test", "first")
        act = audit.Act(at=datetime.now(UTC), actor="x", action="write", subject=str(number))
        audit.append(connection, act)
        counters.advance(connection, "test", "second")
    print(number, flush=True)
"""

RESTORER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from causeway_controller.store import backup
from causeway_controller.store.database import connect

@event.listens_for(Engine, "before_cursor_execute")
def halt(connection, cursor, statement, *_):
    if statement.strip().startswith(sys.argv[3]):
        print("halfway", flush=True)
        time.sleep(600)

backup.restore(connect(sys.argv[1]), Path(sys.argv[2]), now=lambda: datetime.now(UTC), actor="x")
print("whole", flush=True)
"""


def written(database: Database, path: Path) -> Summary:
    return backup.backup(database, path, now=lambda: AT, actor="anna")


def restored(database: Database, path: Path) -> Summary:
    return backup.restore(database, path, now=lambda: AT, actor="bert")


@pytest.fixture
def filled(empty_url: str) -> Iterator[Database]:
    """A database with something in every table."""
    fill(empty_url)
    database = connect(empty_url)
    yield database
    database.close()


@pytest.fixture
def other(other_url: str) -> Iterator[Database]:
    database = connect(other_url)
    yield database
    database.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    database = connect(f"sqlite:///{tmp_path}/empty.db")
    yield database
    database.close()


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A backup of a filled database."""
    fill(f"sqlite:///{tmp_path}/source.db")
    database = connect(f"sqlite:///{tmp_path}/source.db")
    written(database, tmp_path / "good.backup")
    database.close()
    return tmp_path / "good.backup"


def rows(database: Database, *without: str) -> dict[str, list[tuple[object, ...]]]:
    with database.read() as connection:
        names = [table.name for table in METADATA.sorted_tables if table.name not in without]
        found = {name: connection.execute(text(f"SELECT * FROM {name}")).all() for name in names}  # noqa: S608 - our own
    return {name: sorted((tuple(row) for row in each), key=repr) for name, each in found.items()}


def has_no_tables(database: Database) -> bool:
    with database.read() as connection:
        return not inspect(connection).get_table_names()


def lines(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)


def rewritten(path: Path, change: Callable[[list[bytes]], list[bytes]], *, digest: bool) -> Path:
    """The backup with other lines, and with the digest that they should have if asked for."""
    changed = change(lines(path))
    if digest:
        rest = changed[:-1]
        end = {"rows": sum(line.startswith(b"[") for line in rest)}
        sha256 = hashlib.sha256(b"".join(rest)).hexdigest()
        changed = [*rest, json.dumps({**end, "sha256": sha256}).encode() + b"\n"]
    other = path.with_name("changed.backup")
    other.write_bytes(gzip.compress(b"".join(changed)))
    return other


def test_everything_comes_back_in_either_database(filled: Database, other: Database, tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    made = written(filled, path)
    assert restored(other, path) == made == backup.check(path)
    same = ("counter", "audit", "audit_head", "run_stage")
    assert rows(other, *same) == rows(filled, *same)
    assert all(rows(filled)[name] for name in ("run_event", "certificate", "secret", "vlan_lease"))
    assert len(Inventories(other, now=lambda: AT).load().inventory.tenants) == 1
    sealing = vault.unlock(other, keys(), now=lambda: AT, actor="bert")
    assert Secrets(other, sealing, now=lambda: AT).get("hypervisor/esx1") == PASSWORD
    assert [each.subject for each in Ledger(other, now=lambda: AT).history("acme")] == [CLIENT]


def test_what_was_remembered_of_stages_does_not_come_back(
    filled: Database, other: Database, tmp_path: Path
) -> None:
    """It may have been taken back since: whoever carries the run on finds out what is so."""
    assert rows(filled)["run_stage"] == [("r1", "stage 1", "{}")]
    written(filled, tmp_path / "a.backup")
    restored(other, tmp_path / "a.backup")
    taken = Runs(other).take("r1")
    assert taken is not None
    assert (len(taken.events), taken.stages) == (2, {})


async def test_numbers_are_raised_above_what_appliances_may_have_seen(
    filled: Database, other: Database, tmp_path: Path
) -> None:
    written(filled, tmp_path / "a.backup")
    epochs, generations = Epochs(filled), StoredGenerations(filled)
    since = [epochs.take("acme", "esx1") for _ in range(5)][-1], await generations.next("acme-esx1")
    restored(other, tmp_path / "a.backup")
    assert Epochs(other).current("acme", "esx1") == 1 + backup.MARGIN > since[0]
    assert await StoredGenerations(other).next("acme-esx1") == 42 + backup.MARGIN > since[1]


def test_both_are_in_the_audit_and_its_chain_goes_on(
    filled: Database, other: Database, tmp_path: Path
) -> None:
    path = tmp_path / "a.backup"
    digest = written(filled, path).end.sha256
    restored(other, path)
    for database, action, actor in ((filled, "store.backup", "anna"), (other, "store.restore", "bert")):
        last = Audit(database).records()[-1].act
        assert (last.action, last.actor, last.subject) == (action, actor, "a.backup")
        assert last.detail.startswith(digest)
        assert Audit(database).broken_at() is None


def test_the_file_is_its_owners_and_holds_no_secret_and_no_key(filled: Database, tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    written(filled, path)
    plain = gzip.decompress(path.read_bytes())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = keys().text().reveal().splitlines()[-1].split()[1]
    for secret in (PASSWORD.reveal(), key, "PRIVATE KEY"):
        assert secret.encode() not in plain


def test_a_backup_never_takes_the_place_of_a_file(filled: Database, tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    path.write_text("precious")
    with pytest.raises(StoreError, match="is there already"):
        written(filled, path)
    assert path.read_text() == "precious"
    assert [each.name for each in tmp_path.glob("*.new")] == []


def test_a_backup_is_one_state_while_others_write(
    url: str, database: Database, other: Database, tmp_path: Path
) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        for number in range(3):
            written(database, tmp_path / f"{number}.backup")
    finally:
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
    path = tmp_path / "2.backup"
    restored(other, path)
    assert Audit(other).broken_at() is None
    with other.read() as connection:
        last = (
            connection.execute(text("SELECT last FROM counter WHERE kind = 'test' ORDER BY owner"))
            .scalars()
            .all()
        )
    acts = [record.act for record in Audit(other).records(limit=100_000)]
    assert last[0] == last[1] == sum(act.action == "write" for act in acts) > 0


def test_a_database_that_holds_anything_is_left_alone(database: Database, good: Path) -> None:
    Audit(database).append(Act(at=AT, actor="x", action="look", subject="s"))
    before = rows(database)
    with pytest.raises(StoreError, match="not empty"):
        restored(database, good)
    assert rows(database) == before


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda all_: all_[:-1], "cut off"),
        (lambda all_: all_[:5], "cut off"),
        (lambda all_: all_[:1], "cut off"),
        (lambda all_: all_[:0], "cut off"),
        (lambda all_: [*all_, b"[]\n"], "something follows"),
        (lambda all_: [*all_[:-2], all_[-1]], "digest"),
        (lambda all_: [line.replace(b"acme", b"evil") for line in all_], "digest"),
        (lambda all_: [all_[0], b"nonsense\n", *all_[1:]], "cannot be read"),
        (lambda all_: [all_[0], b"[1]\n", *all_[1:]], "cannot be read"),
        (lambda all_: [b'{"format":"tar"}\n', *all_[1:]], "no backup"),
        (lambda all_: [b"[]\n", *all_[1:]], "cannot be read"),
        (lambda all_: [all_[0].replace(b'"version":1', b'"version":2'), *all_[1:]], "another format"),
        (lambda all_: [all_[0].replace(b'"made":"2', b'"made":"x'), *all_[1:]], "damaged"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_was_written_is_refused(
    good: Path, empty: Database, change: Callable[[list[bytes]], list[bytes]], why: str
) -> None:
    path = rewritten(good, change, digest=False)
    with pytest.raises(StoreError, match=why):
        backup.check(path)
    with pytest.raises(StoreError, match=why):
        restored(empty, path)
    assert has_no_tables(empty)
    restored(empty, good)


def exchanged(old: bytes, new: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda all_: [line.replace(old, new) for line in all_]


def without_open_runs(all_: list[bytes]) -> list[bytes]:
    place = next(number for number, line in enumerate(all_) if b'"table":"open_run"' in line)
    return all_[:place] + all_[place + 2 :]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (exchanged(b'"table":"run"', b'"table":"walk"'), "walk is no table"),
        (exchanged(b'"request"', b'"question"'), "run is no table"),
        (without_open_runs, "lacks open_run"),
        (exchanged(b'"revision":"00', b'"revision":"99'), "newer version than this program"),
        (exchanged(b'["r1",1,', b'["r9",1,'), "(?i)foreign key"),
    ],
)
def test_what_fits_no_database_leaves_none_behind(
    good: Path, other: Database, change: Callable[[list[bytes]], list[bytes]], why: str
) -> None:
    path = rewritten(good, change, digest=True)
    with pytest.raises(StoreError, match=why):
        restored(other, path)
    assert has_no_tables(other)


def test_no_octet_of_the_file_may_change(good: Path, empty: Database) -> None:
    octets = good.read_bytes()
    spoilt = good.with_name("spoilt.backup")
    for place in range(10, len(octets), len(octets) // 40):
        spoilt.write_bytes(octets[:place] + bytes([octets[place] ^ 1]) + octets[place + 1 :])
        with pytest.raises(StoreError):
            restored(empty, spoilt)
        spoilt.write_bytes(octets[:place])
        with pytest.raises(StoreError):
            restored(empty, spoilt)
    assert has_no_tables(empty)


def test_what_is_not_there_is_told(empty: Database, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        backup.check(tmp_path / "none")
    with pytest.raises(StoreError, match="no tables yet"):
        written(empty, tmp_path / "a.backup")
    with pytest.raises(StoreError, match="cannot be written"):
        written(empty, Path("/proc/a.backup"))
    assert not (tmp_path / "a.backup").exists()


@pytest.mark.parametrize("moment", ["CREATE TABLE entry", "INSERT INTO run_event", "UPDATE audit_head"])
def test_a_restore_that_is_killed_leaves_an_empty_database(
    good: Path, other_url: str, other: Database, moment: str
) -> None:
    command = [sys.executable, "-c", RESTORER, other_url, str(good), moment]
    restorer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert restorer.stdout is not None
    assert restorer.stdout.readline() == "halfway\n"
    restorer.send_signal(signal.SIGKILL)
    restorer.communicate()
    assert has_no_tables(other)
    restored(other, good)
    assert Audit(other).broken_at() is None


@pytest.mark.parametrize("revision", revisions.known())
def test_a_backup_of_older_tables_becomes_those_of_now(
    tmp_path: Path, other: Database, revision: str
) -> None:
    """It is made of a database that was not migrated yet, as one does before an upgrade."""
    source = tmp_path / "old.db"
    connection = sqlite3.connect(source)
    connection.executescript((DUMPS / f"{revision}.sql").read_text())
    connection.close()
    database = connect(f"sqlite:///{source}")
    assert written(database, tmp_path / "old.backup").header.revision == revision
    database.close()
    restored(other, tmp_path / "old.backup")
    with other.read() as reading:
        assert revisions.current(reading) == revisions.known()[-1]
    assert len(Inventories(other, now=lambda: AT).load().inventory.tenants) == 1
    assert Audit(other).broken_at() is None


def test_every_column_is_of_a_kind_that_both_databases_keep_alike() -> None:
    kinds = {type(column.type).__name__ for table in METADATA.sorted_tables for column in table.columns}
    assert kinds <= {"Words", "Moment", "Integer", "BigInteger"}


def test_a_secret_is_put_after_a_restore(good: Path, other: Database) -> None:
    restored(other, good)
    sealing = vault.unlock(other, keys(), now=lambda: AT, actor="bert")
    kept = Secrets(other, sealing, now=lambda: AT)
    kept.put("a", Secret("b"), actor="bert")
    assert kept.get("a") == Secret("b")
