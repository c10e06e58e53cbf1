"""Which addresses a domain that runs has, as far as anybody there tells. Blocking; changes nothing.

Its guest's agent knows them all (`virDomainInterfaceAddresses`, source AGENT). Without one there is what the
host has seen: leases of libvirt's own networks, and neighbours of the host, which may be old and are not all.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final

from causeway_controller.hypervisors.libvirt import binding

_AGENT: Final = "org.qemu.guest_agent.0"
_SECONDS: Final = 10.0
"""For all agents of a host: libvirt waits 5 s for each that is connected and says nothing."""


class Guests:
    """Those of one host, asked once."""

    def __init__(self) -> None:
        self._until = time.monotonic() + _SECONDS

    def told(self, one: Any, described: str) -> tuple[str, ...]:
        """Return what the domain's guest says; nothing where it has no agent that is connected."""
        if not _connected(described) or time.monotonic() >= self._until:
            return ()
        return _addresses(one, binding.load().VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)

    def seen(self, one: Any) -> tuple[str, ...]:
        """Return what the host has seen of the domain."""
        libvirt = binding.load()
        sources = (
            libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE,
            libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP,
        )
        return tuple(dict.fromkeys(each for source in sources for each in _addresses(one, source)))


def _connected(described: str) -> bool:
    target = ET.fromstring(described).find(f"devices/channel/target[@name='{_AGENT}']")  # noqa: S314 - the host's
    return target is not None and target.get("state") == "connected"


def _addresses(one: Any, source: int) -> tuple[str, ...]:
    """A hint: who cannot tell has told nothing."""
    libvirt = binding.load()
    try:
        found = one.interfaceAddresses(source)
    except libvirt.libvirtError:
        return ()
    return tuple(dict.fromkeys(_outside(found or {})))


def _outside(interfaces: Any) -> Iterator[str]:
    """Addresses by which others could reach it, as we write them."""
    for interface in interfaces.values():
        for each in interface.get("addrs") or ():
            try:
                address = ip_address(each["addr"].partition("%")[0])
            except ValueError:
                continue  # a guest may say anything
            if not (address.is_loopback or address.is_link_local):
                yield str(address)
