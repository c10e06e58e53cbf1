"""Reconciliation: drift is repaired and counted, and nothing outside makes the agent spin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from causeway_agent.engine import lockdown, service
from causeway_agent.engine.admission import Preconditions
from causeway_agent.engine.reconcile import Pace
from causeway_agent.engine.service import Engine
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.objects import Address, ProxyNeighbour, Route, Sysctl
from causeway_agent.plan.model.processes import VpnServer
from causeway_agent.plan.model.target import Observation
from causeway_wire.desired import Desired
from causeway_wire.observed import ApplianceState, Transport
from causeway_wire.problem import Problem, ProblemType
from tests.agents import CONSTANTS, PRODUCTION_MAC, REPLICA, Bench, partial, provider, tenant

EVENTS_ONLY = Pace(debounce=0.0, interval=60.0, first_rest=0.01, longest_rest=0.05, share=0.0)


async def apply(engine: Engine, document: Desired) -> None:
    """Bring the document in force."""
    change, _ = await engine.changes.submit(
        document, requested_by="tests", preconditions=Preconditions(if_none_match=("*",))
    )
    final = await engine.records.wait(change.id, seconds=10)
    assert final is not None
    assert final.problem is None


async def until(engine: Engine, holds: Callable[[], bool]) -> None:
    """Look after look until it holds."""
    async with asyncio.timeout(5):
        while not holds():
            await engine.reconciler.looked.wait()


def claim(bench: Bench) -> ProxyNeighbour:
    """The claimed address in the kernel."""
    return next(o for o in bench.kernel.objects.values() if isinstance(o, ProxyNeighbour))


async def test_what_someone_removes_is_put_back_on_the_event_and_counted() -> None:
    bench = Bench()
    async with service.running(bench.engine(pace=EVENTS_ONLY)) as engine:
        await apply(engine, tenant(1, failover=partial(REPLICA)))
        await until(engine, lambda: engine.state.settled)
        route = next(o for o in bench.kernel.objects.values() if isinstance(o, Route))
        bench.kernel.meddle(route)
        await until(engine, lambda: engine.state.drift.repairs == 1)
        assert route in bench.kernel.objects.values()
        assert engine.state.drift.last is not None
        assert len(engine.state.drift.last_operations) == 1


def resting_on(bench: Bench, device: str) -> set[type]:
    """Kinds of what is on the device, settings apart."""
    here = bench.kernel.objects.values()
    return {type(o) for o in here if isinstance(o, Address | Route) and o.device == device}


async def test_a_device_that_its_process_makes_anew_gets_all_again_and_nobody_is_blamed() -> None:
    bench = Bench(constants=replace(CONSTANTS, no_offload=None))
    async with service.running(bench.engine(pace=EVENTS_ONLY)) as engine:
        bench.processes.transports["acme-0"] = Transport.UDP
        await apply(engine, provider(1, failover=partial(REPLICA)))
        for _ in range(2):
            bench.kernel.make("cwu1195")
            await until(engine, lambda: resting_on(bench, "cwu1195") == {Address, Route})
            await until(engine, lambda: engine.state.settled)
            bench.kernel.vanish("cwu1195")
            assert await engine.reconciler.look()
            assert resting_on(bench, "cwu1195") == set()
        assert engine.state.drift.repairs == 0
        assert engine.state.problem is None


async def test_who_made_a_device_that_is_gone_is_told_once() -> None:
    bench = Bench(constants=replace(CONSTANTS, no_offload=None))
    async with service.running(bench.engine(pace=EVENTS_ONLY)) as engine:
        bench.processes.transports["acme-0"] = Transport.UDP
        await apply(engine, provider(1, failover=partial(REPLICA)))
        bench.kernel.make("cwu1195")
        await until(engine, lambda: resting_on(bench, "cwu1195") == {Address, Route})
        assert not bench.processes.bereaved
        bench.kernel.vanish("cwu1195")
        for _ in range(2):
            assert await engine.reconciler.look()
        assert bench.processes.bereaved == ["cwu1195"]


async def test_a_device_that_went_and_came_back_between_two_looks_is_no_drift_either() -> None:
    bench = Bench(constants=replace(CONSTANTS, no_offload=None))
    async with service.running(bench.engine(pace=EVENTS_ONLY)) as engine:
        bench.processes.transports["acme-0"] = Transport.UDP
        await apply(engine, provider(1, failover=partial(REPLICA)))
        bench.kernel.make("cwu1195")
        await until(engine, lambda: resting_on(bench, "cwu1195") == {Address, Route})
        await until(engine, lambda: engine.state.settled)
        bench.kernel.make("cwu1195")
        await until(engine, lambda: resting_on(bench, "cwu1195") == {Address, Route})
        assert engine.state.drift.repairs == 0


async def test_what_a_process_makes_during_a_look_is_set_up_by_the_same_look() -> None:
    bench = Bench(constants=replace(CONSTANTS, no_offload=None))
    async with service.running(bench.engine(pace=EVENTS_ONLY)) as engine:
        bench.processes.transports["acme-0"] = Transport.UDP
        await apply(engine, provider(1, failover=partial(REPLICA)))
        bench.processes.crash()
        bench.processes.started = lambda: bench.kernel.make("cwu1195")
        assert await engine.reconciler.look()
        assert resting_on(bench, "cwu1195") == {Address, Route}


async def test_a_tunnel_that_openvpn_declined_is_its_processs_by_itself_and_that_is_no_drift() -> None:
    bench = Bench(constants=replace(CONSTANTS, no_offload=None))
    async with service.running(bench.engine(pace=EVENTS_ONLY)) as engine:
        bench.processes.transports["acme-0"] = Transport.UDP
        await apply(engine, provider(1, failover=partial(REPLICA)))
        assert resting_on(bench, "cwu1195") == set()
        bench.processes.declines["acme-0"] = "OpenVPN: no such module"
        bench.processes.feed.emit("acme-0 is not carried by the kernel")
        await until(engine, lambda: resting_on(bench, "cwu1195") == {Address, Route})
        await until(engine, lambda: engine.state.settled)
        servers = [one for one in bench.processes.running() if isinstance(one, VpnServer)]
        assert not any(one.makes_device for one in servers)
        assert engine.state.target is not None
        assert not engine.state.target.lent
        assert await engine.reconciler.look()
        assert engine.state.drift.repairs == 0
        assert engine.state.problem is None


async def test_the_timer_finds_what_no_event_told() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await apply(engine, tenant(1))
        bench.firewall.policy = None
        await until(engine, lambda: engine.state.drift.repairs == 1)
        assert bench.firewall.policy is not None


async def test_a_quiet_machine_is_left_alone() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await apply(engine, tenant(1))
        bench.fuse.mend()
        for _ in range(3):
            assert await engine.reconciler.look()
        assert bench.fuse.count == 0
        assert engine.state.drift.repairs == 0


async def test_foreign_objects_are_not_touched() -> None:
    bench = Bench()
    foreign = Sysctl("net/ipv4/ip_default_ttl", "33")
    bench.kernel.objects["foreign"] = foreign
    async with service.running(bench.engine()) as engine:
        await apply(engine, tenant(1, failover=partial(REPLICA)))
        await engine.reconciler.look()
    assert bench.kernel.objects["foreign"] == foreign


async def test_a_repair_that_fails_backs_off_and_recovers() -> None:
    bench = Bench()
    pace = Pace(debounce=0.0, interval=60.0, first_rest=0.02, longest_rest=0.1, share=0.0)
    async with service.running(bench.engine(pace=pace)) as engine:
        await apply(engine, tenant(1))
        await until(engine, lambda: engine.state.settled)
        bench.fuse.refuse_all = True
        bench.firewall.policy = None
        before = bench.kernel.observations
        bench.kernel.feed.emit("gone")
        for _ in range(40):
            await asyncio.sleep(0.01)
            bench.kernel.feed.emit("storm")
        # 0.4 s: rests of 20, 40, 80, 100, 100 ms, whatever events say.
        assert bench.kernel.observations - before <= 7
        assert engine.appliance_state() is ApplianceState.DEGRADED
        bench.fuse.mend()
        await until(engine, lambda: bench.firewall.policy is not None)
        bench.clock.advance(lockdown.HOLD_SECONDS)
        await until(engine, lambda: engine.state.settled)
        assert engine.state.problem is None


async def test_a_storm_of_events_costs_a_bounded_share_of_time() -> None:
    bench = Bench()
    pace = Pace(debounce=0.001, interval=60.0, share=4.0)
    async with service.running(bench.engine(pace=pace)) as engine:
        await apply(engine, tenant(1))
        await until(engine, lambda: engine.state.settled)
        observe = bench.kernel.observe

        async def slow(devices: Iterable[str], sysctls: Iterable[Sysctl]) -> Observation:
            await asyncio.sleep(0.005)
            bench.clock.advance(0.005)
            return await observe(devices, sysctls)

        bench.kernel.observe = slow  # type: ignore[method-assign]
        before = bench.kernel.observations
        for _ in range(200):
            bench.kernel.feed.emit("storm")
            await asyncio.sleep(0.001)
        # At least 0.2 s: looks of 5 ms, each followed by a rest of 20 ms.
        assert bench.kernel.observations - before <= 15


async def test_what_does_not_last_is_degraded_and_not_repeated_without_rest() -> None:
    bench = Bench()
    async with service.running(bench.engine(pace=EVENTS_ONLY)) as engine:
        await apply(engine, tenant(1))
        route = next(o for o in bench.kernel.objects.values() if isinstance(o, Route))
        put = bench.kernel.put

        async def forgetful(item: object) -> None:
            if item != route:
                await put(item)  # type: ignore[arg-type]

        bench.kernel.put = forgetful  # type: ignore[method-assign]
        bench.kernel.meddle(route)
        await until(engine, lambda: engine.state.problem is not None)
        assert isinstance(engine.state.problem, Problem)
        assert "does not last" in engine.state.problem.detail


async def test_one_broken_process_does_not_hold_up_the_rest() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await apply(engine, provider(1, failover=partial(REPLICA)))
    wanted = bench.firewall.policy
    restarted = Bench(fuse=bench.fuse)
    restarted.storage = bench.storage
    start = restarted.processes.start

    async def broken(process: object) -> None:
        if getattr(process, "name", "").endswith("udp"):
            raise BackendError("start", "bad certificate")
        await start(process)  # type: ignore[arg-type]

    restarted.processes.start = broken  # type: ignore[method-assign]
    async with service.running(restarted.engine()) as engine:
        assert engine.appliance_state() is ApplianceState.DEGRADED
        assert restarted.firewall.policy == wanted
        assert {process.name for process in restarted.processes.running()} == {
            "path-acme-0",
            "vpn-acme-0-tcp",
        }


async def test_a_client_that_changes_its_transport_moves_the_routes_and_is_no_drift() -> None:
    bench = Bench()
    async with service.running(bench.engine(pace=EVENTS_ONLY)) as engine:
        await apply(engine, provider(1, failover=partial(REPLICA)))
        await until(engine, lambda: engine.state.settled)

        def tunnel_routes() -> set[str]:
            return {
                o.device
                for o in bench.kernel.objects.values()
                if isinstance(o, Route) and o.device.startswith("cw")
            }

        assert tunnel_routes() == {"cwu1195"}
        bench.processes.transports["acme-0"] = Transport.TCP
        bench.processes.feed.emit("tunnel connected")
        await until(engine, lambda: tunnel_routes() == {"cwt1195"})
        assert engine.state.drift.repairs == 0


async def test_a_claim_is_probed_for_before_it_is_made_again() -> None:
    bench = Bench()
    async with service.running(bench.engine(pace=EVENTS_ONLY)) as engine:
        await apply(engine, tenant(1, failover=partial(REPLICA)))
        await until(engine, lambda: engine.state.settled)
        lost = claim(bench)
        bench.neighbours.taken[REPLICA] = "02:00:00:00:00:99"
        bench.kernel.meddle(lost)
        await until(engine, lambda: engine.state.problem is not None)
        assert lost not in bench.kernel.objects.values()
        problem = engine.state.problem
        assert isinstance(problem, Problem)
        assert problem.type == ProblemType.ADDRESS_IN_USE.urn
        assert problem.pointer == "/role/failover/replicas/0/addresses/0"
        bench.neighbours.taken.clear()
        await until(engine, lambda: engine.state.settled)
        assert lost in bench.kernel.objects.values()


async def test_an_adapter_that_goes_away_degrades_and_comes_back() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await apply(engine, tenant(1))
        device = bench.kernel.adapters.pop(PRODUCTION_MAC)
        await until(engine, lambda: engine.state.problem is not None)
        assert isinstance(engine.state.problem, Problem)
        assert engine.state.problem.type == ProblemType.NIC_NOT_FOUND.urn
        bench.kernel.adapters[PRODUCTION_MAC] = device
        await until(engine, lambda: engine.state.settled)


async def test_a_boot_without_its_adapter_still_opens_the_management_door() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await apply(engine, tenant(1))
    rebooted = Bench()
    rebooted.storage = bench.storage
    del rebooted.kernel.adapters[PRODUCTION_MAC]
    async with service.running(rebooted.engine()) as engine:
        assert engine.appliance_state() is ApplianceState.DEGRADED
        assert rebooted.firewall.policy is not None
        assert rebooted.firewall.policy.management


async def test_a_rebooted_machine_becomes_what_the_journal_says() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await apply(engine, tenant(1, failover=partial(REPLICA)))
    rebooted = Bench()
    rebooted.storage = bench.storage
    async with service.running(rebooted.engine()) as engine:
        assert engine.health().healthy
        assert engine.state.conforming == 1
        assert rebooted.kernel.objects.keys() == bench.kernel.objects.keys()
        assert rebooted.firewall.policy == bench.firewall.policy
        assert rebooted.neighbours.probed


async def test_an_event_source_that_fails_is_opened_again() -> None:
    bench = Bench()
    async with service.running(bench.engine(pace=EVENTS_ONLY)) as engine:
        await apply(engine, tenant(1))
        await until(engine, lambda: engine.state.settled)
        bench.kernel.feed.fail(BackendError("watch", "No buffer space available"))
        await engine.reconciler.looked.wait()
        await asyncio.sleep(0.05)
        route = next(o for o in bench.kernel.objects.values() if isinstance(o, Route))
        bench.kernel.meddle(route)
        await until(engine, lambda: route in bench.kernel.objects.values())


async def test_a_defect_in_a_look_degrades_and_the_next_look_happens() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        observe = bench.kernel.observe

        async def broken(*_arguments: object) -> None:
            raise RuntimeError("defect")

        bench.kernel.observe = broken  # type: ignore[assignment,method-assign]
        assert not await engine.reconciler.look()
        assert isinstance(engine.state.problem, Problem)
        assert engine.state.problem.type == ProblemType.INTERNAL.urn
        bench.kernel.observe = observe  # type: ignore[method-assign]
        await until(engine, lambda: engine.state.settled)


@pytest.mark.parametrize("document", [None, tenant(1)])
async def test_a_boot_that_finds_nothing_to_do_does_nothing(document: Desired | None) -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        if document is not None:
            await apply(engine, document)
    bench.fuse.mend()
    async with service.running(bench.engine(pace=EVENTS_ONLY)):
        assert bench.fuse.count == 0
