"""By which connection files are written."""

from __future__ import annotations

import io
import ssl
from typing import Any

import pytest

from causeway_controller.hypervisors.hyperv.binding import Endpoint, load
from causeway_controller.hypervisors.hyperv.files import Folder
from causeway_controller.hypervisors.hyperv.identity import Identities
from causeway_controller.hypervisors.hyperv.listening import Connections
from causeway_wire.types import Secret


def test_a_disk_that_is_sent_takes_no_credits_of_what_others_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Connections] = []
    ended: list[dict[str, Any]] = []

    def opened(_path: str, *, connection_cache: Connections, **_options: Any) -> io.BytesIO:
        used.append(connection_cache)
        return io.BytesIO()

    def end(*, connection_cache: dict[str, Any], **_options: Any) -> None:
        ended.append(connection_cache)

    monkeypatch.setattr(load("smbclient"), "open_file", opened)
    monkeypatch.setattr(load("smbclient"), "reset_connection_cache", end)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    who = Identities("svc", Secret("right"))
    endpoint = Endpoint(host="127.0.0.1", port=1, context=context, who=who, smb=2)
    there: dict[str, Any] = {}
    folder = Folder(endpoint, there, root=r"\\127.0.0.1\Hyper-V\Appliances")
    for large in (False, True, True, False):
        folder.write(("attempt", "disk"), io.BytesIO(b"content"), lambda _: None, large=large)
    first, disk, other, last = (one._there for one in used)
    assert first is last is there
    assert ended == [disk, other]
    assert there is not disk is not other is not there
