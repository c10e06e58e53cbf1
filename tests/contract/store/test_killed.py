"""kill -9 in the middle of a transaction: what was committed is there, and nothing of what was not."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime

from causeway_controller.store.audit import Audit
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from tests.provider_inventory import seed_example

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

HALFWAY = """
import sys, time
from sqlalchemy import text
from causeway_controller.store.database import connect
with connect(sys.argv[1]).write() as connection:
    for table in ("entry", "vlan_lease", "mac_lease", "tunnel_lease"):
        connection.execute(text(f"DELETE FROM {table}"))
    connection.execute(text("UPDATE inventory_head SET revision = 99"))
    print("halfway", flush=True)
    time.sleep(600)
"""


def test_a_writer_that_is_killed_leaves_nothing_behind(url: str, database: Database) -> None:
    inventories = Inventories(database, now=lambda: AT)
    entered = inventories.replace(seed_example(), expected=0, actor="anna")
    writer = subprocess.Popen([sys.executable, "-c", HALFWAY, url], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "halfway\n"
    assert inventories.load() == entered
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert inventories.load() == entered
    bare = seed_example(tenants=())
    assert inventories.replace(bare, expected=1, actor="bert").revision == 2
    assert Audit(database).broken_at() is None
