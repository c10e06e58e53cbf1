"""Who holds more than a share of the table of connections."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import shares as filtered
from causeway_agent.plan.steer import shares
from causeway_agent.plan.steer.shares import Held, Holder
from causeway_wire.desired import Partial
from tests import documents

ADDRESS = ip_address("192.168.0.20")
LIMIT = 1000


def census(**devices: list[int]) -> dict[Holder, Held]:
    """Machines with so many connections, by device."""
    return {
        Holder(device, mac=bytes((mark,))): Held(number, ADDRESS)
        for device, numbers in devices.items()
        for mark, number in enumerate(numbers)
    }


def told(found: dict[Holder, Held]) -> dict[tuple[str, bytes | None], int]:
    return {(each.device, each.mac): share for each, share in shares.over(found, limit=LIMIT).items()}


def test_nobody_is_above_a_share_while_there_is_room() -> None:
    assert told(census(eth1=[700, 20], eth2=[30])) == {}


def test_who_takes_what_others_need_is_above_its_share() -> None:
    assert told(census(eth1=[900, 20], eth2=[30])) == {("eth1", b"\0"): 700}


def test_a_machine_that_plays_many_takes_from_its_own_network_only() -> None:
    found = told(census(eth1=[10] * 90, eth2=[200]))
    assert {device for device, _ in found} == {"eth1"}


@given(st.lists(st.integers(0, 500), max_size=20), st.integers(0, 3000))
def test_shares_fill_the_room_and_nobody_below_one_loses(numbers: list[int], room: int) -> None:
    share = shares.share(numbers, room=room)
    if share is None:
        assert sum(numbers) <= room
        return
    kept = sum(min(number, share) for number in numbers)
    assert kept <= room < kept + len(numbers)


@pytest.mark.parametrize("owned", [True, False])
def test_networks_of_a_full_failover_are_followed(*, owned: bool) -> None:
    public = documents.PUBLIC if owned else ()
    document = documents.provider(documents.full("net-0", internet=not owned), public=public)
    policy = compile_document(document, documents.FACTS).policy
    assert set(filtered.networks(policy).values()) == {"eth1"}


def test_none_of_a_partial_failover_is() -> None:
    document = documents.provider(Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20"),)))
    assert filtered.networks(compile_document(document, documents.FACTS).policy) == {}
