"""Debian's binding to libvirt, loaded when the first host of it is opened."""

from __future__ import annotations

import functools
import os
import threading
from types import ModuleType
from typing import Any, Final

from causeway_controller.hypervisors import debian
from causeway_controller.hypervisors.base import HypervisorError

_MODULES: Final = ("libvirtmod", "libvirt")
"""The second imports the first."""
_LOG: Final = "LIBVIRT_DEBUG"
_ERRORS_ONLY: Final = "4"
_lock = threading.Lock()
"""Of who loads: events are run by one thread, and hosts are opened at once."""


def load() -> ModuleType:
    """Return the module, with its events running. Raises HypervisorError where there is none."""
    with _lock:
        return _loaded()


@functools.cache
def _loaded() -> ModuleType:
    # The library logs to standard error by itself, where our log has a document in each line. It
    # reads this once, when it is loaded.
    os.environ.setdefault(_LOG, _ERRORS_ONLY)
    try:
        libvirt = debian.load(*_MODULES)
    except ImportError as error:
        hint = "on the controller's host: apt-get install python3-libvirt"
        raise HypervisorError(f"the binding to libvirt does not load ({error}); {hint}") from error
    libvirt.registerErrorHandler(_unheard, None)
    # Keepalive messages, which end calls to a host that is gone, need somebody who runs events.
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=_events, args=(libvirt,), name="libvirt events", daemon=True).start()
    return libvirt


def _unheard(_context: object, _error: object) -> None:
    """Every error is raised, too; by itself the library would print it."""


def _events(libvirt: Any) -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
