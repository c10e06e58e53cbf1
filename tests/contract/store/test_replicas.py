"""What was told of replicas, in both databases: the last word counts, and a tenant takes theirs along."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.replicas import Replicas
from tests.contract.store.dump import AT, REPLICA
from tests.provider_inventory import seed_example


def test_the_last_word_counts(database: Database) -> None:
    kept = Replicas(database)
    kept.keep("acme", {"db1": replace(REPLICA, restored_to=None, addresses=()), "web1": REPLICA})
    kept.keep("bolt", {"db1": REPLICA})
    later = replace(REPLICA, restored_to=AT + timedelta(hours=1), by="other")
    for _ in range(2):
        kept.keep("acme", {"db1": later})
    assert kept.of_tenant("acme") == {"db1": later, "web1": REPLICA}
    assert kept.all() == {"acme": {"db1": later, "web1": REPLICA}, "bolt": {"db1": REPLICA}}
    for _ in range(2):
        kept.forget("acme", "db1")
    assert kept.all() == {"acme": {"web1": REPLICA}, "bolt": {"db1": REPLICA}}


def test_who_gets_a_tenants_name_later_inherits_nothing(database: Database) -> None:
    inventories = Inventories(database, now=lambda: AT)
    inventories.replace(seed_example(), expected=0, actor="anna")
    Replicas(database).keep("acme", {"db1": REPLICA})
    inventories.replace(seed_example(tenants=()), expected=1, actor="anna")
    assert Replicas(database).all() == {}
