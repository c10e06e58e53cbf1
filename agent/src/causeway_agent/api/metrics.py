"""Prometheus text from what the engine knows. Every figure is read when asked for.

`CATALOGUE` names all of them, once: the exposition and the documentation are made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from prometheus_client import ProcessCollector, exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from causeway_agent import __version__
from causeway_agent.engine.service import Engine
from causeway_wire.change import Change, ChangeState
from causeway_wire.observed import (
    ApplianceState,
    Carrier,
    DuplicateState,
    Observed,
    TunnelReport,
    TunnelState,
)

CONTENT_TYPE = exposition.CONTENT_TYPE_LATEST
MODES: Final = ("idle", "partial", "full", "rehearsal")


class Kind(StrEnum):
    """Prometheus metric types used here."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class About:
    """A metric's type, help text and labels."""

    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


_GAUGE, _COUNTER = Kind.GAUGE, Kind.COUNTER

CATALOGUE: Final[Mapping[str, About]] = {
    "causeway_info": About(_GAUGE, "Always 1; who this is.", ("appliance", "role", "version")),
    "causeway_state": About(_GAUGE, "1 for the state the appliance is in.", ("state",)),
    "causeway_failover_mode": About(_GAUGE, "1 for the failover mode in force.", ("mode",)),
    "causeway_generation": About(_GAUGE, "Generation in force."),
    "causeway_conforming_generation": About(_GAUGE, "Generation last conformed to."),
    "causeway_epoch": About(_GAUGE, "Highest epoch accepted."),
    "causeway_kernel_offload": About(
        _GAUGE, "1 when the kernel carries routed tunnels over UDP; else `reason` says why not.", ("reason",)
    ),
    "causeway_settled": About(_GAUGE, "1 when nothing is left to repair."),
    "causeway_duplicate_addresses": About(_GAUGE, "Addresses another machine answers for."),
    "causeway_contested_addresses": About(
        _GAUGE, "Addresses held or given back that another machine has, by what became of them.", ("state",)
    ),
    "causeway_neighbours": About(_GAUGE, "Entries of the kernel's table of neighbours.", ("version",)),
    "causeway_neighbours_limit": About(_GAUGE, "Room in it.", ("version",)),
    "causeway_neighbours_refused": About(_COUNTER, "How often somebody new found no room.", ("version",)),
    "causeway_connections": About(_GAUGE, "Entries of the kernel's table of connections."),
    "causeway_connections_limit": About(_GAUGE, "Room in it; 0 where none are followed."),
    "causeway_connections_refused": About(_COUNTER, "Connections that found no room."),
    "causeway_connections_over_share": About(
        _GAUGE, "Machines that get no new connections, because they hold more than their share."
    ),
    "causeway_tunnel_slowed": About(
        _GAUGE, "Machines that are held to their share of a tunnel without room."
    ),
    "causeway_gateway_addresses": About(_GAUGE, "Production gateway addresses held.", ("network",)),
    "causeway_public_addresses": About(_GAUGE, "Public or test addresses held."),
    "causeway_public_rules": About(_GAUGE, "Public rules, in force or not."),
    "causeway_public_rules_revision": About(_GAUGE, "Revision of the table of public rules."),
    "causeway_replicas": About(_GAUGE, "VMs named in partial failover.", ("network",)),
    "causeway_changes": About(_GAUGE, "Changes kept, by state.", ("state",)),
    "causeway_last_change_state": About(_GAUGE, "1 for the state of the last change.", ("state",)),
    "causeway_last_change_timestamp_seconds": About(
        _GAUGE, "When the last change was asked for; 0 when never."
    ),
    "causeway_last_change_duration_seconds": About(_GAUGE, "From its request to its end; 0 while it runs."),
    "causeway_confirmation_deadline_timestamp_seconds": About(
        _GAUGE, "When the change that awaits its confirmation is taken back; 0 when none awaits."
    ),
    "causeway_drift_repairs": About(_COUNTER, "Repairs of what someone else changed."),
    "causeway_last_drift_repair_timestamp_seconds": About(_GAUGE, "When that was last; 0 when never."),
    "causeway_filter_losses": About(_COUNTER, "Times the packet filter was found otherwise than intended."),
    "causeway_filter_held": About(
        _GAUGE, "1 while nothing is forwarded because the packet filter cannot be relied on."
    ),
    "causeway_nic_up": About(_GAUGE, "1 when the adapter is up and has a carrier.", ("device", "name")),
    "causeway_tunnel_up": About(_GAUGE, "1 when connected.", ("tunnel", "transport")),
    "causeway_tunnel_since_timestamp_seconds": About(
        _GAUGE, "Since when it is connected; 0 when not.", ("tunnel",)
    ),
    "causeway_tunnel_impaired": About(
        _GAUGE, "1 when it works by another way than meant, or has not worked for a while.", ("tunnel",)
    ),
    "causeway_tunnel_received_bytes": About(_COUNTER, "Octets received.", ("tunnel",)),
    "causeway_tunnel_sent_bytes": About(_COUNTER, "Octets sent.", ("tunnel",)),
    "causeway_tunnel_restarts": About(_COUNTER, "Restarts of its process.", ("tunnel",)),
    "causeway_tunnel_offloaded": About(
        _GAUGE, "1 when the kernel carries its packets; else `reason` says why not.", ("tunnel", "reason")
    ),
    "causeway_tunnel_path_bytes": About(
        _GAUGE, "Largest packet inside the tunnel that passes; 0 until known.", ("tunnel", "direction")
    ),
    "causeway_first_packets": About(
        _COUNTER, "First packets at the gateway's door, by outcome.", ("outcome",)
    ),
    "causeway_filter_readable": About(_GAUGE, "1 when the packet filter tells its counters."),
    "causeway_filter_packets": About(_COUNTER, "Packets by counter of the packet filter.", ("counter",)),
    "causeway_filter_bytes": About(_COUNTER, "Octets by counter of the packet filter.", ("counter",)),
}
"""By name; counters are exposed with `_total` after it."""

