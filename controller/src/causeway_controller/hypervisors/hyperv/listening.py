"""Connections to a host's files that wait for an answer so long and no longer. Blocking.

The package waits for most answers without a limit, that of a login among them. It also is the same client on
all connections of a process, and a server may have one process for a client: Samba's hands each further
connection on to the one that has the first, and what arrives meanwhile may be read by the one that hands it
on, and lost. So each connection is a client of its own (ClientGuid: MS-SMB2, 2.2.3), one that was silent is
closed, and a login is tried on a second one.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import uuid
from collections.abc import Iterator
from typing import Any, Final

from causeway_controller.hypervisors.base import Cause
from causeway_controller.hypervisors.hyperv.binding import Endpoint, LostError, load
from causeway_controller.hypervisors.hyperv.identity import Identity

LOGIN_SECONDS: Final = 30
"""For each answer until somebody is logged in: twice that is less than who asks a host waits."""
SECONDS: Final = 60
"""For each answer after that, and for octets that nobody takes: as long as for a disk that is sent."""


class SilentError(LostError):
    """Nobody answered in time. The connection is closed."""

    def __init__(self, host: str, seconds: float) -> None:
        super().__init__(
            f"{host} did not answer within {seconds:.0f} s at its files (SMB); look at its service Server "
            "(LanmanServer), and at what is between",
            cause=Cause.SLOW,
        )


class Connections:
    """Where the package looks for a connection: that to the host is there, and logged in on."""

    def __init__(self, there: dict[str, Any], endpoint: Endpoint, who: Identity) -> None:
        """`there`: those of a login, for all that ask by it."""
        self._there = there
        self._endpoint = endpoint
        self._who = who

    def get(self, name: str, _default: None = None) -> Any:
        """Return a connection, that to the host made if it has ended.

        Raises SilentError, and what the package raises.
        """
        if name != f"{self._endpoint.host.lower()}:{self._endpoint.smb}":  # as `smbclient` calls it
            return self._there.get(name)
        # One login at a time: the credits of a connection that has none yet are for one message.
        with self._endpoint.logins:
            found = self._there.get(name)
            if found is None or not found.transport.connected:
                try:
                    found = _connected(self._endpoint, self._who)
                except SilentError:
                    found = _connected(self._endpoint, self._who)
                self._there[name] = found
            elif all(one.username != self._who.user for one in found.session_table.values()):
                _log_in(found, self._who)
            return found

    def __setitem__(self, name: str, connection: Any) -> None:
        """Keep one that the package made: to where the host refers it."""
        self._there[name] = connection


def _connected(endpoint: Endpoint, who: Identity) -> Any:
    made = _kind()(uuid.uuid4(), endpoint.host, endpoint.smb)
    try:
        made.connect(timeout=LOGIN_SECONDS)
        # Where nobody takes what is sent the kernel ends the connection, and whoever waits to send more.
        made.transport._sock.setsockopt(  # noqa: SLF001 - the package makes it, and gives it to nobody
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SECONDS * 1000
        )
        _log_in(made, who)
    except BaseException:
        with contextlib.suppress(Exception):
            made.disconnect(close=False)
        raise
    made.seconds = SECONDS
    return made


def _log_in(connection: Any, who: Identity) -> None:
    session = load("smbprotocol.session").Session(
        connection,
        username=who.user,
        password=who.password,
        require_encryption=True,
        auth_protocol=who.protocol,
    )
    session.connect()


@functools.cache
def _kind() -> type[Any]:
    errors = load("smbprotocol.exceptions")

    class Connection(load("smbprotocol.connection").Connection):  # type: ignore[misc]
        """One that waits so long."""

        seconds: float | None = None
        """None until somebody is logged in."""

        def send(self, *message: Any, **options: Any) -> Any:
            with self._noticing():
                return super().send(*message, **options)

        def receive(
            self,
            request: Any,
            wait: bool = True,  # noqa: FBT001, FBT002 - the package's
            timeout: float | None = None,
            resolve_symlinks: bool = True,  # noqa: FBT001, FBT002
        ) -> Any:
            seconds = timeout or self.seconds or LOGIN_SECONDS
            with self._noticing():
                try:
                    return super().receive(request, wait, seconds, resolve_symlinks)
                except errors.SMBException as error:
                    if request.response_event.is_set() or isinstance(error, errors.SMBConnectionClosed):
                        raise
                    # An answer that comes now would be nobody's, and who else waits here need not wait on.
                    self.disconnect(close=False)
                    raise SilentError(self.server_name, seconds) from error

        @contextlib.contextmanager
        def _noticing(self) -> Iterator[None]:
            try:
                yield
            except Exception as error:
                if isinstance(error, OSError):
                    self.disconnect(close=False)
                if not self.transport.connected:
                    _close_files(self)
                raise

    return Connection


def _close_files(connection: Any) -> None:
    """Have its open files be closed, as the host does when a connection ends: nobody can ask it to any more.

    The package keeps them, and complains of each once it is collected.
    """
    for session in tuple(connection.session_table.values()):
        for opened in tuple(session.open_table.values()):
            opened._connected = False  # noqa: SLF001 - the package has only an answer say so
        session.open_table.clear()
