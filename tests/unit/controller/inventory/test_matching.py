"""A VM of a host is taken for one of production by its name or a MAC address, and by nothing else."""

from __future__ import annotations

import pytest

from causeway_controller.contract.hosts import HostVm, VmNic
from causeway_controller.inventory.matching import alike

MAC = "52:54:00:00:00:01"


@pytest.mark.parametrize(
    ("name", "mac", "suffix", "expected"),
    [
        ("db1", "", "", True),
        ("DB1", "", "", True),
        ("DB1_Replica", "", "_replica", True),
        ("db1_replica", "", "_Replica", True),
        ("db1_replica", "", "", False),
        ("db10", "", "", False),
        ("other", MAC.upper(), "", True),
        ("other", "52:54:00:00:00:02", "", False),
    ],
)
def test_names_and_mac_addresses(name: str, mac: str, suffix: str, expected: bool) -> None:  # noqa: FBT001
    nics = (VmNic(mac=mac, network="x"),) if mac else ()
    one = HostVm(id="1", name=name, powered_on=False, nics=nics)
    assert (alike("db1", (MAC,), [one], suffix=suffix) == [one]) is expected
