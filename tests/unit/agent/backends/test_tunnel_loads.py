"""What tunnels' devices sent and dropped, out of the kernel's list of devices."""

from __future__ import annotations

from pathlib import Path

import pytest

from causeway_agent.backends.filter import tunnel_loads
from causeway_agent.backends.host import device_counters
from causeway_agent.engine.ports import Queue
from causeway_agent.errors import BackendError

LISTED = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       1       2    0    0    0     0          0         0        3       4    0    0    0     0       0          0
Bürö:         1       2    0    0    0     0          0         0        3       4    0    0    0     0       0          0
cwu1195:   7000      11    0   12    0     0          0         0    13000      14    0   15    0     0       0          0
cwtun0:       0       0    0    0    0     0          0         0        0     100    0     0    0     0       0          0
"""  # noqa: E501 - as the kernel writes it


def test_of_tunnels_devices_it_is_told_what_was_sent_and_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dev").write_text(LISTED, encoding="latin-1")
    monkeypatch.setattr(device_counters, "FILE", str(tmp_path / "dev"))
    assert tunnel_loads.queues() == {"cwu1195": Queue(14, 15), "cwtun0": Queue(100, 0)}


def test_where_there_is_no_list_it_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_counters, "FILE", str(tmp_path / "dev"))
    with pytest.raises(BackendError, match="read what devices sent"):
        tunnel_loads.queues()
