"""An appliance as libvirt's domain XML, and what a domain's XML says. Pure.

The UUID comes from the owner id, so that nobody who repeats a deployment can make a second machine. The name
is of one attempt: libvirt replaces a domain of equal UUID and name, and refuses one of equal UUID and another
name. So of two who deploy the same at once, one is refused, and neither changes what the other made.
"""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from causeway_controller.contract.hosts import VmNic
from causeway_controller.hypervisors import sizes, wiring
from causeway_controller.hypervisors.base import MachineSpec, NicSpec
from causeway_controller.inventory import libvirt_names
from causeway_controller.inventory.libvirt_names import SegmentKind

NAMESPACE: Final = "urn:causeway:libvirt:1"
_UUIDS: Final = uuid.uuid5(uuid.NAMESPACE_URL, NAMESPACE)
_APPLIANCE: Final = f"{{{NAMESPACE}}}appliance"
_NICS: Final = "nics"
_AGENT: Final = "org.qemu.guest_agent.0"

ARCHITECTURE: Final = "x86_64"
MACHINE: Final = "q35"

ET.register_namespace("causeway", NAMESPACE)


class Firmware(StrEnum):
    """How a host's machines can start by UEFI."""

    UEFI = "UEFI"
    SECURE = "UEFI with Secure Boot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What every appliance gets."""

    mebibytes: int = sizes.MEBIBYTES
    processors: int = sizes.PROCESSORS
    domain: str = ""
    """`kvm` or `qemu`; empty: the faster one that the host has."""
    firmware: Firmware = Firmware.UEFI


def identity(owner_id: str) -> str:
    """Return the UUID of the machine with this owner id."""
    return str(uuid.uuid5(_UUIDS, owner_id))


def describe(spec: MachineSpec, *, name: str, hardware: Hardware, disk: str, disc: str | None) -> str:
    """Return the domain: `disk` and `disc` are paths on the host; no disc where there is no seed.

    Raises ValueError for a segment that is none.
    """
    root = ET.Element("domain", type=hardware.domain)
    _texts(root, name=name, uuid=identity(spec.owner_id), title=spec.name)
    appliance = ET.SubElement(
        ET.SubElement(root, "metadata"), _APPLIANCE, owner=spec.owner_id, name=spec.name
    )
    ET.SubElement(root, "memory", unit="MiB").text = str(hardware.mebibytes)
    _texts(root, vcpu=str(hardware.processors))
    _start(root, hardware.firmware)
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")
    if hardware.domain == "kvm":
        ET.SubElement(root, "cpu", mode="host-model")
    _texts(root, on_poweroff="destroy", on_reboot="restart", on_crash="restart")
    devices = ET.SubElement(root, "devices")
    _disk(devices, disk, kind="disk", form="qcow2", target="vda", bus="virtio")
    # The appliance's kernel has no AHCI driver, on which q35 would put a CD.
    ET.SubElement(devices, "controller", type="scsi", model="virtio-scsi")
    if disc is not None:
        _disk(devices, disc, kind="cdrom", form="raw", target="sda", bus="scsi")
    for nic in spec.nics:
        _interface(devices, nic)
    appliance.set(_NICS, wiring.noted(_nics(root)))
    ET.SubElement(devices, "serial", type="pty")
    ET.SubElement(devices, "console", type="pty")
    channel = ET.SubElement(devices, "channel", type="unix")
    ET.SubElement(channel, "target", type="virtio", name=_AGENT)
    ET.SubElement(
        ET.SubElement(devices, "rng", model="virtio"), "backend", model="random"
    ).text = "/dev/urandom"
    ET.SubElement(devices, "memballoon", model="none")
    return ET.tostring(root, encoding="unicode")


def owner(described: str) -> tuple[str, str] | None:
    """Return the owner id and our name of the machine; None for a domain that is not ours."""
    found = ET.fromstring(described).find(f"metadata/{_APPLIANCE}")  # noqa: S314 - the host's, which may do worse
    return None if found is None else (found.get("owner", ""), found.get("name", ""))


def nics(described: str) -> Iterator[VmNic]:
    """Its vNICs, with what they are plugged into as segments are called."""
    return _nics(ET.fromstring(described))  # noqa: S314 - as above


def verify(described: str) -> None:
    """Raise HypervisorError unless its vNICs are as it was deployed with, and each is connected.

    One that an older controller deployed has no note of them, and is not looked at.
    """
    root = ET.fromstring(described)  # noqa: S314 - as above
    appliance = root.find(f"metadata/{_APPLIANCE}")
    note = None if appliance is None else appliance.get(_NICS)
    if appliance is None or note is None:
        return
    name = appliance.get("name", "")
    wiring.compare(name, note, _nics(root))
    for interface in root.iterfind("devices/interface"):
        if interface.find("link[@state='down']") is not None:
            mac = interface.find("mac")
            raise wiring.disconnected(name, "" if mac is None else mac.get("address", ""))


