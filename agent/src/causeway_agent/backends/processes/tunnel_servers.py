"""The servers of one tunnel, one per transport, as one: which of them its client uses, and their report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import structlog

from causeway_agent.backends.processes.carrier_notices import Notices
from causeway_agent.backends.processes.openvpn_server import ServerUnit
from causeway_wire.observed import Transport, TunnelReport, TunnelState

_RANK = {TunnelState.STOPPED: 0, TunnelState.CONNECTING: 1, TunnelState.CONNECTED: 2}

FRESH = 0.5
"""Seconds for which a server keeps the tunnel after its client said so: a server that was stopped hears
questions of long ago when it goes on. Shorter than what a client grants its former way (`DRAIN`).
"""

_log = structlog.get_logger()


async def written(servers: Callable[[], Iterable[ServerUnit]], device: str) -> int | None:
    """Return how many octets the server over TCP behind this device has sent outside; None when none says it.
    What a bridged one was given tells nothing of that: a frame to a host that it does not know takes no room.
    """
    for unit in servers():
        if unit.spec.device == device and unit.spec.transport is Transport.TCP and unit.spec.sends_all:
            return await unit.written()
    return None


class TunnelServers:
    """Remembers which server carries the tunnel; `changed` is told when the client moves to another."""

    def __init__(self, changed: Callable[[str], None], monotonic: Callable[[], float]) -> None:
        self._changed = changed
        self._monotonic = monotonic
        self._heard = float("-inf")
        """When the server in use was last said to carry the tunnel."""
        self._units: dict[str, ServerUnit] = {}
        self._carrier: ServerUnit | None = None
        self._notices: Notices | None = None

    def update(self, units: list[ServerUnit]) -> None:
        """These are the servers now, in whatever states."""
        self._units = {unit.spec.device: unit for unit in units}
        connected = [unit for unit in units if unit.status.state is TunnelState.CONNECTED]
        if self._carrier not in connected:
            self._carrier = max(connected, key=lambda unit: unit.recency, default=None)
            self._heard = float("-inf")
        if len(connected) > 1 and self._notices is None:
            self._listen()
        if len(connected) <= 1:
            self.close()

    def close(self) -> None:
        """Listen no more."""
        if self._notices is not None:
            self._notices.close()
        self._notices = None

    @property
    def device(self) -> str | None:
        """The device that carries the tunnel; none while no client is connected."""
        return None if self._carrier is None else self._carrier.spec.device

    def report(self) -> TunnelReport:
        """One report for all: the server in use speaks for them."""
        units = list(self._units.values())
        best = max(units, key=lambda unit: (_RANK[unit.status.state], unit.recency))
        blamed = max(units, key=lambda unit: unit.status.error_at)
        merged = dataclasses.replace(
            (self._carrier or best).status,
            restarts=sum(unit.status.restarts for unit in units),
            last_error=blamed.status.last_error,
        )
        return merged.report()

    def _listen(self) -> None:
        try:
            self._notices = Notices(self._units, self._carried)
        except OSError as error:
            # Then whoever was connected first is followed until it leaves.
            _log.warning("notices_unavailable", reason=error.strerror or str(error))

    def _carried(self, device: str) -> None:
        unit = self._units.get(device)
        if unit is None or unit.status.state is not TunnelState.CONNECTED:
            return
        now = self._monotonic()
        if unit is self._carrier:
            self._heard = now
        if unit is self._carrier or now - self._heard < FRESH:
            return
        self._heard = now
        _log.info("tunnel_carrier", process=unit.spec.name)
        self._carrier = unit
        self._changed(f"{unit.spec.name} carries")
