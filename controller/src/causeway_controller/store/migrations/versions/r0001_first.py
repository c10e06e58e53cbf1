"""The first tables: inventory, leases, counters, runs, audit; and the triggers that keep what is written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
APPEND_ONLY = ("inventory_revision", "run", "run_event", "audit")


def upgrade() -> None:
    """Make the tables, their first rows and their triggers."""
    _tables()
    op.execute("INSERT INTO inventory_head (id, revision) VALUES (1, 0)")
    op.execute(f"INSERT INTO audit_head (id, number, hash) VALUES (1, 0, '{'0' * 64}')")  # noqa: S608 - a constant
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def _guard_sqlite() -> None:
    for table in APPEND_ONLY:
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    op.execute(
        "CREATE TRIGGER counter_grows BEFORE UPDATE ON counter WHEN NEW.last <= OLD.last "
        "OR NEW.kind <> OLD.kind OR NEW.owner <> OLD.owner "
        "BEGIN SELECT RAISE(ABORT, 'a counter only grows'); END"
    )
    op.execute(
        "CREATE TRIGGER counter_stays BEFORE DELETE ON counter "
        "BEGIN SELECT RAISE(ABORT, 'a counter only grows'); END"
    )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION causeway_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END$$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION causeway_append_only()"
        )
    op.execute(
        "CREATE FUNCTION causeway_counter_grows() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'a counter only grows'; END$$"
    )
    op.execute(
        "CREATE TRIGGER counter_grows BEFORE UPDATE ON counter FOR EACH ROW WHEN (NEW.last <= OLD.last "
        "OR NEW.kind <> OLD.kind OR NEW.owner <> OLD.owner) EXECUTE FUNCTION causeway_counter_grows()"
    )
    op.execute(
        "CREATE TRIGGER counter_stays BEFORE DELETE OR TRUNCATE ON counter FOR EACH STATEMENT "
        "EXECUTE FUNCTION causeway_counter_grows()"
    )


def _tables() -> None:
    op.create_table(
        "audit",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
        sqlite_strict=True,
    )
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_audit_head_only_row"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
        sqlite_strict=True,
    )
    op.create_table(
        "counter",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("last", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("kind", "owner", name="pk_counter"),
        sqlite_strict=True,
    )
    op.create_table(
        "entry",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_entry"),
        sqlite_strict=True,
    )
    op.create_table(
        "inventory_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.CheckConstraint("id = 1", name="ck_inventory_head_only_row"),
        sa.PrimaryKeyConstraint("id", name="pk_inventory_head"),
        sqlite_strict=True,
    )
    op.create_table(
        "inventory_revision",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_inventory_revision"),
        sqlite_strict=True,
    )
    op.create_table(
        "mac_lease",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "host", "adapter", name="pk_mac_lease"),
        sa.UniqueConstraint("mac", name="uq_mac_lease_mac"),
        sqlite_strict=True,
    )
    op.create_table(
        "public_lease",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("address", name="pk_public_lease"),
        sqlite_strict=True,
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sqlite_strict=True,
    )
    op.create_table(
        "tunnel_lease",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "network", name="pk_tunnel_lease"),
        sa.UniqueConstraint("tenant", "slot", name="uq_tunnel_lease_tenant_slot"),
        sqlite_strict=True,
    )
    op.create_table(
        "vlan_lease",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("switch", sa.Text(), nullable=False),
        sa.Column("vlan", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "plan", "network", name="pk_vlan_lease"),
        sa.UniqueConstraint("host", "switch", "vlan", name="uq_vlan_lease_host_switch_vlan"),
        sqlite_strict=True,
    )
    op.create_table(
        "open_run",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_open_run_run"),
        sa.PrimaryKeyConstraint("tenant", "host", name="pk_open_run"),
        sa.UniqueConstraint("run", name="uq_open_run_run"),
        sqlite_strict=True,
    )
    op.create_table(
        "run_event",
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("epoch", NUMBER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["run.id"], name="fk_run_event_run"),
        sa.PrimaryKeyConstraint("run", "number", name="pk_run_event"),
        sqlite_strict=True,
    )
