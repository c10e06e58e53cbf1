"""Libraries imported without those of their own that a controller may never need.

DBOS imports PostgreSQL's driver (9 MiB) also where the store is SQLite, and SQLAlchemy's object mapper
(6 MiB) for sessions that it would take from its callers and that nobody here has.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

_LATE: Final = ("psycopg", "psycopg.errors")
"""Only looked into once a database has failed."""
_UNUSED: Final = ("sqlalchemy.orm", "sqlalchemy.ext.asyncio")
"""Their classes are what others' sessions are compared with."""


class _Late(ModuleType):
    """Stands for a module that is imported once somebody asks it for something."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # what the import system asks
        for known, one in list(sys.modules.items()):
            if isinstance(one, _Late):
                del sys.modules[known]
        return getattr(importlib.import_module(self.__name__), name)


class _Nobody:
    """A class that nothing is an instance of."""

    def __class_getitem__(cls, _item: object) -> type[_Nobody]:
        return cls

    def __init__(self, *_arguments: object, **_named: object) -> None:
        raise NotImplementedError(f"{type(self).__name__} was left out when its library was imported")


class _Unused(ModuleType):
    """Stands for a module whose classes have no instances."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (_Nobody,), {})
        setattr(self, name, made)
        return made


@contextmanager
def lean() -> Iterator[None]:
    """Import DBOS within, before there are other threads. What is loaded already stays as it is.

    Others who import these modules later get them whole.
    """
    stand_ins: dict[str, ModuleType] = {name: _Late(name) for name in _LATE}
    stand_ins |= {name: _Unused(name) for name in _UNUSED}
    placed = {name: one for name, one in stand_ins.items() if name not in sys.modules}
    for name, one in placed.items():
        sys.modules[name] = one
        parent, _, child = name.rpartition(".")
        if parent in placed:
            setattr(placed[parent], child, one)
    try:
        yield
    finally:
        for name, one in placed.items():
            if sys.modules.get(name) is one:
                del sys.modules[name]
