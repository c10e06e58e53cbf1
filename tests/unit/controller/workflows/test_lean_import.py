"""What a library is imported without is there for whoever needs it, and for the library once it does."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(120)

PREPARED = """
import sys
from causeway_controller.workflows.lean_import import lean
"""
"""In a process of its own: what is loaded here cannot be left out any more."""


def run(text: str) -> list[str]:
    """What a fresh interpreter prints, in words."""
    command = [sys.executable, "-c", PREPARED + text]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_the_drivers_errors_are_known_once_they_are_asked_for() -> None:
    said = run(
        """
with lean():
    import dbos._utils as used, dbos._sys_db as questions
print("psycopg" in sys.modules)
error = used.psycopg.OperationalError("gone")
import psycopg
print(isinstance(error, psycopg.OperationalError))
print(questions.pg_errors.LockNotAvailable is psycopg.errors.LockNotAvailable)
"""
    )
    assert said == ["False", "True", "True"]


def test_what_is_asked_while_it_is_imported_is_the_real_one() -> None:
    said = run(
        """
with lean():
    import psycopg
    from psycopg import errors
    from psycopg import OperationalError
    print(errors.OperationalError is OperationalError)
import psycopg as real
print(real.OperationalError is OperationalError, type(real).__name__)
"""
    )
    assert said == ["True", "True", "module"]


def test_who_imports_the_object_mapper_later_gets_it() -> None:
    said = run(
        """
with lean():
    import dbos._context as used
import sqlalchemy, sqlalchemy.orm, sqlalchemy.ext.asyncio
print(used.Session is sqlalchemy.orm.Session, isinstance(sqlalchemy.orm.Session(), used.Session))
print(sqlalchemy.ext.asyncio.AsyncSession.__module__)
try:
    used.Session()
except NotImplementedError as error:
    print(str(error).split()[0])
"""
    )
    assert said == ["False", "False", "sqlalchemy.ext.asyncio.session", "Session"]


def test_what_is_there_already_stays() -> None:
    said = run(
        """
import sqlalchemy.orm, psycopg
with lean():
    import dbos._context as used, dbos._utils as looked
print(used.Session is sqlalchemy.orm.Session, looked.psycopg is psycopg)
"""
    )
    assert said == ["True", "True"]
