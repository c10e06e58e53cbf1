"""What a controller loads that runs, and what it does without."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(120)

SERVING = """
import sys
import causeway_controller.__main__
from causeway_controller.commands import serve
from causeway_controller.app import conducting, logs, serving
print(*sys.modules)
"""
"""As `causeway serve` does."""
NEEDLESS = {
    "alembic": "`causeway setup` migrates",
    "mako": "Alembic's",
    "pygments": "Mako's",
    "rich": "for commands that draw",
    "pyVmomi": "vSphere's, from the first question to such a host on",
    "pypsrp": "Hyper-V's, likewise",
    "libvirt": "likewise",
    "psycopg": "PostgreSQL's, where the store is SQLite; DBOS imports it by itself",
    "sqlalchemy.orm": "nobody maps objects; DBOS would take sessions of it",
    "sqlalchemy.ext.asyncio": "likewise",
}


def test_a_controller_runs_without_what_only_others_need() -> None:
    done = subprocess.run([sys.executable, "-c", SERVING], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "dbos" in loaded
    assert not loaded & NEEDLESS.keys()
