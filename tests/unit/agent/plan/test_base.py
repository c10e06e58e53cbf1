"""The closed target: the controller's door and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile.base import compile_base
from causeway_agent.plan.model.target import Facts
from tests.agents import APPLIANCE, DEVICES, MANAGEMENT, MANAGEMENT_MAC, NICS, PRODUCTION_MAC

FACTS = Facts(appliance=APPLIANCE, devices=DEVICES, vpn_uid=None, key_directory="/k", run_directory="/r")


def test_the_closed_target_has_one_door_and_forwards_nothing() -> None:
    target = compile_base(management=MANAGEMENT, nics=NICS, facts=FACTS)
    assert [door.address for door in target.policy.management] == [MANAGEMENT.address]
    assert not target.policy.forwards
    assert not target.policy.listeners
    assert not target.proxies
    assert not target.processes
    switches = {s.value for s in target.sysctls if s.key.endswith(("/forwarding", "/proxy_arp"))}
    assert switches == {"0"}


def test_a_missing_adapter_is_left_out_unless_it_is_the_management_one() -> None:
    only_management = replace(FACTS, devices={MANAGEMENT_MAC: "eth0"})
    target = compile_base(management=MANAGEMENT, nics=NICS, facts=only_management)
    assert target.devices == {"eth0"}
    only_production = replace(FACTS, devices={PRODUCTION_MAC: "eth1"})
    with pytest.raises(CompileError) as caught:
        compile_base(management=MANAGEMENT, nics=NICS, facts=only_production)
    assert caught.value.problems[0].pointer == "/management/nic"
