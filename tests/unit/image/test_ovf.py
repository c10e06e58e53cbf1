"""The OVF descriptor and the manifest."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from image import export, ovf

APPLIANCE = ovf.Appliance(
    name="causeway-1.0", version="1.0", disk="causeway-1.0-disk1.vmdk", disk_octets=1234, capacity=1 << 30
)
OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"


@pytest.fixture
def text() -> str:
    return ovf.descriptor(export.TEMPLATE.read_text(), APPLIANCE)


@pytest.fixture
def envelope(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own text


def test_the_disk_is_described_as_it_is(envelope: ET.Element) -> None:
    file = next(envelope.iter(f"{OVF}File"))
    disk = next(envelope.iter(f"{OVF}Disk"))
    assert (file.get(f"{OVF}href"), file.get(f"{OVF}size")) == (APPLIANCE.disk, "1234")
    assert disk.get(f"{OVF}capacity") == str(1 << 30)


def test_hardware_is_what_the_cloud_kernel_has_drivers_for(envelope: ET.Element) -> None:
    kinds = {element.text for element in envelope.iter(f"{RASD}ResourceSubType")}
    assert kinds == {"VirtualSCSI", "VmxNet3"}


def test_hardware_and_guest_are_known_to_the_oldest_host_supported(text: str, envelope: ET.Element) -> None:
    """ESXi 6.7: hardware version 14, and Debian 10 as the newest Debian."""
    assert "VirtualSystemType>vmx-14<" in text
    system = next(envelope.iter(f"{OVF}OperatingSystemSection"))
    assert system.get("{http://www.vmware.com/schema/ovf}osType") == "debian10_64Guest"
    assert system.get(f"{OVF}id") == "96"  # CIM_OperatingSystem.OSType: Debian, 64 bits


def test_items_have_numbers_of_their_own_and_parents_exist(envelope: ET.Element) -> None:
    numbers = [element.text for element in envelope.iter(f"{RASD}InstanceID")]
    assert len(set(numbers)) == len(numbers)
    assert {element.text for element in envelope.iter(f"{RASD}Parent")} <= set(numbers)


def test_secrets_are_marked_as_passwords(envelope: ET.Element) -> None:
    marked = {
        p.get(f"{OVF}key") for p in envelope.iter(f"{OVF}Property") if p.get(f"{OVF}password") == "true"
    }
    assert marked == {key for key, _, secret, _ in ovf.PROPERTIES if secret}


def test_names_cannot_break_out_of_the_descriptor() -> None:
    text = ovf.descriptor(export.TEMPLATE.read_text(), replace(APPLIANCE, name='a"<&'))
    assert next(ET.fromstring(text).iter(f"{OVF}VirtualSystem")).get(f"{OVF}id") == 'a"<&'  # noqa: S314


def test_the_descriptor_is_valid_by_the_standard_s_schema(text: str, tmp_path: Path) -> None:
    schema = export.schema()
    if schema is None:
        pytest.skip("needs DMTF's schema (CAUSEWAY_OVF_SCHEMA)")
    path = tmp_path / "a.ovf"
    path.write_text(text)
    command = ["xmllint", "--nonet", "--noout", "--schema", str(schema), str(path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_manifest_has_a_line_per_file_in_the_archive_s_order() -> None:
    assert ovf.manifest([("a.ovf", "00"), ("a.vmdk", "ff")]) == "SHA256(a.ovf)= 00\nSHA256(a.vmdk)= ff\n"
    assert ovf.members("a", "a.vmdk") == ("a.ovf", "a.mf", "a.vmdk")
