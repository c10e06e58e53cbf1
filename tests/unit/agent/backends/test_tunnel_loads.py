"""What tunnels' devices sent and dropped, out of the kernel's list of devices."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from causeway_agent.backends.filter.tunnel_loads import KernelTunnelLoads
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


Written = Callable[[str], Awaitable[int | None]]


async def silent(device: str) -> int | None:
    return None


class Nobody:
    async def run(self, commands: str) -> str:
        raise NotImplementedError


class Kernel:
    """Its list of devices, as it is now."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = path
        monkeypatch.setattr(device_counters, "FILE", str(path))

    def says(self, text: str) -> None:
        self._path.write_text(text, encoding="latin-1")

    def sent(self, packets: int, *devices: str) -> None:
        """These devices, packets of 100 octets."""
        figures = f"0 0 0 0 0 0 0 0 {packets * 100} {packets} 0 7 0 0 0 0"
        self.says("head\nhead\n" + "".join(f"{each}: {figures}\n" for each in devices or ("cwt1195",)))


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(tmp_path / "dev", monkeypatch)


def loads(written: Written = silent) -> KernelTunnelLoads:
    return KernelTunnelLoads(Nobody(), written)


async def test_of_tunnels_devices_it_is_told_what_was_sent_and_dropped(kernel: Kernel) -> None:
    kernel.says(LISTED)
    assert await loads().queues() == {"cwu1195": Queue(14, 15), "cwtun0": Queue(100, 0)}


async def test_where_there_is_no_list_it_is_told_so(kernel: Kernel) -> None:
    with pytest.raises(BackendError, match="read what devices sent"):
        await loads().queues()


async def test_what_openvpn_was_given_and_did_not_write_was_dropped(kernel: Kernel) -> None:
    told = {"cwt1195": 0}

    async def written(device: str) -> int:
        return told[device]

    looked = loads(written)
    for packets, octets in ((0, 0), (1000, 5000)):
        told["cwt1195"] = octets
        kernel.sent(packets)
        await looked.queues()
    told["cwt1195"] += 1000 * 126 // 4
    kernel.sent(2000)
    assert (await looked.queues())["cwt1195"] == Queue(2000 - 750, 7 + 750)
    told["cwt1195"] = 0  # another client
    kernel.sent(3000)
    assert (await looked.queues())["cwt1195"] == Queue(3000 - 750, 7 + 750)
    told["cwt1195"] = 1000 * 126 * 96 // 100  # the two are not read at once
    kernel.sent(4000)
    assert (await looked.queues())["cwt1195"] == Queue(4000 - 750, 7 + 750)


async def test_who_is_given_little_is_not_asked(kernel: Kernel) -> None:
    asked: list[str] = []

    async def written(device: str) -> None:
        asked.append(device)

    looked = loads(written)
    for packets in (0, 200, 400, 601):
        kernel.sent(packets)
        await looked.queues()
    assert asked == ["cwt1195"]


async def test_a_server_that_is_slow_to_say_it_does_not_make_another_s_packets_lost(kernel: Kernel) -> None:
    told, late = {"cwt1": 0, "cwt2": 0}, 0

    async def written(device: str) -> int:
        octets = told[device]
        if late and device == "cwt2":
            await asyncio.sleep(0)  # the other is read
            kernel.sent(late, "cwt1", "cwt2")
        return octets

    looked, last = loads(written), dict[str, Queue]()
    for packets in (0, 1000, 2000):
        told = dict.fromkeys(told, packets * 126)
        late = packets + 300 if packets == 2000 else 0
        kernel.sent(packets, "cwt1", "cwt2")
        last = dict(await looked.queues())
    assert last["cwt1"] == Queue(2000, 7)
