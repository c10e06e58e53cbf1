"""OpenVPN's management interface over a Unix socket (OpenVPN doc/management-notes.txt).

Lines become events; nothing is decided here. OpenVPN serves one management client at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

SOCKET = "management.sock"
"""File name of the socket in the process's directory."""

_RETRY = 0.005
"""Seconds between attempts to connect while the process starts."""
_BYTECOUNT_INTERVAL = 2
_LINE_LIMIT = 1 << 16
_PROTOCOL = re.compile("^(?:udp|tcp)[46]?(?:-server)?:")
"""From 2.7 on a server says it before a client's address: it may listen for several."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """`>STATE:` or the answer to `state`: the name (CONNECTED, RECONNECTING...), its detail, the far end."""

    state: str
    detail: str
    remote: str | None


@dataclass(frozen=True, slots=True)
class BytesCounted:
    """Octets through the tunnel so far, outer side."""

    received: int
    sent: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of OpenVPN's log. Flags: I information, F fatal, N error, W warning, D debug."""

    flags: str
    text: str


@dataclass(frozen=True, slots=True)
class PeerRow:
    """A client that a server process knows."""

    common_name: str
    remote: str
    received: int
    sent: int
    connected_since: int
    """Unix time, seconds."""


@dataclass(frozen=True, slots=True)
class PeersListed:
    """The answer to `status`: the clients whose certificate was accepted."""

    peers: tuple[PeerRow, ...]


Event = StateChanged | BytesCounted | LogLine | PeersListed


class Parser:
    """Turns lines into events; keeps the rows of an answer until its END."""

    def __init__(self) -> None:
        self._peers: list[PeerRow] = []
        self._in_status = False

    def feed(self, line: str) -> Event | None:
        """The event this line completes, if any; unknown lines are ignored."""
        if line.startswith(">"):
            kind, _, rest = line[1:].partition(":")
            return _notification(kind, rest)
        if line.startswith(("TITLE\t", "HEADER\t")):
            self._in_status = True
        elif line.startswith("CLIENT_LIST\t"):
            row = _peer(line.split("\t"))
            if row is not None:
                self._peers.append(row)
        elif line == "END" and self._in_status:
            event = PeersListed(tuple(self._peers))
            self._peers.clear()
            self._in_status = False
            return event
        elif line[:1].isdigit() and not self._in_status:
            return _state(line)
        return None


def _notification(kind: str, rest: str) -> Event | None:
    match kind:
        case "STATE":
            return _state(rest)
        case "BYTECOUNT":
            received, _, sent = rest.partition(",")
            if received.isdigit() and sent.isdigit():
                return BytesCounted(int(received), int(sent))
        case "LOG":
            fields = rest.split(",", 2)
            if len(fields) == 3:  # noqa: PLR2004 - time, flags, text
                return LogLine(fields[1], fields[2])
        case "FATAL":
            return LogLine("F", rest)
        case _:
            pass
    return None


def _state(text: str) -> StateChanged | None:
    fields = text.split(",")
    if len(fields) < 3 or not fields[0].isdigit():  # noqa: PLR2004 - time, name, detail
        return None
    address, port = (fields[4], fields[5]) if len(fields) > 5 else ("", "")  # noqa: PLR2004
    host = f"[{address}]" if ":" in address else address
    return StateChanged(fields[1], fields[2], f"{host}:{port}" if address else None)


def _peer(fields: list[str]) -> PeerRow | None:
    """A row of `status 3`: name, real address, virtual addresses, received, sent, since (text, Unix time)."""
    try:
        name, remote, received, sent, since = (fields[i] for i in (1, 2, 5, 6, 8))
        row = PeerRow(name, _PROTOCOL.sub("", remote), int(received), int(sent), int(since))
    except (IndexError, ValueError):
        return None
    return None if name == "UNDEF" else row  # UNDEF: the handshake is not done


class Connection:
    """An open management connection; `events` ends when OpenVPN closes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def command(self, text: str) -> None:
        """Send one command; its answer arrives among the events."""
        self._writer.write(text.encode() + b"\n")

    async def events(self) -> AsyncIterator[Event]:
        """What OpenVPN tells, from its current state on."""
        parser = Parser()
        with contextlib.suppress(ConnectionError, asyncio.LimitOverrunError, ValueError):
            while line := await self._reader.readline():
                event = parser.feed(line.decode(errors="replace").rstrip("\r\n"))
                if event is not None:
                    yield event

    def close(self) -> None:
        """Close it; OpenVPN goes on and accepts the next management client."""
        self._writer.close()


async def connect(path: Path) -> Connection:
    """Connect as soon as the socket is there and subscribe to states, byte counts and log lines.

    Retries for ever: the caller ends it when the process dies.
    """
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(path, limit=_LINE_LIMIT)
        except OSError:  # not there yet, or not listening
            await asyncio.sleep(_RETRY)
            continue
        connection = Connection(reader, writer)
        for command in ("log on", "state on", "state", f"bytecount {_BYTECOUNT_INTERVAL}"):
            connection.command(command)
        return connection
