"""Asks a controller, over its Unix socket or over TLS, driven by the table of its routes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from causeway_controller import system_words
from causeway_controller.cli.errors import UnreachableError, UsageError
from causeway_controller.cli.where import Where
from causeway_controller.contract.routes import Route
from causeway_controller.fleet.update_file import UpdateFile
from causeway_wire import codec
from causeway_wire.problem import MEDIA_TYPE, Problem, ProblemError, ProblemType
from causeway_wire.types import parse_scalar

SECONDS: Final = 1800.0
"""For an answer: an appliance is sent, and boots for minutes on a busy host, longer where it is emulated."""
_LOOK_SECONDS: Final = 300.0
"""For what only looks."""
_CONNECT_SECONDS: Final = 10.0
_LOCAL: Final = "http://localhost"
_LONGEST: Final = 4096
"""Of a path with its query. Servers refuse lines of 8,190 octets, and answer then as no API of ours does."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that is no problem."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read(self, kind: type[T]) -> T:
        """The body as this document; members that we do not know are left out."""
        return msgspec.json.decode(self.body, type=kind, dec_hook=parse_scalar)

    @property
    def value(self) -> Any:
        """The body as plain values."""
        return msgspec.json.decode(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An event of a stream."""

    number: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    route: Route
    places: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    data: bytes | AsyncIterator[bytes] | None
    limits: aiohttp.ClientTimeout

    def url(self, server: str) -> str:
        """Raises UsageError: what no server could take for what is meant."""
        for name, value in self.places.items():
            if not value.strip():
                raise UsageError(f"the name of the {name} is empty; is a variable of the shell not set?")
        places = {name: quote(value, safe="") for name, value in self.places.items()}
        asked = self.route.path.format_map(places) + (f"?{urlencode(self.query)}" if self.query else "")
        if len(asked) > _LONGEST:
            raise UsageError(f"what is asked for is too long: {len(asked)} letters, and {_LONGEST} may be")
        return server.rstrip("/") + asked


class Client:
    """Asks one controller. Raises ProblemError for what it refuses, UnreachableError when nobody answers."""

    def __init__(self, where: Where) -> None:
        self._where = where

    def ask(
        self,
        route: Route,
        places: Mapping[str, str] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Reply:
        """The answer to one request; `body` is a document, or its JSON text."""
        data = body if body is None or isinstance(body, bytes) else codec.encode(body)
        kind = {} if data is None else {"Content-Type": "application/json"}
        request = _Request(
            route=route,
            places=places or {},
            query=query or {},
            headers={**(headers or {}), **kind},
            data=data,
            limits=aiohttp.ClientTimeout(
                total=_LOOK_SECONDS if route.method == "GET" else SECONDS, sock_connect=_CONNECT_SECONDS
            ),
        )
        return asyncio.run(self._ask(request))

    def send(self, route: Route, file: UpdateFile) -> Reply:
        """The answer to a file."""
        request = _Request(
            route=route,
            places={},
            query={},
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(file.octets)},
            data=file.chunks(),
            limits=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=SECONDS),
        )
        return asyncio.run(self._ask(request))

    async def _ask(self, request: _Request) -> Reply:
        async with self._asking(request) as response:
            text = await response.read()
            return Reply(status=response.status, headers=response.headers, body=text)

    async def stream(self, route: Route, places: Mapping[str, str], *, after: str) -> AsyncIterator[Message]:
        """The events after this number, until the controller ends the stream."""
        request = _Request(
            route=route,
            places=places,
            query={},
            headers={"Accept": "text/event-stream", "Last-Event-ID": after},
            data=None,
            limits=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=60),
        )
        async with self._asking(request) as response:
            fields: dict[str, str] = {}
            async for line in response.content:
                text = line.decode().rstrip("\r\n")
                if text:
                    name, _, value = text.partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    number, data = fields.get("id", ""), fields["data"].encode()
                    yield Message(number=number, kind=fields["event"], data=data)
                    fields = {}

    @asynccontextmanager
    async def _asking(self, request: _Request) -> AsyncIterator[aiohttp.ClientResponse]:
        where, route = self._where, request.route
        try:
            headers = {**request.headers, **_known(where)}
            async with (
                aiohttp.ClientSession(connector=_connector(where), timeout=request.limits) as session,
                session.request(
                    route.method, request.url(where.server or _LOCAL), data=request.data, headers=headers
                ) as response,
            ):
                if response.status >= 400:  # noqa: PLR2004 - what is no success (RFC 9110, 15)
                    raise _refusal(where, response, await response.read())
                yield response
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(where.shown, error, local=where.server is None) from error


def _connector(where: Where) -> aiohttp.BaseConnector:
    if where.server is None:
        return aiohttp.UnixConnector(path=str(where.socket))
    try:
        context = ssl.create_default_context(cafile=None if where.ca_file is None else str(where.ca_file))
    except OSError as error:  # an SSLError is one
        raise UsageError(
            f"the certificates in {where.ca_file} cannot be read ({system_words.why(error)}); name the "
            "controller's, as PEM, with --ca-file or in CAUSEWAY_CA_FILE"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return aiohttp.TCPConnector(ssl=context)


def _known(where: Where) -> dict[str, str]:
    """The header that says who we are. Raises UsageError."""
    if where.server is None:
        return {}
    if not where.server.startswith("https://"):
        raise UsageError(
            f"{where.server}: a server's URL begins with https://; a token is not sent in the clear"
        )
    if where.token_file is not None:
        try:
            text = where.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"the token in {where.token_file} cannot be read ("
                f"{system_words.why(error)}); `causeway token create` prints one"
            ) from error
        if not text.isascii() or not text.isprintable() or not text:
            raise UsageError(
                f"{where.token_file} holds no token, which is one line; `causeway token create` prints it"
            )
        return {"Authorization": f"Bearer {text}"}
    if where.token:
        return {"Authorization": f"Bearer {where.token}"}
    raise UsageError("no token; name a file with --token-file or in CAUSEWAY_TOKEN_FILE")


def _refusal(where: Where, response: aiohttp.ClientResponse, text: bytes) -> Exception:
    if response.content_type == MEDIA_TYPE:
        try:
            found = msgspec.json.decode(text, type=Problem)
            if found.type == ProblemType.UNAUTHENTICATED.urn and where.server is not None:
                token = "the token" if where.token_file is None else f"the token in {where.token_file}"
                detail = (
                    f"{token} is none of the controller's at {where.server}, or has ended or was revoked; "
                    "an admin makes another: `causeway token create`"
                )
                found = msgspec.structs.replace(found, detail=detail)
            return ProblemError(found)
        except msgspec.DecodeError:
            pass
    return UnreachableError(where.shown, f"it answered {response.status}, which is not Causeway's API")
