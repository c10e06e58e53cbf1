"""Metrics: what is exposed can be parsed, is what the catalogue says, and is what the documentation says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from causeway_agent.api import metrics
from causeway_agent.engine import service
from causeway_agent.engine.admission import Preconditions
from causeway_agent.errors import BackendError
from causeway_agent.plan.filter import counters
from causeway_wire.observed import Carrier, Transport
from tests.agents import CONSTANTS, REPLICA, Bench, partial, tenant

DOCUMENTATION = Path(__file__).parents[4] / "docs/reference/metrics.md"
ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<labels>[^|]*) \| (?P<help>[^|]*) \|$", re.MULTILINE)
COUNTER_ROW = re.compile(r"^\| `(?P<name>drop_\w+)` \| (?P<meaning>[^|]*) \|$", re.MULTILINE)


async def exposed(bench: Bench) -> dict[str, Metric]:
    """Families by name, of an agent with one tunnel connected."""
    async with service.running(bench.engine()) as engine:
        change, _ = await engine.changes.submit(
            tenant(3, failover=partial(REPLICA)),
            requested_by="c1",
            preconditions=Preconditions(if_none_match=("*",)),
        )
        await engine.records.wait(change.id, seconds=10)
        bench.processes.transports["acme-0"] = Transport.UDP
        text = (await metrics.render(engine)).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    found = [s.value for s in families[name].samples if s.labels == labels]
    assert len(found) == 1, families[name].samples
    return float(found[0])


async def test_the_state_of_the_appliance_is_exposed() -> None:
    found = await exposed(Bench())
    assert value(found, "causeway_failover_mode", mode="partial") == 1
    assert value(found, "causeway_failover_mode", mode="full") == 0
    assert value(found, "causeway_state", state="ready") == 1
    assert value(found, "causeway_generation") == value(found, "causeway_conforming_generation") == 3
    assert value(found, "causeway_replicas", network="net-0") == 1
    assert value(found, "causeway_last_change_state", state="done") == 1
    assert value(found, "causeway_last_change_timestamp_seconds") > 0
    assert value(found, "causeway_confirmation_deadline_timestamp_seconds") == 0
    assert value(found, "causeway_filter_packets", counter="drop_input") == 1
    assert value(found, "causeway_tunnel_up", tunnel="acme-0", transport="udp") == 1
    assert value(found, "causeway_filter_readable") == 1


@pytest.mark.parametrize(("why_not", "expected"), [("no kernel module ovpn", 0), (None, 1)])
async def test_whether_the_kernel_carries_tunnels_is_exposed_with_the_reason(
    why_not: str | None, expected: int
) -> None:
    found = await exposed(Bench(constants=replace(CONSTANTS, no_offload=why_not)))
    assert value(found, "causeway_kernel_offload", reason=why_not or "") == expected


@pytest.mark.parametrize(
    ("carrier", "why", "expected"), [(Carrier.KERNEL, None, 1), (Carrier.PROCESS, "the transport is TCP", 0)]
)
async def test_who_carries_a_tunnel_is_exposed_with_the_reason(
    carrier: Carrier, why: str | None, expected: int
) -> None:
    bench = Bench()
    bench.processes.carrier = carrier, why
    found = await exposed(bench)
    assert value(found, "causeway_tunnel_offloaded", tunnel="acme-0", reason=why or "") == expected


async def test_memory_and_start_of_the_agent_are_exposed() -> None:
    found = await exposed(Bench())
    assert value(found, "process_resident_memory_bytes") > 1e6
    assert value(found, "process_start_time_seconds") > 1e9


async def test_what_is_exposed_is_in_the_catalogue_with_its_help() -> None:
    found = await exposed(Bench())
    ours = {name: family for name, family in found.items() if name.startswith("causeway_")}
    assert set(ours) == set(metrics.CATALOGUE)
    for name, family in ours.items():
        about = metrics.CATALOGUE[name]
        assert (family.documentation, family.type) == (about.help, about.kind)
        for sample in family.samples:
            assert set(sample.labels) == set(about.labels)


async def test_a_filter_that_cannot_be_asked_hides_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()

    async def refused() -> dict[str, tuple[int, int]]:
        raise BackendError("read", "refused")

    monkeypatch.setattr(bench.firewall, "counters", refused)
    found = await exposed(bench)
    assert value(found, "causeway_filter_readable") == 0
    assert value(found, "causeway_generation") == 3


def test_the_documentation_lists_the_same_metrics() -> None:
    written = {
        row["name"]: (row["labels"].strip(), row["help"].strip())
        for row in ROW.finditer(DOCUMENTATION.read_text())
    }
    known = {
        name + ("_total" if about.kind is metrics.Kind.COUNTER else ""): (
            ", ".join(f"`{label}`" for label in about.labels),
            about.help,
        )
        for name, about in metrics.CATALOGUE.items()
    }
    assert written == known


def test_the_documentation_explains_every_counter() -> None:
    written = {row["name"]: row["meaning"] for row in COUNTER_ROW.finditer(DOCUMENTATION.read_text())}
    assert written == dict(counters.MEANINGS)


def test_names_follow_the_conventions() -> None:
    for name, about in metrics.CATALOGUE.items():
        assert re.fullmatch(r"causeway(_[a-z]+)+", name)
        assert not name.endswith("_total")
        assert about.help.endswith(".")
        assert not name.endswith(("_ms", "_milliseconds", "_kb"))
