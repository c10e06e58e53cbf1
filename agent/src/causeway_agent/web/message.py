"""A request, whose body is read as it is wanted, and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from causeway_agent.web.fields import Fields

NO_TYPE: Final = "application/octet-stream"
"""What a body is whose type is not told (RFC 9110, 8.3)."""


class BodyError(Exception):
    """The body is not what its headers announced."""


class TooLargeError(Exception):
    """The body is larger than `limit` octets."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the limit is {limit} octets")
        self.limit = limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asks for. `path` and its `segments` are decoded; a segment may hold a slash."""

    method: str
    path: str
    segments: tuple[str, ...]
    query: Fields
    headers: Fields
    transport: asyncio.BaseTransport
    receive: Callable[[], Awaitable[bytes]] = field(repr=False)
    """Some more of the body, nothing at its end. Raises BodyError, or ConnectionError: the client is gone."""
    match_info: Mapping[str, str] = field(default_factory=dict)
    """What stands in the path where the route has a name in braces."""

    @property
    def content_type(self) -> str:
        """Type and subtype, in lower case, without parameters."""
        return self.headers.get("Content-Type", NO_TYPE).partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int | None:
        """Octets of the body, where the client says how many."""
        told = self.headers.get("Content-Length")
        return None if told is None else int(told)

    async def read(self, *, limit: int) -> bytes:
        """The body; raises TooLargeError beyond this many octets, and what `receive` raises."""
        pieces, octets = [], 0
        while piece := await self.receive():
            octets += len(piece)
            if octets > limit:
                raise TooLargeError(limit)
            pieces.append(piece)
        return b"".join(pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer, whole. Date, length and what concerns the connection are added when it is sent."""

    status: int = 200
    body: bytes = field(default=b"", repr=False)
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
