"""Prometheus text from what the engine knows. Every figure is read when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from causeway_agent.engine.service import Engine
from causeway_wire.change import ChangeState
from causeway_wire.observed import ApplianceState, TunnelReport, TunnelState

CONTENT_TYPE = exposition.CONTENT_TYPE_LATEST


class _EngineCollector(Collector):
    """Reads the engine's state."""

    def __init__(self, engine: Engine, counters: Mapping[str, tuple[int, int]]) -> None:
        self._engine = engine
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        state, records = self._engine.state, self._engine.records
        in_force = state.in_force
        yield _gauge(
            "causeway_generation", "Generation in force.", in_force.document.generation if in_force else 0
        )
        yield _gauge("causeway_conforming_generation", "Generation last conformed to.", state.conforming or 0)
        yield _gauge("causeway_epoch", "Highest epoch accepted.", state.epoch)
        yield _gauge("causeway_settled", "1 when nothing is left to repair.", int(state.settled))
        yield _gauge(
            "causeway_duplicate_addresses", "Addresses another machine answers for.", len(state.duplicates)
        )
        drift = CounterMetricFamily("causeway_drift_repairs", "Repairs of what someone else changed.")
        drift.add_metric((), state.drift.repairs)
        yield drift
        appliance = GaugeMetricFamily(
            "causeway_state", "1 for the state the appliance is in.", labels=("state",)
        )
        for one in ApplianceState:
            appliance.add_metric((one.value,), int(self._engine.appliance_state() is one))
        yield appliance
        changes = GaugeMetricFamily("causeway_changes", "Changes kept, by state.", labels=("state",))
        for kind in ChangeState:
            changes.add_metric((kind.value,), records.count(kind))
        yield changes
        processes = self._engine.machine.processes
        yield from _tunnels(processes.tunnels())
        doors = CounterMetricFamily(
            "causeway_first_packets", "First packets at the gateway's door, by outcome.", labels=("outcome",)
        )
        for outcome, count in processes.first_packets().items():
            doors.add_metric((outcome,), count)
        yield doors
        yield from _filter(self._counters)


async def render(engine: Engine) -> bytes:
    """The exposition of this moment; raises BackendError when the packet filter cannot be asked."""
    counters = await engine.machine.firewall.counters()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_EngineCollector(engine, counters))
    return exposition.generate_latest(registry)


def _tunnels(reports: tuple[TunnelReport, ...]) -> Iterator[Metric]:
    up = GaugeMetricFamily("causeway_tunnel_up", "1 when connected.", labels=("tunnel", "transport"))
    received = CounterMetricFamily("causeway_tunnel_received_bytes", "Octets received.", labels=("tunnel",))
    sent = CounterMetricFamily("causeway_tunnel_sent_bytes", "Octets sent.", labels=("tunnel",))
    restarts = CounterMetricFamily("causeway_tunnel_restarts", "Restarts of its process.", labels=("tunnel",))
    for report in reports:
        transport = report.transport.value if report.transport is not None else "none"
        up.add_metric((report.id, transport), int(report.state is TunnelState.CONNECTED))
        received.add_metric((report.id,), report.received_bytes)
        sent.add_metric((report.id,), report.sent_bytes)
        restarts.add_metric((report.id,), report.restarts)
    yield from (up, received, sent, restarts)


def _filter(counters: Mapping[str, tuple[int, int]]) -> Iterator[Metric]:
    packets = CounterMetricFamily("causeway_filter_packets", "Packets by counter.", labels=("counter",))
    octets = CounterMetricFamily("causeway_filter_bytes", "Octets by counter.", labels=("counter",))
    for name, (count, size) in sorted(counters.items()):
        packets.add_metric((name,), count)
        octets.add_metric((name,), size)
    yield from (packets, octets)


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)
