"""Processes that run by being said to run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from causeway_agent.plan.model.path_size import PathSize
from causeway_agent.plan.model.processes import Process, VpnClient, VpnServer
from causeway_wire.observed import Carrier, Transport, TunnelReport, TunnelState
from causeway_wire.types import TunnelId
from tests.fakes.events import EventFeed
from tests.fakes.fuse import Fuse


class FakeProcesses:
    """Keeps specifications by name. They end with the agent that started them: `crash` forgets them."""

    def __init__(self, fuse: Fuse | None = None) -> None:
        self.processes: dict[str, Process] = {}
        self.transports: dict[TunnelId, Transport] = {}
        self.carrier: tuple[Carrier | None, str | None] = None, None
        """Of every tunnel, and why not the kernel."""
        self.declines: dict[TunnelId, str] = {}
        """Why OpenVPN would not leave these tunnels to the kernel."""
        self.bereaved: list[str] = []
        """Devices of which it was told that they are gone."""
        self.feed = EventFeed()
        self.started: Callable[[], None] = lambda: None
        """Called when one was started."""
        self._fuse = fuse or Fuse()

    async def start(self, process: Process) -> None:
        """Run it."""
        self._fuse.enter(f"start {process.name}")
        self.processes[process.name] = process
        self.started()
        self._fuse.leave(f"start {process.name}")

    async def stop(self, process: Process) -> None:
        """Stop it."""
        self._fuse.enter(f"stop {process.name}")
        self.processes.pop(process.name, None)
        self._fuse.leave(f"stop {process.name}")

    def running(self) -> frozenset[Process]:
        """All that run."""
        return frozenset(self.processes.values())

    def tunnels(self) -> tuple[TunnelReport, ...]:
        """One report per tunnel, connected when a transport was set for it."""
        ids = {p.tunnel for p in self.processes.values() if isinstance(p, VpnServer | VpnClient)}
        return tuple(
            TunnelReport(
                id=tunnel,
                state=TunnelState.CONNECTED if tunnel in self.transports else TunnelState.CONNECTING,
                transport=self.transports.get(tunnel),
                carrier=self.carrier[0],
                no_offload=self.carrier[1],
            )
            for tunnel in sorted(ids)
        )

    def first_packets(self) -> dict[str, int]:
        """Two admitted, one refused."""
        return {"admitted": 2, "rate": 1}

    def paths(self) -> dict[TunnelId, PathSize]:
        return {}

    def declined(self) -> dict[TunnelId, str]:
        """What the test says."""
        return dict(self.declines)

    def active(self) -> dict[TunnelId, str]:
        """Devices of the transports set by the test."""
        return {
            one.tunnel: one.device
            for one in self.processes.values()
            if isinstance(one, VpnServer) and self.transports.get(one.tunnel) is one.transport
        }

    def lost(self, devices: Iterable[str]) -> None:
        self.bereaved += devices

    def events(self) -> AsyncIterator[str]:
        """What the test feeds."""
        return self.feed.stream()

    def crash(self) -> None:
        """Every process ends, as its parent did."""
        self.processes.clear()
