"""Python modules of Debian's packages, also from within an environment of our own.

Bindings to libraries of the system are no dependencies of the controller: they must be of the same release as
the library behind them, and an index of Python packages has their sources only. So Debian's are taken, and
whoever has no host that needs them does not install them.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
import threading
from types import ModuleType
from typing import Final

_PLACE: Final = "/usr/lib/python3/dist-packages"
_lock = threading.RLock()
"""Of who loads: another would find, and be content with, a module of which half is there."""


def load(*names: str) -> ModuleType:
    """Return the last of these modules, which imports the others. Raises ImportError.

    These alone: with all of Debian's on the path, some would stand before our own dependencies.
    """
    with _lock:
        try:
            return importlib.import_module(names[-1])
        except ModuleNotFoundError:
            for name in names:
                if name in sys.modules:
                    continue
                spec = importlib.machinery.PathFinder.find_spec(name, [_PLACE])
                if spec is None or spec.loader is None:
                    raise
                sys.modules[name] = importlib.util.module_from_spec(spec)
                try:
                    spec.loader.exec_module(sys.modules[name])
                except BaseException:
                    del sys.modules[name]
                    raise
            return sys.modules[names[-1]]
