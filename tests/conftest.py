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
