"""Both databases for the tests of the store: each test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from causeway_controller.store import migrate
from causeway_controller.store.database import Database, connect
from tests import postgres, stores

_numbers = itertools.count()
_SECONDS = 180
"""The first test on PostgreSQL waits until the server is made and runs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this directory more time than others have."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(_SECONDS))


@pytest.fixture(scope="session")
def postgres_home() -> Iterator[Path]:
    with postgres.running() as home:
        yield home


@pytest.fixture(scope="session")
def postgres_migrated(postgres_home: Path) -> str:
    """The name of a database with the tables of now: to copy it takes half as long as to migrate one."""
    database = connect(postgres.create(postgres_home, "migrated"))
    migrate.upgrade(database)
    database.close()
    return "migrated"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/causeway.db"
    home: Path = request.getfixturevalue("postgres_home")
    return postgres.create(home, f"test{next(_numbers)}")


@pytest.fixture(params=["sqlite", "postgresql"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a second database without tables, of the same kind or the other."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/other.db"
    home: Path = request.getfixturevalue("postgres_home")
    return postgres.create(home, f"test{next(_numbers)}")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with the tables of now."""
    if request.param == "sqlite":
        file = tmp_path / "causeway.db"
        stores.made(file).close()
        return f"sqlite:///{file}"
    home: Path = request.getfixturevalue("postgres_home")
    template: str = request.getfixturevalue("postgres_migrated")
    return postgres.create(home, f"test{next(_numbers)}", template=template)


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = connect(url)
    yield opened
    opened.close()
