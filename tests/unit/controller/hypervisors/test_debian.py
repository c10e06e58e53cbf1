"""A module of Debian's is found in its place, and whole, whoever else loads it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from causeway_controller.hypervisors import debian

NAME = "causeway_slow_binding"


def test_who_loads_a_module_beside_another_has_all_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / f"{NAME}.py").write_text("import time\ntime.sleep(0.3)\nwhole = True\n")
    monkeypatch.setattr(debian, "_PLACE", str(tmp_path))
    both = threading.Barrier(2)
    found: list[bool] = []

    def load() -> None:
        both.wait(5)
        found.append(hasattr(debian.load(NAME), "whole"))

    threads = [threading.Thread(target=load) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(5)
    sys.modules.pop(NAME)
    assert found == [True, True]