def guest_answers(described: str) -> bool | None:
    """Whether the guest's agent has opened its channel; None where there is no channel for one."""
    for target in ET.fromstring(described).iterfind("devices/channel/target"):  # noqa: S314 - as above
        if target.get("name") == _AGENT and (state := target.get("state")) is not None:
            return state == "connected"
    return None


def disks(described: str) -> Iterator[str]:
    """The paths of its disks and discs on the host."""
    for source in ET.fromstring(described).iterfind("devices/disk/source"):  # noqa: S314 - as above
        if path := source.get("file"):
            yield path


def accelerated(capabilities: str) -> str | None:
    """Return the faster type of domain that a host has for the appliance; None when it runs no x86-64."""
    kinds = {
        domain.get("type")
        for guest in ET.fromstring(capabilities).iterfind("guest")  # noqa: S314 - as above
        if guest.findtext("os_type") == "hvm"
        for domain in guest.iterfind(f"arch[@name='{ARCHITECTURE}']/domain")
    }
    return next((kind for kind in ("kvm", "qemu") if kind in kinds), None)


def firmware(capabilities: str) -> Firmware | None:
    """Return what a host has, by its capabilities for one type of domain; None when it has no UEFI."""
    found = ET.fromstring(capabilities).find("os")  # noqa: S314 - as above
    if found is None or "efi" not in _values(found, "enum[@name='firmware']"):
        return None
    secure = "yes" in _values(found, "loader/enum[@name='secure']")
    return Firmware.SECURE if secure else Firmware.UEFI


def _values(parent: ET.Element, enumeration: str) -> frozenset[str | None]:
    return frozenset(value.text for value in parent.iterfind(f"{enumeration}/value"))


def _start(root: ET.Element, firmware: Firmware) -> None:
    """By UEFI, which updates need. Where it is on the host, and its variables, are for libvirt to know."""
    system = ET.SubElement(root, "os", firmware="efi")
    ET.SubElement(system, "type", arch=ARCHITECTURE, machine=MACHINE).text = "hvm"
    features = ET.SubElement(system, "firmware")
    secure = "yes" if firmware is Firmware.SECURE else "no"
    ET.SubElement(features, "feature", enabled=secure, name="secure-boot")


def _nics(root: ET.Element) -> Iterator[VmNic]:
    for interface in root.iterfind("devices/interface"):
        mac, source, tag = interface.find("mac"), interface.find("source"), interface.find("vlan/tag")
        network = ""
        if source is not None:
            # While it runs, a network over a bridge shows as both.
            named = source.get("network")
            bridge = source.get("bridge") if interface.get("type") == "bridge" and not named else None
            switch = interface.find("virtualport[@type='openvswitch']") is not None
            prefix = "openvswitch:" if switch else "bridge:"
            network = f"{prefix}{bridge}" if bridge else named or source.get("dev") or ""
        if tag is not None:
            network = f"{network}/{tag.get('id')}"
        yield VmNic(mac="" if mac is None else mac.get("address", ""), network=network)


def _texts(parent: ET.Element, **texts: str) -> None:
    for name, text in texts.items():
        ET.SubElement(parent, name).text = text


def _disk(devices: ET.Element, path: str, *, kind: str, form: str, target: str, bus: str) -> None:
    disk = ET.SubElement(devices, "disk", type="file", device=kind)
    ET.SubElement(disk, "driver", name="qemu", type=form)
    ET.SubElement(disk, "source", file=path)
    ET.SubElement(disk, "target", dev=target, bus=bus)
    if kind == "cdrom":
        ET.SubElement(disk, "readonly")
    else:
        ET.SubElement(disk, "boot", order="1")


def _interface(devices: ET.Element, nic: NicSpec) -> None:
    segment = libvirt_names.segment(nic.segment)
    network = segment.kind is SegmentKind.NETWORK
    interface = ET.SubElement(devices, "interface", type="network" if network else "bridge")
    ET.SubElement(interface, "mac", address=nic.mac)
    ET.SubElement(interface, "source", {"network" if network else "bridge": segment.name})
    if segment.kind is SegmentKind.OPENVSWITCH:
        ET.SubElement(interface, "virtualport", type="openvswitch")
    if segment.vlan is not None:
        ET.SubElement(ET.SubElement(interface, "vlan"), "tag", id=str(segment.vlan))
    ET.SubElement(interface, "model", type="virtio")
    ET.SubElement(interface, "rom", enabled="no")
