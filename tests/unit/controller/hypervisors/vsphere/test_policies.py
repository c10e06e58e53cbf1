"""What a port group refuses a bridge, as vCenters of before and since 6.7 say it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyVmomi import vim

from causeway_controller.hypervisors.vsphere import networks, policies
from causeway_controller.hypervisors.vsphere.place import Place
from causeway_controller.hypervisors.vsphere.policies import FORGED, LEARNING

_SWITCH = vim.dvs.VmwareDistributedVirtualSwitch


def before(*, forged: bool, promiscuous: bool) -> Any:
    return _SWITCH.VmwarePortConfigPolicy(
        securityPolicy=_SWITCH.SecurityPolicy(
            inherited=False,
            forgedTransmits=vim.BoolPolicy(inherited=False, value=forged),
            allowPromiscuous=vim.BoolPolicy(inherited=False, value=promiscuous),
        )
    )


def since(*, forged: bool, learning: bool | None, promiscuous: bool = False) -> Any:
    """The older policy says the opposite: the newer one counts."""
    learns = None if learning is None else _SWITCH.MacLearningPolicy(inherited=False, enabled=learning)
    made = before(forged=not forged, promiscuous=not promiscuous)
    made.macManagementPolicy = _SWITCH.MacManagementPolicy(
        inherited=False, forgedTransmits=forged, allowPromiscuous=promiscuous, macLearningPolicy=learns
    )
    return made


@pytest.mark.parametrize(
    ("config", "lacks"),
    [
        (before(forged=True, promiscuous=True), None),
        (before(forged=False, promiscuous=False), (FORGED, LEARNING)),
        (since(forged=True, learning=True), None),
        (since(forged=True, learning=None, promiscuous=True), None),
        (since(forged=False, learning=True), (FORGED,)),
        (since(forged=True, learning=False), (LEARNING,)),
        (_SWITCH.VmwarePortConfigPolicy(), ()),
    ],
)
@pytest.mark.parametrize("made", [True, False], ids=["port group", "switch"])
def test_a_distributed_port_group_or_else_its_switch_says_what_it_refuses(
    monkeypatch: pytest.MonkeyPatch, *, config: Any, lacks: tuple[str, ...] | None, made: bool
) -> None:
    group = SimpleNamespace(name="vlan-7", config=SimpleNamespace(defaultPortConfig=config))
    switch = SimpleNamespace(
        name="dvs",
        portgroup=[group] if made else [],
        config=SimpleNamespace(defaultPortConfig=config),
    )
    monkeypatch.setattr(networks, "distributed", lambda _place, _name: switch)
    monkeypatch.setattr(networks, "vlan_of", lambda _group: 7)
    found = [(one.where, one.lacks) for one in policies.refusals(cast("Place", None), "dvs-7", 7)]
    where = "port group vlan-7" if made else "distributed switch dvs"
    assert found == ([] if lacks is None else [(where, lacks)])


@pytest.mark.parametrize("ours", ["causeway-dvs-7-vlan-7", "causeway-dvs-7-trunk-7-8", None])
def test_a_port_group_of_the_vlan_that_no_appliance_is_in_may_be_strict(
    monkeypatch: pytest.MonkeyPatch, ours: str | None
) -> None:
    """Replicas may have two of their own; an appliance's is made then, or is there already."""
    strict, open_ = before(forged=False, promiscuous=False), before(forged=True, promiscuous=True)
    names = {"replicas": strict, "others": strict} | ({} if ours is None else {ours: open_})
    switch = SimpleNamespace(
        name="dvs",
        portgroup=[
            SimpleNamespace(name=name, config=SimpleNamespace(defaultPortConfig=config))
            for name, config in names.items()
        ],
        config=SimpleNamespace(defaultPortConfig=open_),
    )
    monkeypatch.setattr(networks, "distributed", lambda _place, _name: switch)
    monkeypatch.setattr(networks, "vlan_of", lambda group: None if "trunk" in group.name else 7)
    monkeypatch.setattr(networks, "passes", lambda _group: frozenset((7, 8)))
    assert list(policies.refusals(cast("Place", None), "dvs-7", 7)) == []
