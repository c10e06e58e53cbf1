"""A machine whose vNICs are not as they were noted is not started, and told why."""

from __future__ import annotations

import pytest

from causeway_controller.contract.hosts import VmNic
from causeway_controller.hypervisors import wiring
from causeway_controller.hypervisors.base import HypervisorError

ONE = VmNic(mac="02:00:00:00:00:0A", network="left")
TWO = VmNic(mac="02:00:00:00:00:0b", network="right")


def test_the_same_vnics_in_any_order_and_case_are_the_same() -> None:
    lower = VmNic(mac=ONE.mac.lower(), network=ONE.network)
    wiring.compare("acme-one", wiring.noted((ONE, TWO)), (TWO, lower))


@pytest.mark.parametrize(
    "found",
    [
        (ONE,),
        (ONE, TWO, TWO),
        (ONE, VmNic(mac=TWO.mac, network="left")),
        (VmNic(mac=ONE.mac, network="right"), VmNic(mac=TWO.mac, network="left")),
        (ONE, VmNic(mac="02:00:00:00:00:0c", network="right")),
        (ONE, VmNic(mac=TWO.mac, network="")),
    ],
    ids=["less", "more", "elsewhere", "exchanged", "another", "unplugged"],
)
def test_others_are_refused(found: tuple[VmNic, ...]) -> None:
    with pytest.raises(HypervisorError, match=r"its vNICs are .* deployed as"):
        wiring.compare("acme-one", wiring.noted((ONE, TWO)), found)


@pytest.mark.parametrize("note", ["", "{}", '[{"mac": 1}]', "[", "[{}]"])
def test_a_note_that_cannot_be_read_is_refused(note: str) -> None:
    with pytest.raises(HypervisorError, match="cannot be read"):
        wiring.compare("acme-one", note, ())
