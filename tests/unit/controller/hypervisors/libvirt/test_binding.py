"""The binding to libvirt is set up once, however many hosts are opened at once."""

from __future__ import annotations

import functools
import os
import threading
import time
from types import SimpleNamespace

import pytest

from causeway_controller.hypervisors import debian
from causeway_controller.hypervisors.libvirt import binding


def test_one_thread_runs_its_events(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    library = SimpleNamespace(
        registerErrorHandler=lambda *_: time.sleep(0.2),
        virEventRegisterDefaultImpl=lambda: begun.append("events"),
        virEventRunDefaultImpl=threading.Event().wait,
    )
    quiet: list[str | None] = []

    def loaded(*_names: str) -> SimpleNamespace:
        quiet.append(os.environ.get("LIBVIRT_DEBUG"))
        return library

    monkeypatch.delenv("LIBVIRT_DEBUG", raising=False)
    monkeypatch.setattr(debian, "load", loaded)
    # As in a process that has loaded nothing yet.
    monkeypatch.setattr(binding, "_loaded", functools.cache(binding._loaded.__wrapped__))
    threads = [threading.Thread(target=binding.load) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(5)
    assert begun == ["events"]
    assert quiet == ["4"], "its warnings go between the lines of our log"
