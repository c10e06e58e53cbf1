"""Asks a provider's controller, driven by the table of what it serves to tenants' controllers.

Only this side ever connects. Whatever came of a request that was not answered, the same may be asked again.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from causeway_controller import system_words
from causeway_controller.contract.routes import Route
from causeway_controller.errors import PeerForeign, PeerSlow, PeerUnknown, PeerUnreachable
from causeway_wire import codec, segments
from causeway_wire.problem import MEDIA_TYPE, Problem, ProblemError
from causeway_wire.types import parse_scalar

CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
ANSWER_BYTES: Final = 16 * 1024 * 1024
_REFUSED: Final = 400
_ALIVE_SECONDS: Final = 10.0
"""For which an idle connection is kept: from one order of a run to the next. A provider has thousands."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that is no problem."""

    status: int
    body: bytes

    def read(self, kind: type[T]) -> T:
        """The body as this document; members that we do not know are left out. Raises PeerForeign."""
        try:
            return msgspec.json.decode(self.body, type=codec.ready(kind), dec_hook=parse_scalar)
        except msgspec.DecodeError as error:
            raise PeerForeign(f"the provider's answer is none that we understand ({error})") from error


class ProviderClient:
    """Connections to one provider's controller, kept open between requests."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        """`context`: as `pinning` makes it, for this provider only."""
        self._url = url
        self._context = context
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # No limit: an order must not wait for questions that stay open.
        connector = aiohttp.TCPConnector(
            ssl=self._context, limit=0, keepalive_timeout=_ALIVE_SECONDS, socket_factory=_socket
        )
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(
        self,
        route: Route,
        places: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        patience: float = ANSWER_SECONDS,
    ) -> Reply:
        """The answer to a request, whole within `patience` seconds.

        Raises ProblemError for what is refused; PeerUnknown, PeerForeign, PeerSlow, PeerUnreachable.
        """
        if self._session is None:
            raise RuntimeError("the client is not open")
        data = None if body is None else codec.encode(body)
        sent = {**(headers or {}), **({} if data is None else {"Content-Type": "application/json"})}
        limits = aiohttp.ClientTimeout(total=patience, sock_connect=CONNECT_SECONDS)
        where = self._where(route, places or {}, query or {})
        try:
            async with self._session.request(
                route.method, where, data=data, headers=sent, timeout=limits, allow_redirects=False
            ) as response:
                return _reply(response, await _read(response))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._failure(error) from error

    def _where(self, route: Route, places: Mapping[str, str], query: Mapping[str, str]) -> str:
        path = route.path.format_map({name: quote(value, safe="") for name, value in places.items()})
        return self._url + path + (f"?{urlencode(query)}" if query else "")

    def _failure(self, error: Exception) -> PeerUnreachable:
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            detail = (
                f"at {self._url} another machine answers than the provider's controller: it shows another "
                "key; nothing was sent to it. Ask the provider, by another way, whether its key was replaced"
            )
            return PeerUnknown(detail)
        if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
            return PeerSlow(f"the controller at {self._url} has not answered in time")
        return PeerUnreachable(f"no controller answers at {self._url} ({_reason(error)})")


def _reason(error: Exception) -> str:
    """Why, in few words: where it was looked for is said already."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"no connection within {CONNECT_SECONDS:.0f} s"
    return system_words.why(error)


def _socket(found: aiohttp.AddrInfoType) -> socket.socket:
    """One whose connection ends when what was sent is not acknowledged (tcp(7), TCP_USER_TIMEOUT), as soon as
    one that is not made: who is behind a line that was cut, or replaced, is not waited for as who is slow.
    """
    family, kind, protocol, *_ = found
    made = segments.keep_small(socket.socket(family, kind, protocol))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(CONNECT_SECONDS * 1000))
    return made


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body. Raises PeerForeign for one that no controller sends."""
    read = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        read += chunk
        if len(read) > ANSWER_BYTES:
            raise PeerForeign(f"the answer is larger than {ANSWER_BYTES} octets")
    return bytes(read)


def _reply(response: aiohttp.ClientResponse, body: bytes) -> Reply:
    if response.status < _REFUSED:
        return Reply(status=response.status, body=body)
    if response.content_type == MEDIA_TYPE:
        try:
            raise ProblemError(msgspec.json.decode(body, type=codec.ready(Problem)))
        except msgspec.DecodeError:
            pass
    answer = f"{response.status} {response.content_type}"
    raise PeerForeign(f"{response.url.host} answered {answer}, which is not Causeway's API")
