"""Whether the segments that vNICs are plugged into are there. Blocking; changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from causeway_controller.hypervisors.base import NicSpec
from causeway_controller.hypervisors.libvirt import binding
from causeway_controller.inventory import libvirt_names
from causeway_controller.inventory.libvirt_names import SegmentKind


def missing(connection: Any, nics: Iterable[NicSpec]) -> Iterator[tuple[str, str]]:
    """Yield each segment that no vNIC can be plugged into now, and why.

    Of a bridge nothing is said where the daemon does not know the host's interfaces.
    """
    bridges: frozenset[str] | None = None
    for name in dict.fromkeys(nic.segment for nic in nics):
        try:
            segment = libvirt_names.segment(name)
        except ValueError as error:
            yield name, str(error)
            continue
        if segment.kind is SegmentKind.NETWORK:
            yield from ((name, why) for why in _network(connection, segment.name))
            continue
        bridges = _interfaces(connection) if bridges is None else bridges
        if bridges and segment.name not in bridges:
            yield name, f"the host has no bridge {segment.name}; make it, up, and again at each start"


def _network(connection: Any, name: str) -> Iterator[str]:
    libvirt = binding.load()
    try:
        if not connection.networkLookupByName(name).isActive():
            yield f"network {name} is not active; `virsh net-start {name}`, and net-autostart"
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_NETWORK:
            raise
        there = ", ".join(sorted(one.name() for one in connection.listAllNetworks())) or "none"
        yield f"the host has no network {name}; there is {there}"


def _interfaces(connection: Any) -> frozenset[str]:
    libvirt = binding.load()
    try:
        return frozenset(one.name() for one in connection.listAllInterfaces())
    except libvirt.libvirtError:
        return frozenset()
