"""The paths of all tunnels: what size each carries, learnt by its watch, which outlasts the probe's task."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from causeway_agent.backends.processes.path_probe import Link, Watch
from causeway_agent.engine.ports import Clock
from causeway_agent.plan.model.path_size import PathSize
from causeway_agent.plan.model.processes import PathProbe
from causeway_wire.observed import PathReport
from causeway_wire.types import TunnelId


class TunnelPaths:
    """The watches by tunnel; `link` says what carries a tunnel now, `changed` is told when a size changes."""

    def __init__(
        self, clock: Clock, link: Callable[[TunnelId], Link | None], changed: Callable[[str], None]
    ) -> None:
        self._clock = clock
        self._link = link
        self._changed = changed
        self._watches: dict[TunnelId, Watch] = {}

    def watch(self, process: PathProbe) -> Watch:
        """Return the watch of this tunnel's path; what it learnt stays while the tunnel is the same."""
        watch = self._watches.get(process.tunnel)
        if watch is None or watch.spec != process:
            watch = Watch(process, self._clock, lambda: self._link(process.tunnel), self._changed)
            self._watches[process.tunnel] = watch
        return watch

    def relink(self) -> None:
        """Have each take notice at once of what its tunnel goes over now."""
        for watch in tuple(self._watches.values()):
            watch.relink()

    def report(self, tunnel: TunnelId) -> PathReport | None:
        """Return what is known of this tunnel's path, for the observed document."""
        watch = self._watches.get(tunnel)
        return None if watch is None else watch.report

    def sizes(self) -> Mapping[TunnelId, PathSize]:
        """Return what size each tunnel's path carries, where that is known and not the full size."""
        return {
            tunnel: watch.size
            for tunnel, watch in self._watches.items()
            if watch.size not in (None, watch.full)
        }
