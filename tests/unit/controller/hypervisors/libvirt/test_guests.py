"""What a domain's agent says counts, and only one that is connected is asked: libvirt waits for each."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from causeway_controller.hypervisors.libvirt import binding, guests
from causeway_controller.hypervisors.libvirt.guests import Guests

AGENT, LEASE, ARP = 1, 0, 2
CONNECTED = """<domain><devices><channel type='unix'>
<target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel></devices></domain>"""


class LibvirtError(Exception):
    """As the binding's."""


class Domain:
    """Tells by source; what is not told is refused."""

    def __init__(self, **told: Any) -> None:
        self.told = told
        self.asked: list[int] = []

    def interfaceAddresses(self, source: int) -> object:  # noqa: N802 - the binding's name
        self.asked.append(source)
        found = self.told.get({AGENT: "agent", LEASE: "lease", ARP: "arp"}[source])
        if found is None:
            raise LibvirtError
        return {"if0": {"hwaddr": "02:00:00:00:00:01", "addrs": [{"addr": each} for each in found]}}


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(
        libvirtError=LibvirtError,
        VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE=LEASE,
        VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT=AGENT,
        VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP=ARP,
    )
    monkeypatch.setattr(binding, "load", lambda: module)


def test_an_agent_is_believed_and_what_reaches_nobody_is_left_out() -> None:
    said = ("127.0.0.1", "192.168.10.12", "::1", "fe80::1%eth0", "2001:DB8::12", "nonsense")
    assert Guests().told(Domain(agent=said), CONNECTED) == ("192.168.10.12", "2001:db8::12")


@pytest.mark.parametrize(
    "described", ["<domain/>", CONNECTED.replace("connected", "disconnected"), CONNECTED.replace("0'", "1'")]
)
def test_an_agent_that_is_not_connected_is_not_asked(described: str) -> None:
    domain = Domain(agent=("192.168.10.12",))
    assert (Guests().told(domain, described), domain.asked) == ((), [])


def test_agents_together_are_waited_for_so_long_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests, "_SECONDS", 0.0)
    domain = Domain(agent=("192.168.10.12",))
    assert (Guests().told(domain, CONNECTED), domain.asked) == ((), [])


def test_an_agent_that_is_silent_has_told_nothing() -> None:
    assert Guests().told(Domain(), CONNECTED) == ()


def test_leases_and_neighbours_are_what_the_host_has_seen() -> None:
    both = Domain(lease=("192.168.122.7",), arp=("192.168.122.7", "192.168.10.12"))
    assert Guests().seen(both) == ("192.168.122.7", "192.168.10.12")
    assert Guests().seen(Domain(arp=())) == ()
