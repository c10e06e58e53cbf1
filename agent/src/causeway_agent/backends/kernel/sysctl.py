"""Kernel settings below /proc/sys, read and written in a worker thread: a write may wait for locks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

from causeway_agent import errors
from causeway_agent.backends.host import proc_file
from causeway_agent.plan.model.objects import Sysctl

ROOT = Path("/proc/sys")


async def read(keys: Iterable[str], *, root: Path = ROOT) -> frozenset[Sysctl]:
    """The current values of these keys; keys this kernel does not have (or not now) are left out."""
    return await asyncio.to_thread(_read_all, root, tuple(keys))


async def write(setting: Sysctl, *, root: Path = ROOT) -> None:
    """Set a key, unless it has the value already: some react to every write, net.ipv4.ip_forward for one.

    Raises BackendError when the key is missing or refuses the value.
    """
    doing = f"set {setting.key} to {setting.value}"
    try:
        await asyncio.to_thread(_write, _path(root, setting.key), setting.value)
    except OSError as error:
        raise errors.BackendError(doing, error.strerror or str(error)) from error


def _path(root: Path, key: str) -> str:
    if ".." in key.split("/") or key.startswith("/"):
        raise errors.Bug(f"not a key below /proc/sys: {key}")
    return f"{root}/{key}"


def _read_all(root: Path, keys: tuple[str, ...]) -> frozenset[Sysctl]:
    found = set()
    for key in keys:
        try:
            data = proc_file.read(_path(root, key))
        except OSError:
            continue
        found.add(Sysctl(key=key, value=_normal(data.decode())))
    return frozenset(found)


def _write(path: str, value: str) -> None:
    if _normal(proc_file.read(path).decode()) == _normal(value):
        return
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, value.encode())
    finally:
        os.close(handle)


def _normal(text: str) -> str:
    """Values of several numbers are separated by tabs when read and by blanks when written."""
    return " ".join(text.split())