_Samples = Iterator[tuple[str, tuple[str, ...], float]]


class _EngineCollector(Collector):
    """What was observed, and what only the engine knows."""

    def __init__(self, engine: Engine, observed: Observed) -> None:
        self._engine = engine
        self._observed = observed

    def collect(self) -> Iterator[Metric]:
        families = {name: _family(name, about) for name, about in CATALOGUE.items()}
        for name, labels, value in self._samples():
            families[name].add_metric(labels, value)
        yield from families.values()

    def _samples(self) -> _Samples:
        seen = self._observed
        yield "causeway_info", (seen.appliance, seen.role or "none", __version__), 1
        yield from _one_of("causeway_state", tuple(ApplianceState), seen.state)
        yield from _one_of("causeway_failover_mode", MODES, seen.failover)
        yield from self._documents()
        yield from _coverage(seen)
        yield from self._changes()
        yield "causeway_drift_repairs", (), seen.drift.repairs
        yield "causeway_last_drift_repair_timestamp_seconds", (), _time(seen.drift.last)
        lockdown = self._engine.machine.lockdown
        yield "causeway_filter_losses", (), lockdown.losses
        yield "causeway_filter_held", (), int(lockdown.active)
        for nic in seen.nics:
            yield "causeway_nic_up", (nic.device, nic.name or ""), int(nic.up)
        for tunnel in seen.tunnels:
            yield from _tunnel(tunnel)
        for outcome, count in self._engine.machine.processes.first_packets().items():
            yield "causeway_first_packets", (outcome,), count
        yield "causeway_filter_readable", (), int(bool(seen.counters))
        for one in seen.counters:
            yield "causeway_filter_packets", (one.name,), one.packets
            yield "causeway_filter_bytes", (one.name,), one.bytes

    def _documents(self) -> _Samples:
        state = self._engine.state
        yield "causeway_generation", (), state.in_force.document.generation if state.in_force else 0
        yield "causeway_conforming_generation", (), state.conforming or 0
        yield "causeway_epoch", (), state.epoch
        why_not = self._engine.machine.constants.no_offload
        yield "causeway_kernel_offload", (why_not or "",), int(why_not is None)
        yield "causeway_settled", (), int(state.settled)
        yield "causeway_duplicate_addresses", (), len(state.duplicates) + len(state.contested)
        for kind in DuplicateState:
            told = sum(each.state is kind for each in state.contested)
            yield "causeway_contested_addresses", (kind.value,), told
        for table in state.tables:
            yield "causeway_neighbours", (str(table.version),), table.entries
            yield "causeway_neighbours_limit", (str(table.version),), table.limit
            yield "causeway_neighbours_refused", (str(table.version),), table.refused
        yield "causeway_tunnel_slowed", (), len(state.slowed)
        if (connections := state.connections) is not None:
            yield "causeway_connections", (), connections.entries
            yield "causeway_connections_limit", (), connections.limit
            yield "causeway_connections_refused", (), connections.refused
            yield "causeway_connections_over_share", (), connections.over_share

    def _changes(self) -> _Samples:
        records = self._engine.records
        for kind in ChangeState:
            yield "causeway_changes", (kind.value,), records.count(kind)
        last = records.latest()
        yield from _one_of(
            "causeway_last_change_state", tuple(ChangeState), None if last is None else last.state
        )
        yield "causeway_last_change_timestamp_seconds", (), _time(None if last is None else last.created)
        yield "causeway_last_change_duration_seconds", (), _duration(last)
        awaiting = last is not None and last.state is ChangeState.AWAITING
        deadline = last.deadline if last is not None and awaiting else None
        yield "causeway_confirmation_deadline_timestamp_seconds", (), _time(deadline)


