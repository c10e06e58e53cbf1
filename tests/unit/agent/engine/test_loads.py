"""Looks whether tunnels have room: who is counted, slowed and told."""

from __future__ import annotations

import pytest

from causeway_agent.engine.loads import Loads
from causeway_agent.engine.ports import Queue
from causeway_agent.engine.state import State
from causeway_agent.errors import BackendError
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter.load import LASTING
from causeway_agent.plan.steer.load import HELD, Sender
from causeway_wire.desired import Partial
from tests import documents
from tests.fakes.tunnel_loads import FakeTunnelLoads

DEVICE = "cwu1195"
HOG, NEIGHBOUR = Sender(DEVICE, b"\2\0\0\0\0\7"), Sender(DEVICE, b"\2\0\0\0\0\1")
PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20"),))


@pytest.fixture
def state() -> State:
    made = State()
    made.target = compile_document(documents.provider(PARTIAL), documents.FACTS)
    return made


@pytest.fixture
def world() -> FakeTunnelLoads:
    made = FakeTunnelLoads()
    made.sent = {DEVICE: Queue(0, 0)}
    made.by_sender = {HOG: 0, NEIGHBOUR: 0}
    return made


@pytest.fixture
def watch(state: State, world: FakeTunnelLoads) -> Loads:
    return Loads(world, state=state)


def second(world: FakeTunnelLoads, *, hog: int) -> None:
    """So much more is sent, of which the tunnel carries 1000."""
    before = world.sent[DEVICE]
    passing = min(hog, world.slowed.get(HOG, hog)) + 50
    over = max(0, passing - 1000)
    world.sent[DEVICE] = Queue(before.sent + passing - over, before.dropped + over)
    world.by_sender[HOG] += hog
    world.by_sender[NEIGHBOUR] += 50


async def test_nobody_is_counted_while_there_is_room(
    watch: Loads, world: FakeTunnelLoads, state: State
) -> None:
    for now in range(5):
        await watch.round(float(now))
        second(world, hog=900)
    assert (world.said, state.slowed, state.trouble) == (0, (), None)


async def test_who_takes_a_tunnel_from_the_others_is_slowed_told_and_let_go(
    watch: Loads, world: FakeTunnelLoads, state: State
) -> None:
    await watch.round(0.0)
    for now in (1.0, 2.0, 3.0):
        second(world, hog=5000)
        await watch.round(now)
    assert world.pressed == {DEVICE}
    assert world.slowed == {HOG: 650}
    (told,) = state.slowed
    assert (told.device, told.mac, told.rate, told.share, told.carries) == (
        DEVICE,
        "02:00:00:00:00:07",
        5000,
        650,
        1000,
    )
    assert told.tunnel is not None
    assert state.trouble is not None
    assert "02:00:00:00:00:07 sends 5000 packets a second" in state.trouble.detail
    for step in range(1, int(HELD) + 3):
        second(world, hog=0)
        await watch.round(3.0 + step)
    assert (world.pressed, world.slowed) == (frozenset(), {})
    assert state.slowed == ()
    assert state.trouble is None


async def test_what_is_as_it_was_is_said_again_before_the_kernel_forgets_it(
    watch: Loads, world: FakeTunnelLoads
) -> None:
    await watch.round(0.0)
    for now in (1.0, 2.0, 3.0):
        second(world, hog=5000)
        await watch.round(now)
    said = world.said
    for step in range(1, 8):
        second(world, hog=5000)
        await watch.round(3.0 + step)
    assert world.said == said
    for step in range(8, LASTING // 2):
        second(world, hog=5000)
        await watch.round(3.0 + step)
    assert world.said > said


async def test_a_device_that_is_gone_is_forgotten(watch: Loads, world: FakeTunnelLoads, state: State) -> None:
    await watch.round(0.0)
    for now in (1.0, 2.0, 3.0):
        second(world, hog=5000)
        await watch.round(now)
    world.sent.clear()
    await watch.round(4.0)
    assert (world.pressed, state.slowed) == (frozenset(), ())


async def test_nobody_is_told_of_a_device_that_is_gone_while_the_packet_filter_is_away(
    watch: Loads, world: FakeTunnelLoads, state: State
) -> None:
    await watch.round(0.0)
    for now in (1.0, 2.0, 3.0):
        second(world, hog=5000)
        await watch.round(now)
    world.sent.clear()
    world.away = True
    with pytest.raises(BackendError):
        await watch.round(4.0)
    assert (state.slowed, state.trouble) == ((), None)


async def test_nobody_is_told_to_be_held_whom_the_packet_filter_does_not_hold(
    watch: Loads, world: FakeTunnelLoads, state: State
) -> None:
    await watch.round(0.0)
    for now in (1.0, 2.0):
        second(world, hog=5000)
        await watch.round(now)
    second(world, hog=5000)
    world.refuses = True
    with pytest.raises(BackendError):
        await watch.round(3.0)
    assert (state.slowed, state.trouble) == ((), None)


async def test_what_was_sent_while_nobody_could_be_asked_is_nobodys_rate(
    watch: Loads, world: FakeTunnelLoads, state: State
) -> None:
    await watch.round(0.0)
    for now in (1.0, 2.0):
        second(world, hog=5000)
        await watch.round(now)
    world.away = True
    for now in (3.0, 4.0, 5.0):
        second(world, hog=5000)
        with pytest.raises(BackendError):
            await watch.round(now)
    world.away = False
    rates = []
    for now in (6.0, 7.0, 8.0):
        second(world, hog=5000)
        await watch.round(now)
        rates += [each.rate for each in state.slowed]
    assert set(rates) == {5000}
