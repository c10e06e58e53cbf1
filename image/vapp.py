"""What a host makes of the descriptor's properties: the OVF environment (DSP0243 1.1, 9). No effects.

vSphere hands it to the machine as the variable `guestinfo.ovfEnv` and, by the transport `iso`, as a file on a
CD. The gate and the tests give it to appliances as vSphere does.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping

from causeway_wire import seed

FILE = seed.OVF_ENVIRONMENT
LABEL = "OVF ENV"
"""The volume identifier of vSphere's CD."""
_OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
_OE_NAME = "http://schemas.dmtf.org/ovf/environment/1"
_OE = f"{{{_OE_NAME}}}"


class UnknownPropertyError(ValueError):
    """The descriptor does not offer this property, or not to whoever deploys."""


def environment(descriptor: str, values: Mapping[str, str]) -> str:
    """The environment of the machine in this descriptor once its deployer has entered these values.

    `values`: by key as the deployer sees it, without the class. Raises UnknownPropertyError.
    """
    known = {}
    entered = dict(values)
    for section in ET.fromstring(descriptor).iter(f"{_OVF}ProductSection"):  # noqa: S314 - our own text
        for each in section.iter(f"{_OVF}Property"):
            key = each.get(f"{_OVF}key", "")
            mine = entered.pop(key, None) if each.get(f"{_OVF}userConfigurable") == "true" else None
            known[_qualified(section, key)] = each.get(f"{_OVF}value", "") if mine is None else mine
    if entered:
        raise UnknownPropertyError(f"the descriptor offers no {', '.join(sorted(entered))}")
    return _document(known)


def _qualified(section: ET.Element, key: str) -> str:
    """CLASS.KEY.INSTANCE, of which what is empty is left out (DSP0243 1.1, 9.5)."""
    parts = (section.get(f"{_OVF}class", ""), key, section.get(f"{_OVF}instance", ""))
    return ".".join(part for part in parts if part)


def _document(properties: Mapping[str, str]) -> str:
    ET.register_namespace("oe", _OE_NAME)
    root = ET.Element(f"{_OE}Environment", {f"{_OE}id": ""})
    platform = ET.SubElement(root, f"{_OE}PlatformSection")
    for name, text in (
        ("Kind", "VMware ESXi"),
        ("Version", "8.0.0"),
        ("Vendor", "VMware, Inc."),
        ("Locale", "en"),
    ):
        ET.SubElement(platform, f"{_OE}{name}").text = text
    section = ET.SubElement(root, f"{_OE}PropertySection")
    for key, value in properties.items():
        ET.SubElement(section, f"{_OE}Property", {f"{_OE}key": key, f"{_OE}value": value})
    octets: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return octets.decode()
