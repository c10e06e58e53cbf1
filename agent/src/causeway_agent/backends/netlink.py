"""One rtnetlink(7) socket: requests that fail with an errno, dumps that are whole, each with a deadline.

The only module that imports pyroute2. Its package initialiser would load every protocol it knows (6 MB of
memory, 80 ms); the parts imported here need none of that, so it is kept from running.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.util
import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from causeway_agent import errors


@contextlib.contextmanager
def _initialiser_skipped(package: str) -> Iterator[None]:
    """Let submodules of the package be imported without running its `__init__`; a later import runs it."""
    if package in sys.modules:
        yield
        return
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    sys.modules[package] = importlib.util.module_from_spec(spec)
    try:
        yield
    finally:
        del sys.modules[package]


with _initialiser_skipped("pyroute2"):
    from pyroute2.iproute.linux import AsyncIPRoute
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.rtnl.fibmsg import fibmsg as RuleMessage  # noqa: N812 - a class in lower case
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg as AddressMessage  # noqa: N812
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg as LinkMessage  # noqa: N812
    from pyroute2.netlink.rtnl.ndmsg import ndmsg as NeighbourMessage  # noqa: N812
    from pyroute2.netlink.rtnl.rtmsg import rtmsg as RouteMessage  # noqa: N812

__all__ = [
    "AddressMessage",
    "LinkMessage",
    "NeighbourMessage",
    "Netlink",
    "RouteMessage",
    "RuleMessage",
]

# linux/netlink.h
_REQUEST = 0x1
_ACK = 0x4
_DUMP = 0x300
_DUMP_INTERRUPTED = 0x10
REPLACE = 0x100
EXCLUSIVE = 0x200
CREATE = 0x400

# linux/rtnetlink.h
NEW_LINK, DELETE_LINK, GET_LINK = 16, 17, 18
NEW_ADDRESS, DELETE_ADDRESS, GET_ADDRESS = 20, 21, 22
NEW_ROUTE, DELETE_ROUTE, GET_ROUTE = 24, 25, 26
NEW_NEIGHBOUR, DELETE_NEIGHBOUR, GET_NEIGHBOUR = 28, 29, 30
NEW_RULE, DELETE_RULE, GET_RULE = 32, 33, 34

_DEADLINE = 5.0
"""Seconds; the kernel answers in microseconds unless the machine is stuck."""
_DUMP_ATTEMPTS = 8


class Netlink:
    """Requests and dumps on one socket, from tasks of one event loop."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._dumping = asyncio.Lock()
        """The kernel refuses a second dump on a socket with EBUSY."""

    async def request(self, doing: str, kind: int, message: Any, *, flags: int = 0) -> int:
        """Send one request; 0 when done, else the errno the kernel refused it with.

        Raises BackendError when the socket itself fails or nothing comes back.
        """
        try:
            async with asyncio.timeout(_DEADLINE):
                replies = await self._socket.nlm_request(message, kind, _REQUEST | _ACK | flags)
                async for _ in replies:
                    pass
        except NetlinkError as error:
            return int(error.code)
        except TimeoutError as error:
            raise errors.BackendError(doing, "no answer from the kernel") from error
        except OSError as error:
            raise errors.BackendError(doing, error.strerror or str(error)) from error
        return 0

    async def dump(self, doing: str, kind: int, message: Any) -> list[Any]:
        """All messages of a dump, asked for again while the tables change under it.

        Raises BackendError when the kernel refuses.
        """
        for _ in range(_DUMP_ATTEMPTS):
            try:
                async with asyncio.timeout(_DEADLINE), self._dumping:
                    replies = await self._socket.nlm_request(message, kind, _REQUEST | _DUMP)
                    answers = [reply async for reply in replies]
            except NetlinkError as error:
                if error.code in {errno.EOPNOTSUPP, errno.EAFNOSUPPORT}:
                    return []
                raise errors.BackendError(doing, os.strerror(error.code)) from error
            except TimeoutError as error:
                raise errors.BackendError(doing, "no answer from the kernel") from error
            except OSError as error:
                raise errors.BackendError(doing, error.strerror or str(error)) from error
            if not any(answer["header"]["flags"] & _DUMP_INTERRUPTED for answer in answers):
                return answers
        raise errors.BackendError(doing, "the tables kept changing while they were read")


@contextlib.asynccontextmanager
async def open_netlink() -> AsyncIterator[Netlink]:
    """A socket in the network namespace of the calling thread, closed on exit."""
    async with AsyncIPRoute(strict_check=True) as socket:
        # Left to the first request, requests in parallel would each make a transport.
        await socket.setup_endpoint()
        yield Netlink(socket)
    # The transport closes its socket in the next round of the loop.
    await asyncio.sleep(0)
