"""One warm connection pool to one agent: requests go out, complete answers come back.

Refusals become `ProblemError`, silence becomes `AgentUnreachable`.
"""

from __future__ import annotations

import io
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from socket import socket
from types import TracebackType
from typing import Self, TypedDict, TypeVar, Unpack

import aiohttp
from aiohttp import hdrs
from multidict import istr
from yarl import URL

from causeway_controller import system_words
from causeway_controller.errors import AgentUnreachable, UnexpectedAnswer, WrongPeer
from causeway_controller.fleet.update_file import UpdateFile
from causeway_wire import codec, problem, routes
from causeway_wire.problem import Problem, ProblemError
from causeway_wire.types import ApplianceId

T = TypeVar("T")

SocketFactory = Callable[[aiohttp.AddrInfoType], socket]
"""Opens the socket of a new connection, for example inside a network namespace."""

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 20.0
KEEPALIVE_SECONDS = 60.0
_NO_CONTENT = 204


class Request(TypedDict, total=False):
    """What a request may have besides its route."""

    parameters: Mapping[str, str]
    """Of the path."""
    query: Mapping[str, str] | Sequence[tuple[str, str]]
    headers: Mapping[istr, str]
    body: object
    """A document."""
    file: UpdateFile
    patience: float
    """Seconds until the answer must be complete; ANSWER_SECONDS unless given."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    status: int
    media_type: str
    headers: Mapping[str, str]
    body: bytes

    def decode(self, kind: type[T]) -> T:
        """The body as a document of this type; raises ProblemError when it is none."""
        return codec.decode(self.body, kind)


class Connection:
    """Use as an async context manager; not for several event loops."""

    def __init__(
        self,
        *,
        appliance: ApplianceId,
        base: URL,
        context: ssl.SSLContext,
        socket_factory: SocketFactory | None,
        patience: float,
        expected: str | None = None,
    ) -> None:
        """`patience`: how many times longer than usual to wait for an answer. `expected`: the name of the
        `tls.Peer` that a context for all agents is to meet.
        """
        self._appliance, self._base, self._expected = appliance, base, expected
        self._context, self._socket_factory = context, socket_factory
        self._patience = patience
        self._session: aiohttp.ClientSession | None = None
        self._keeps = True
        self._under_way: Counter[aiohttp.ClientSession] = Counter()

    def another(self) -> Connection:
        """One to the same agent that is not open yet."""
        return Connection(
            appliance=self._appliance,
            base=self._base,
            context=self._context,
            socket_factory=self._socket_factory,
            patience=self._patience,
            expected=self._expected,
        )

    async def __aenter__(self) -> Self:
        self._session = self._new_session()
        return self

    def _new_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=self._context, socket_factory=self._socket_factory, keepalive_timeout=KEEPALIVE_SECONDS
        )
        # An environment's proxy would see nothing, but would make every appliance look dead.
        return aiohttp.ClientSession(connector=connector, trust_env=False)

    async def use(self, context: ssl.SSLContext) -> None:
        """Make all further requests on connections of this context; what is under way ends as it began."""
        self._context = context
        if self._session is not None:
            await self._instead(self._new_session())

    async def keep_none(self) -> None:
        """Make a connection for each further request; what is under way ends as it began."""
        self._keeps = False
        await self._instead(None)

    async def _instead(self, session: aiohttp.ClientSession | None) -> None:
        before, self._session = self._session, session
        if before is not None and not self._under_way[before]:
            await before.close()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, route: routes.Route, **request: Unpack[Request]) -> Answer:
        """One request; the answer is complete, and is a success of this route.

        Raises ProblemError, UnexpectedAnswer, WrongPeer or AgentUnreachable.
        """
        if self._session is None and self._keeps:
            raise RuntimeError("the client is not open; use it as an async context manager")
        session = self._session or self._new_session()
        self._under_way[session] += 1
        try:
            answer = await self._answer(session, route, request)
        finally:
            self._under_way[session] -= 1
            if not self._under_way[session]:
                del self._under_way[session]
                if session is not self._session:
                    await session.close()
        self._check(route, answer)
        return answer

    async def _answer(self, session: aiohttp.ClientSession, route: routes.Route, request: Request) -> Answer:
        headers, data = _content(request)
        patience = request.get("patience", ANSWER_SECONDS) * self._patience
        try:
            async with session.request(
                route.method,
                self._base.with_path(route.path.format(**request.get("parameters", {}))),
                params=request.get("query"),
                headers=headers,
                data=data,
                allow_redirects=False,
                server_hostname=self._expected,
                timeout=aiohttp.ClientTimeout(total=patience, connect=CONNECT_SECONDS * self._patience),
            ) as response:
                return Answer(response.status, response.content_type, response.headers, await response.read())
        except aiohttp.ClientConnectorCertificateError as error:
            raise WrongPeer(self._appliance, self._base.authority, str(error.certificate_error)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise AgentUnreachable(self._appliance, self._base.authority, _reason(error)) from error

    def _check(self, route: routes.Route, answer: Answer) -> None:
        """Raises ProblemError or UnexpectedAnswer unless the answer is a success of this route."""
        if answer.media_type == problem.MEDIA_TYPE:
            raise ProblemError(codec.decode(answer.body, Problem))
        media_type = "text/plain" if route.response is None else "application/json"
        expected = answer.status == _NO_CONTENT or answer.media_type == media_type
        if answer.status not in route.success or not expected:
            request = f"{route.method} {route.path}"
            raise UnexpectedAnswer(self._appliance, request, answer.status, answer.media_type)


def _reason(error: aiohttp.ClientError | TimeoutError | OSError) -> str:
    """Why nobody answered, in few words: the system's, where it knows."""
    return "no answer in time" if isinstance(error, TimeoutError) else system_words.why(error)


def _content(request: Request) -> tuple[dict[istr, str], io.BytesIO | AsyncIterator[bytes] | None]:
    """Headers and octets of a request."""
    headers: dict[istr, str] = dict(request.get("headers", {}))
    if (body := request.get("body")) is not None:
        return {**headers, hdrs.CONTENT_TYPE: "application/json"}, io.BytesIO(codec.encode(body))
    if (file := request.get("file")) is not None:
        return {**headers, **file.headers}, file.chunks()
    return headers, None
