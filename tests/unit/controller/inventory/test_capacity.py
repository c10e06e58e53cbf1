"""More networks than adapters are refused when they are subscribed to, with both ways out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_controller.inventory.capacity import Platform, check_subscription
from causeway_wire.problem import Problem, ProblemError, ProblemType


def names(count: int) -> list[str]:
    return [f"net-{index}" for index in range(count)]


def refused(networks: list[str], platform: Platform, *, trunk: bool = False) -> Problem:
    with pytest.raises(ProblemError) as caught:
        check_subscription(networks, platform, trunk=trunk)
    return caught.value.problem


@pytest.mark.parametrize(("platform", "room"), [(Platform.VSPHERE, 9), (Platform.HYPERV, 7)])
def test_the_last_adapter_may_be_used_and_one_network_more_is_refused(platform: Platform, room: int) -> None:
    check_subscription(names(room), platform)
    problem = refused(names(room + 1), platform)
    assert (problem.type, problem.pointer) == (ProblemType.UNSUPPORTED.urn, f"/networks/{room}")
    for words in (platform.title, f"no more than {room} networks", "fewer networks per plan", "trunk"):
        assert words in problem.detail


@given(count=st.integers(0, 4094), platform=st.sampled_from(Platform))
def test_a_trunk_carries_every_vlan_there_is_on_every_platform(count: int, platform: Platform) -> None:
    check_subscription(names(count), platform, trunk=True)


def test_a_trunk_has_an_end() -> None:
    assert "4094" in refused(names(4095), Platform.VSPHERE, trunk=True).detail


@given(count=st.integers(0, 60))
def test_where_no_number_is_known_none_is_refused(count: int) -> None:
    check_subscription(names(count), Platform.LIBVIRT)
    check_subscription(names(count), Platform.LAB)


def test_two_plans_on_one_host_share_an_appliance() -> None:
    """Plans of two and three networks on one host: six adapters."""
    check_subscription(["plan-1-a", "plan-1-b", "plan-2-a", "plan-2-b", "plan-2-c"], Platform.HYPERV)


def test_a_network_that_is_named_twice_is_refused_where_it_is() -> None:
    problem = refused(["a", "b", "a"], Platform.VSPHERE)
    assert (problem.type, problem.pointer) == (ProblemType.DUPLICATE.urn, "/networks/2")
