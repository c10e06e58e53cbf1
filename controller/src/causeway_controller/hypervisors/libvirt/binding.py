"""Debian's binding to libvirt, loaded when the first host of it is opened.

It is no dependency of the controller: it must be of the same libvirt as the library behind it, and an index
of Python packages has its sources only. So Debian's package is taken, also from within an environment of our
own. Whoever has no libvirt host needs neither.
"""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Any, Final

from causeway_controller.hypervisors.base import HypervisorError

_DEBIAN: Final = "/usr/lib/python3/dist-packages"
_MODULES: Final = ("libvirtmod", "libvirt")
"""The second imports the first."""


@functools.cache
def load() -> ModuleType:
    """Return the module, with its events running. Raises HypervisorError where there is none."""
    try:
        libvirt = _import()
    except ImportError as error:
        hint = "on the controller's host: apt-get install python3-libvirt"
        raise HypervisorError(f"the binding to libvirt does not load ({error}); {hint}") from error
    libvirt.registerErrorHandler(_unheard, None)
    # Keepalive messages, which end calls to a host that is gone, need somebody who runs events.
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=_events, args=(libvirt,), name="libvirt events", daemon=True).start()
    return libvirt


def _import() -> ModuleType:
    """These modules alone: with all of Debian's on the path, some would stand before our own dependencies."""
    try:
        return importlib.import_module(_MODULES[-1])
    except ModuleNotFoundError:
        for name in _MODULES:
            spec = importlib.machinery.PathFinder.find_spec(name, [_DEBIAN])
            if spec is None or spec.loader is None:
                raise
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
        return sys.modules[_MODULES[-1]]


def _unheard(_context: object, _error: object) -> None:
    """Every error is raised, too; by itself the library would print it."""


def _events(libvirt: Any) -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
