"""What is said of a libvirt host that lacks what the inventory names."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from causeway_controller.contract.hosts import Grade
from causeway_controller.hypervisors.libvirt import binding, inspection
from causeway_controller.inventory.host_needs import HostNeeds


class Bridges:
    """A host with one bridge."""

    def listAllInterfaces(self) -> list[SimpleNamespace]:  # noqa: N802 - the binding's name
        return [SimpleNamespace(name=lambda: "br0")]


def test_a_bridge_that_is_not_there_has_a_next_step_that_names_the_members(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binding, "load", lambda: SimpleNamespace(libvirtError=OSError))
    needs = HostNeeds(networks=("bridge:br0", "bridge:br1"))
    (found,) = inspection._networks(Bridges(), needs)
    assert (found.grade, found.text) == (
        Grade.PROBLEM,
        "the host has no bridge br1; make it, up, and again at each start",
    )
    for member in ("`network`", "`public_network`", "`inside_network`", "`switch`"):
        assert member in found.advice


def test_who_needs_a_bridge_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "load", lambda: SimpleNamespace(libvirtError=OSError))
    needs = HostNeeds(
        networks=("bridge:br1",),
        vlans=(("bridge:br{vlan}", 101), ("bridge:br{vlan}", 102)),
        users={
            "bridge:br1": ("gateway gw1 (`public_network`)",),
            ("bridge:br{vlan}", 101): ("tenant acme (network prod of plan small)",),
        },
    )
    said = [one.text for one in inspection._networks(Bridges(), needs)]
    assert [text.partition("; needed by ")[2] for text in said] == [
        "gateway gw1 (`public_network`)",
        "tenant acme (network prod of plan small)",
        "",
    ]
