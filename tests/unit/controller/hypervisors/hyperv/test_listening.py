"""A host's files that take a connection, and then say nothing."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from causeway_controller.hypervisors.base import Cause
from causeway_controller.hypervisors.hyperv import listening
from causeway_controller.hypervisors.hyperv.binding import Endpoint, load
from causeway_controller.hypervisors.hyperv.files import Folder
from causeway_controller.hypervisors.hyperv.identity import Identities
from causeway_controller.hypervisors.hyperv.listening import SilentError
from causeway_wire.types import Secret

_GUID = slice(64 + 12, 64 + 28)
"""Of the client, in a request to negotiate (MS-SMB2, 2.2.3)."""


def negotiated() -> bytes:
    """SMB 3.0.2 with encryption, and one credit."""
    connection, header = load("smbprotocol.connection"), load("smbprotocol.header")
    answer = connection.SMB2NegotiateResponse()
    answer["dialect_revision"] = connection.Dialects.SMB_3_0_2
    answer["server_guid"] = uuid.uuid4()
    answer["capabilities"] = connection.Capabilities.SMB2_GLOBAL_CAP_ENCRYPTION
    for most in ("max_transact_size", "max_read_size", "max_write_size"):
        answer[most] = 1 << 20
    told = header.SMB2HeaderResponse()
    told["command"] = connection.Commands.SMB2_NEGOTIATE
    told["credit_response"] = 1
    told["flags"].set_flag(header.Smb2Flags.SMB2_FLAGS_SERVER_TO_REDIR)
    told["data"] = answer
    return bytes(told.pack())


class Host:
    """Answers who negotiates, unless it is `dumb`, and nobody who logs in."""

    def __init__(self, *, dumb: bool) -> None:
        self.heard: list[list[bytes]] = []
        """The messages of each connection."""
        self.ended = threading.Semaphore(0)
        """Released when a connection has ended."""
        self._dumb = dumb
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                taken, _ = self._listener.accept()
                self.heard.append([])
                threading.Thread(target=self._serve, args=(taken, self.heard[-1]), daemon=True).start()

    def _serve(self, taken: socket.socket, heard: list[bytes]) -> None:
        with taken, taken.makefile("rb") as read:
            while length := read.read(4):
                heard.append(read.read(struct.unpack(">L", length)[0]))
                if len(heard) == 1 and not self._dumb:
                    answer = negotiated()
                    taken.sendall(struct.pack(">L", len(answer)) + answer)
        self.ended.release()


@contextmanager
def listened(*, dumb: bool) -> Iterator[Host]:
    host = Host(dumb=dumb)
    try:
        yield host
    finally:
        host.close()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("messages", [2, 1])
def test_who_hears_nothing_tries_once_more_as_another_client_and_says_where_to_look(
    monkeypatch: pytest.MonkeyPatch, messages: int
) -> None:
    monkeypatch.setattr(listening, "LOGIN_SECONDS", 1)
    there: dict[str, Any] = {}
    with listened(dumb=messages == 1) as host:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        who = Identities("svc", Secret("right"))
        endpoint = Endpoint(host="127.0.0.1", port=1, context=context, who=who, smb=host.port)
        folder = Folder(endpoint, there, root=r"\\127.0.0.1\Hyper-V\Appliances")
        with pytest.raises(SilentError, match=r"127.0.0.1 did not answer within 1 s.*LanmanServer") as silent:
            folder.entries()
        assert silent.value.cause is Cause.SLOW
        assert [len(heard) for heard in host.heard] == [messages] * 2
        assert len({heard[0][_GUID] for heard in host.heard}) == 2
        assert all(host.ended.acquire(timeout=5) for _ in range(2))
    assert not there
