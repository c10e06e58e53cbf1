"""A libvirt host compared with what is needed of it, and its VMs. Blocking; changes nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from causeway_controller.contract.hosts import Finding, Topic
from causeway_controller.hypervisors.base import FoundVm, HypervisorError, NicSpec
from causeway_controller.hypervisors.findings import good, missing, problem, room, room_beside, trap, warning
from causeway_controller.hypervisors.libvirt import (
    binding,
    domain,
    emulator,
    images,
    machines,
    segments,
    volumes,
)
from causeway_controller.hypervisors.libvirt.domain import Firmware
from causeway_controller.hypervisors.libvirt.guests import Guests
from causeway_controller.inventory import libvirt_names
from causeway_controller.inventory.findings import some
from causeway_controller.inventory.host_needs import HostNeeds, Plug, PoolNeed
from causeway_controller.inventory.libvirt_names import SegmentKind

OLDEST: Final = 9_000_000
"""libvirt 9.0.0, as `getLibVersion` says it."""
_NAMED: Final = 5
"""How many of many things a sentence names."""
_IS_NAMED_BY: Final = (
    "have it there, or correct the name in the inventory: an appliance's `network`, a gateway's "
    "`public_network` or `inside_network`, a VLAN pool's `switch`"
)


def findings(connection: Any, needs: HostNeeds, *, pool: str, image: Path) -> Iterator[Finding]:
    """Say of each thing that a deployment there needs how it is."""
    yield from _identity(connection)
    yield from _hypervisor(connection)
    yield from _networks(connection, needs)
    if needs.trunks:
        tenants = ", ".join(one.tenant for one in needs.trunks)
        text = f"the appliances of {tenants} have trunks, which a libvirt host's machines cannot"
        yield problem(Topic.NETWORKS, text, "take `adapters: access` out of these tenants' subscriptions")
    yield from _storage(connection, needs, pool, image)


def vms(connection: Any) -> Iterator[FoundVm]:
    """Each domain, running or not."""
    libvirt, guests = binding.load(), Guests()
    for one in connection.listAllDomains():
        try:
            described, on = one.XMLDesc(), bool(one.isActive())
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise
            continue
        owner = domain.owner(described)
        ours = owner is not None and one.UUIDString() == domain.identity(owner[0])
        told = guests.told(one, described) if on else ()
        yield FoundVm(
            id=one.UUIDString(),
            name=one.name(),
            powered_on=on,
            nics=tuple(domain.nics(described)),
            owner_id=owner[0] if owner is not None and ours else None,
            addresses=told,
            seen=guests.seen(one) if on and not told else (),
        )


def _identity(connection: Any) -> Iterator[Finding]:
    name, secure = connection.getHostname(), bool(connection.isSecure())
    if secure:
        yield good(Topic.IDENTITY, f"it calls itself {name}, and the connection is private")
    else:
        text = f"the connection to {name} is not private: whoever is on its way reads and changes it"
        yield problem(Topic.IDENTITY, text, "use qemu+tls:// or qemu+ssh://")


def _hypervisor(connection: Any) -> Iterator[Finding]:
    """What this login may do, which cannot be tried, and what the daemon can."""
    if connection.getURI().endswith("/session"):
        text = "this is a user's own instance, which cannot plug machines into the host's bridges"
        yield problem(Topic.RIGHTS, text, "let the endpoint end with /system")
    else:
        yield good(Topic.RIGHTS, "it is the system's instance, where who is let in may do everything")
    version = connection.getLibVersion()
    if version < OLDEST:
        text = f"libvirt {_version(version)} is older than {_version(OLDEST)}, the oldest that was tried"
        yield warning(Topic.TRAPS, text, "update the host's libvirt")
    try:
        kind = emulator.kind(connection)
        firmware = emulator.firmware(connection, kind)
    except HypervisorError as error:
        text, _, advice = str(error).partition("; ")
        yield problem(Topic.TRAPS, text, advice)
        return
    if kind != "kvm":
        text = "it has no KVM: machines are emulated, and many times slower"
        advice = "switch virtualisation on in its firmware, load kvm_intel or kvm_amd"
        yield warning(Topic.TRAPS, text, advice)
    if firmware is not Firmware.SECURE:
        text = "its machines start by UEFI without Secure Boot: nothing verifies an appliance's boot loader"
        advice = "on the host: apt-get install ovmf of Debian 12 or newer, then restart its libvirt daemon"
        yield warning(Topic.TRAPS, text, advice)
    with_kvm = " with KVM" if kind == "kvm" else ""
    yield good(Topic.TRAPS, f"libvirt {_version(version)}{with_kvm}; machines start by {firmware}")


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def _networks(connection: Any, needs: HostNeeds) -> Iterator[Finding]:
    wanted: dict[str, list[Plug]] = {one: [one] for one in needs.networks}
    for switch, vlan in needs.vlans:
        try:
            wanted.setdefault(libvirt_names.segment_of(switch, vlan), []).append((switch, vlan))
        except ValueError as error:
            yield problem(
                Topic.NETWORKS, needs.told(str(error), (switch, vlan)), "correct the VLAN pool's switch"
            )
    absent = tuple(segments.missing(connection, _plugged(wanted)))
    for name, reason in absent:
        yield problem(Topic.NETWORKS, needs.told(reason, *wanted[name]), _IS_NAMED_BY)
    if wanted and not absent:
        yield good(Topic.NETWORKS, f"all networks that appliances are plugged into are there: {len(wanted)}")
    for pool in needs.pools:
        yield from _pool_of_vlans(connection, pool, known=frozenset(needs.vlans))
    bridged = {*(_segment(*one) for one in needs.bridged_vlans), *(one.network for one in needs.bridges)}
    for name in wanted:
        yield from _trap(connection, name, bridged=name in bridged)


def _segment(switch: str, vlan: int) -> str:
    try:
        return libvirt_names.segment_of(switch, vlan)
    except ValueError:
        return ""  # said already


def _plugged(names: Iterable[str]) -> tuple[NicSpec, ...]:
    return tuple(NicSpec(mac="", segment=name) for name in names)


def _pool_of_vlans(
    connection: Any, pool: PoolNeed, *, known: frozenset[tuple[str, int]]
) -> Iterator[Finding]:
    """VLANs that a tenant may be given tomorrow."""
    free = [vlan for vlan in pool.vlans if (pool.switch, vlan) not in known]
    try:
        names = {vlan: libvirt_names.segment_of(pool.switch, vlan) for vlan in free}
    except ValueError as error:
        yield problem(Topic.NETWORKS, str(error), f"correct the switch of VLAN pool {pool.pool}")
        return
    lacking = [
        vlan
        for vlan, name in names.items()
        if libvirt_names.segment(name).kind is not SegmentKind.OPENVSWITCH
        and any(segments.missing(connection, _plugged((name,))))
    ]
    if lacking:
        which = some([str(vlan) for vlan in lacking], most=_NAMED)
        text = (
            f"{len(lacking)} of {len(free)} free VLANs of pool {pool.pool} have nothing on the host: {which}"
        )
        advice = "make a bridge or network for each, or make the pool smaller"
        yield warning(Topic.NETWORKS, text, advice)


def _trap(connection: Any, name: str, *, bridged: bool) -> Iterator[Finding]:
    """What a network of libvirt's does besides carrying frames.

    `bridged`: a tenant's network is extended by a bridge there, with frames of others' MAC addresses.
    """
    libvirt = binding.load()
    try:
        if libvirt_names.segment(name).kind is not SegmentKind.NETWORK:
            return
        found = connection.networkLookupByName(name)
    except (ValueError, libvirt.libvirtError):
        return  # said already
    described = ET.fromstring(found.XMLDesc())  # noqa: S314 - the host's
    if not found.autostart():
        text = f"network {name} does not start by itself: after a restart of the host no machine on it runs"
        yield trap(text, f"`virsh net-autostart {name}`")
    if described.find("ip/dhcp") is not None:
        text = (
            f"libvirt answers DHCP on network {name}: beside replicas it would give out addresses of its own"
        )
        yield trap(text, "use a network over a bridge that is yours, or take its <dhcp> out")
    if described.find("forward/interface") is not None and described.find("bridge") is None:
        text = (
            f"network {name} is macvtap, which passes no frames for MAC addresses that a vNIC does not have"
        )
        advice = "use a network over a bridge where a tenant's network is extended by a bridge"
        yield problem(Topic.TRAPS, text, advice) if bridged else trap(text, advice)
    bridge = described.find("bridge")
    if bridged and bridge is not None and bridge.get("macTableManager") == "libvirt":
        text = (
            f"libvirt keeps the MAC addresses of network {name}: its bridge passes no frames for those that "
            "vNICs do not have, and a network is extended by a bridge there"
        )
        yield problem(Topic.TRAPS, text, f"`virsh net-edit {name}`: take macTableManager out of <bridge>")
    port = described.find("port")
    if port is not None and port.get("isolated") == "yes":
        text = f"the ports of network {name} are isolated: the appliance cannot talk to replicas"
        yield problem(Topic.TRAPS, text, "take <port isolated='yes'/> out")


def _storage(connection: Any, needs: HostNeeds, name: str, image: Path) -> Iterator[Finding]:
    try:
        each = volumes.disk_size(image)
    except HypervisorError as error:
        each = 0
        yield problem(Topic.STORAGE, str(error), "put the appliance's disk there, and verify it before")
    try:
        found = volumes.pool(connection, name, refresh=False)
    except HypervisorError as error:
        yield problem(Topic.STORAGE, str(error), "correct the host's `storage`, or make the pool")
        return
    if not found.autostart():
        text = f"pool {name} does not start by itself: after a restart of the host no appliance runs"
        yield warning(Topic.STORAGE, text, f"`virsh pool-autostart {name}`")
    left, absent = volumes.available(found), missing(needs.appliances, partial(machines.ours, connection))
    yield room(f"pool {name}", left=left, each=each, missing=absent, instead="name other storage")
    if each and images.find(found, image) is None:
        size = image.stat().st_size
        yield from room_beside(f"pool {name}", left=left, each=each, missing=absent, image=size)