async def render(engine: Engine) -> bytes:
    """The exposition of this moment; raises BackendError when the kernel cannot be asked."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_EngineCollector(engine, await engine.observed()))
    ProcessCollector(registry=registry)
    return exposition.generate_latest(registry)


def _family(name: str, about: About) -> GaugeMetricFamily | CounterMetricFamily:
    family = CounterMetricFamily if about.kind is Kind.COUNTER else GaugeMetricFamily
    return family(name, about.help, labels=about.labels)


def _one_of(name: str, values: tuple[str, ...], current: str | None) -> _Samples:
    """A label for each value, 1 for the current one."""
    for value in values:
        yield name, (str(value),), int(value == current)


def _coverage(seen: Observed) -> _Samples:
    coverage = seen.coverage
    for network in coverage.networks if coverage is not None else ():
        yield "causeway_gateway_addresses", (network.network,), len(network.gateways)
        yield "causeway_replicas", (network.network,), network.replicas
    yield "causeway_public_addresses", (), 0 if coverage is None else len(coverage.public_addresses)
    yield "causeway_public_rules", (), 0 if coverage is None else coverage.rules
    yield "causeway_public_rules_revision", (), 0 if coverage is None else coverage.rules_revision


def _tunnel(report: TunnelReport) -> _Samples:
    transport = report.transport.value if report.transport is not None else "none"
    yield "causeway_tunnel_up", (report.id, transport), int(report.state is TunnelState.CONNECTED)
    yield "causeway_tunnel_since_timestamp_seconds", (report.id,), _time(report.since)
    yield "causeway_tunnel_impaired", (report.id,), int(report.impairment is not None)
    yield "causeway_tunnel_received_bytes", (report.id,), report.received_bytes
    yield "causeway_tunnel_sent_bytes", (report.id,), report.sent_bytes
    yield "causeway_tunnel_restarts", (report.id,), report.restarts
    by_kernel = report.carrier is Carrier.KERNEL
    yield "causeway_tunnel_offloaded", (report.id, report.no_offload or ""), int(by_kernel)
    path = report.path
    yield "causeway_tunnel_path_bytes", (report.id, "sends"), 0 if path is None else path.sends
    yield "causeway_tunnel_path_bytes", (report.id, "receives"), 0 if path is None else path.receives


def _time(when: datetime | None) -> float:
    return 0 if when is None else when.timestamp()


def _duration(change: Change | None) -> float:
    if change is None or change.finished is None:
        return 0
    return (change.finished - change.created).total_seconds()
