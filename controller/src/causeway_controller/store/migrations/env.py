"""What Alembic runs for every migration: within the transaction that `migrate` began."""

from __future__ import annotations

from alembic import context

from causeway_controller.store.columns import METADATA

if __name__ == "env_py":  # what Alembic calls it; to import it does nothing
    context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
    with context.begin_transaction():
        context.run_migrations()
