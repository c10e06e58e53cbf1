"""What stands before a body: its limits, what is refused of it, and what it says.

h11 reads it strictly; the rest is here. Two readers that understand a request differently are how one request
is hidden in another (RFC 9112, 11.2): what could be read in two ways is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from causeway_agent.web.fields import Fields
from causeway_agent.web.message import Request

LINE_BYTES: Final = 8190
"""Of the request's target, and of a header with its name."""
HEADERS: Final = 128
HEAD_BYTES: Final = 64 * 1024
"""In all."""
_VERSIONS: Final = frozenset({b"1.0", b"1.1"})


class NotHTTPError(Exception):
    """What came is no request, or larger than one may be."""


def check(event: h11.Request) -> None:
    """Raises NotHTTPError for a head that h11 lets pass but nobody here reads."""
    if event.http_version not in _VERSIONS:
        raise NotHTTPError("version")
    longest = max((len(name) + len(value) for name, value in event.headers), default=0)
    if max(len(event.target), longest) > LINE_BYTES or len(event.headers) > HEADERS:
        raise NotHTTPError("too large")
    names = {bytes(name) for name, _ in event.headers}
    if b"transfer-encoding" in names and (b"content-length" in names or event.http_version == b"1.0"):
        raise NotHTTPError("two lengths")


def request(
    event: h11.Request, *, transport: asyncio.BaseTransport, receive: Callable[[], Awaitable[bytes]]
) -> Request:
    """The request that this head begins."""
    path, query = _split(event.target.decode("ascii"))
    headers = ((name.decode("ascii"), value.decode("latin-1")) for name, value in event.headers)
    return Request(
        method=event.method.decode("ascii"),
        path=unquote(path),
        segments=tuple(unquote(segment) for segment in path.removeprefix("/").split("/")),
        query=Fields(parse_qsl(query, keep_blank_values=True)),
        headers=Fields(headers, fold=str.lower),
        transport=transport,
        receive=receive,
    )


def _split(target: str) -> tuple[str, str]:
    """Path and query of a target in origin or absolute form (RFC 9112, 3.2)."""
    if target.lower().startswith(("http://", "https://")):
        try:
            parts = urlsplit(target)
        except ValueError as error:
            raise NotHTTPError("target") from error
        return parts.path or "/", parts.query
    path, _, query = target.partition("?")
    return path, query
