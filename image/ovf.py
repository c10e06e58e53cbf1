"""The OVA: an OVF 1.1 descriptor (DSP0243), a manifest, and the order in the archive. No effects."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax import saxutils

from causeway_controller.hypervisors import sizes
from causeway_wire import seed

HARDWARE, GUEST = "vmx-14", "debian10_64Guest"
"""What the oldest host supported, ESXi 6.7, knows: it refuses a newer hardware version and does not know
newer guests (debian11_64Guest came with 7.0, debian12_64Guest with 8.0). Newer hosts take both.
"""
PROPERTIES = (
    # key, type, secret, label
    (seed.OVF_KEY, "string", True, "First-boot seed, base64; leave empty where a seed CD is attached"),
)
"""Of class `causeway`: the appliance reads them as CLASS.KEY, and no others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """What the descriptor says of the virtual machine."""

    name: str
    version: str
    disk: str
    """File name of the stream-optimised VMDK."""
    disk_octets: int
    """Of that file."""
    capacity: int
    """Octets of the virtual disk."""
    processors: int = sizes.PROCESSORS
    mebibytes: int = sizes.MEBIBYTES


def descriptor(template: str, appliance: Appliance) -> str:
    """The template with its $NAMES filled in; raises KeyError for one that is unknown."""
    values = {
        "name": appliance.name,
        "version": appliance.version,
        "disk": appliance.disk,
        "disk_octets": str(appliance.disk_octets),
        "capacity": str(appliance.capacity),
        "processors": str(appliance.processors),
        "mebibytes": str(appliance.mebibytes),
        "hardware": HARDWARE,
        "guest": GUEST,
    }
    escaped = {key: saxutils.escape(value, {'"': "&quot;"}) for key, value in values.items()}
    return string.Template(template).substitute(
        escaped, property_class=seed.OVF_CLASS, properties=_properties()
    )


def _properties() -> str:
    return "\n".join(
        f'      <Property ovf:key="{key}" ovf:type="{kind}" ovf:userConfigurable="true" ovf:value=""'
        f"{' ovf:password=' + chr(34) + 'true' + chr(34) if secret else ''}>"
        f"<Label>{saxutils.escape(label)}</Label></Property>"
        for key, kind, secret, label in PROPERTIES
    )


def manifest(digests: Iterable[tuple[str, str]]) -> str:
    """The manifest's text, from file names and their SHA-256 in hex, in the archive's order."""
    return "".join(f"SHA256({name})= {digest}\n" for name, digest in digests)


def members(name: str, disk: str) -> tuple[str, ...]:
    """File names in the order DSP0243 5.3 wants: descriptor, manifest, then the files it refers to."""
    return (f"{name}.ovf", f"{name}.mf", disk)
