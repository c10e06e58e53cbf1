"""What the filter of a full failover lets a neighbour ask and tell, and look for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import documents, full_site
from tests.neighbour_wire import (
    OTHER_MAC,
    SHARE,
    arp,
    claimed,
    learned,
    moves,
    neighbours,
    scan,
    send,
    solicitation,
    soon,
)
from tests.wired import BOX, FAR, VLAN, counted, pings

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def full() -> Iterator[None]:
    """A provider appliance in full failover of two networks, routed between."""
    with full_site.standing():
        full_site.apply(full_site.document(documents.full("net-0", "net-1", routed=("net-0", "net-1"))))
        yield


@pytest.mark.parametrize("address", [full_site.VM4, full_site.VM6])
def test_an_address_that_moves_is_learned_in_full_failover(full: None, address: str) -> None:
    assert moves(address)


def test_the_gateway_of_a_full_failover_is_not_taken_over(full: None) -> None:
    for gateway in ("192.168.0.1", "192.168.0.5"):
        with counted("drop_arp"):
            send(VLAN, arp(1, OTHER_MAC, gateway, gateway))
        assert learned(BOX, gateway, "eth1") is None
    assert pings(VLAN, "192.168.0.1", source=full_site.VM4)


@pytest.mark.parametrize("address", ["192.168.0.1", "192.168.0.5", "2001:db8::1"])
def test_a_guest_that_would_take_an_address_of_the_appliance_is_told_that_it_is_taken(
    full: None, address: str
) -> None:
    """By ARP as by neighbour discovery; for addresses of nobody's it is told nothing."""
    probe = (
        solicitation(OTHER_MAC, "::", address) if ":" in address else arp(1, OTHER_MAC, "0.0.0.0", address)
    )
    assert claimed(VLAN, probe) == {address}
    free = "2001:db8::77" if ":" in address else "192.168.0.77"
    other = solicitation(OTHER_MAC, "::", free) if ":" in free else arp(1, OTHER_MAC, "0.0.0.0", free)
    assert not claimed(VLAN, other)


def test_a_guest_that_scans_a_routed_network_leaves_room_for_others(full: None) -> None:
    with counted("drop_scan"):
        scan(VLAN, full_site.VM6, "2001:db8:1::/64")
    assert neighbours(BOX, 6) < SHARE
    # Other tests' neighbours share the kernel's table: theirs may have to leave it first.
    assert soon(lambda: pings(FAR, full_site.VM6, source=full_site.OTHER6), seconds=15)
