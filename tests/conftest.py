"""What holds for every test."""

from __future__ import annotations

from collections import Counter

import hypothesis
import pytest

from causeway_lab import programs

# How long one example takes is the machine's business; pytest's timeout bounds the whole test.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

programs.find_system_programs()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse a kernel test that `scripts/run_tests.py` would not find: elsewhere it looks for the mark."""
    if item.get_closest_marker("kernel") is None or item.nodeid.startswith("tests/kernel/"):
        return
    if b"mark.kernel" not in item.path.read_bytes():
        raise pytest.UsageError(
            f"{item.path}: write `pytest.mark.kernel` there, or `make kernel` leaves it out"
        )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files that may take longest: one that begins last keeps one worker busy alone.

    How long is guessed from its tests' time limits, squared: one long test counts more than many short ones.
    """
    usual = int(config.getini("timeout"))
    guessed: Counter[str] = Counter()
    for item in items:
        marker = item.get_closest_marker("timeout")
        guessed[_file(item)] += (usual if marker is None else int(marker.args[0])) ** 2
    items.sort(key=lambda item: -guessed[_file(item)])


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
