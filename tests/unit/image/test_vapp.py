"""The OVA's own descriptor, through what vSphere makes of it, to the appliance that reads it."""

from __future__ import annotations

import base64
import json
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from causeway_agent.backends.host.block_devices import Disk
from causeway_agent.first_boot import carriers
from causeway_agent.first_boot.carriers import Sources
from causeway_wire import seed
from image import export, ovf, subject, vapp

TEXT = '{"version": 1, "appliance": "a & \\"b\\" <c>"}\n'
ENCODED = base64.b64encode(TEXT.encode()).decode()
FOLDED = base64.encodebytes(TEXT.encode() * 3).decode()
APPLIANCE = ovf.Appliance(name="causeway-1.0", version="1.0", disk="d.vmdk", disk_octets=1, capacity=1 << 30)
XORRISO = ("xorriso", "-as", "mkisofs", "-quiet")


@pytest.fixture
def descriptor() -> str:
    return ovf.descriptor(export.TEMPLATE.read_text(), APPLIANCE)


def by_variable(environment: str) -> bytes | None:
    found = carriers.look(Sources(disks=tuple, guestinfo={"ovfEnv": environment.encode()}.get))
    return None if found is None else found.data


def by_disc(environment: str, directory: Path, *options: str) -> bytes | None:
    (directory / vapp.FILE).write_text(environment)
    command = [*XORRISO, *options, "-o", str(directory / "sr0"), str(directory / vapp.FILE)]
    subprocess.run(command, check=True, capture_output=True)
    disk = Disk(directory / "sr0")
    found = carriers.look(Sources(disks=lambda: (disk,)))
    assert found is None or found.disk == disk
    return None if found is None else found.data


@pytest.mark.parametrize("value", [ENCODED, f" {ENCODED}\n", TEXT.strip()])
def test_what_is_entered_for_the_property_reaches_the_importer(
    descriptor: str, value: str, tmp_path: Path
) -> None:
    told = vapp.environment(descriptor, {key: value for key, *_ in ovf.PROPERTIES})
    for found in (by_variable(told), by_disc(told, tmp_path, "-V", vapp.LABEL)):
        assert found is not None
        assert json.loads(found) == json.loads(TEXT)


def test_base64_may_be_folded(descriptor: str) -> None:
    told = vapp.environment(descriptor, {seed.OVF_KEY: FOLDED})
    assert by_variable(told) == TEXT.encode() * 3


def test_a_whole_seed_is_the_same_afterwards(descriptor: str, tmp_path: Path) -> None:
    made = subject.make(directory=tmp_path, disk=tmp_path / "d.qcow2")
    text = subject.seed_of(made, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDummyDummyDummy gate")
    told = vapp.environment(descriptor, {seed.OVF_KEY: base64.b64encode(text).decode()})
    found = by_variable(told)
    assert found == text
    assert seed.decode(found).appliance == subject.APPLIANCE


@pytest.mark.parametrize("label", ["OVF ENV", "OVF-TRANSPORT", "ovfenv", "CDROM"])
@pytest.mark.parametrize("options", [("-r",), ("--norock", "-J"), ("--norock", "-iso-level", "3")])
def test_the_disc_is_known_by_its_file_whatever_its_label(
    descriptor: str, label: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    told = vapp.environment(descriptor, {seed.OVF_KEY: ENCODED})
    assert by_disc(told, tmp_path, "-V", label, *options) == TEXT.encode()


def test_a_property_left_empty_is_no_seed(descriptor: str, tmp_path: Path) -> None:
    told = vapp.environment(descriptor, {})
    assert by_variable(told) is None
    assert by_disc(told, tmp_path, "-V", vapp.LABEL) is None
    assert by_variable(vapp.environment(descriptor, {seed.OVF_KEY: " \n"})) is None


def test_what_the_descriptor_does_not_offer_cannot_be_entered(descriptor: str) -> None:
    with pytest.raises(vapp.UnknownPropertyError, match=r"causeway\.seed"):
        vapp.environment(descriptor, {seed.CREDENTIAL: ENCODED})


def test_every_property_that_is_offered_is_one_that_the_appliance_reads(descriptor: str) -> None:
    told = vapp.environment(descriptor, {})
    assert told.count("oe:key=") == len(ovf.PROPERTIES) == 1
    assert f'oe:key="{seed.CREDENTIAL}"' in told


def test_the_descriptor_in_an_ova_is_found(descriptor: str, tmp_path: Path) -> None:

    names = ovf.members("a", "d.vmdk")
    with tarfile.open(tmp_path / "a.ova", "w") as archive:
        for name in names:
            (tmp_path / name).write_text(descriptor if name.endswith(".ovf") else "x")
            archive.add(tmp_path / name, name)
    assert export.descriptor_of(tmp_path / "a.ova") == descriptor
    with tarfile.open(tmp_path / "b.ova", "w") as archive:
        archive.add(tmp_path / "a.mf", "a.mf")
    with pytest.raises(ValueError, match="does not begin with a descriptor"):
        export.descriptor_of(tmp_path / "b.ova")


def test_a_name_with_special_characters_does_not_change_the_properties() -> None:
    text = ovf.descriptor(export.TEMPLATE.read_text(), replace(APPLIANCE, name='a"<&'))
    assert by_variable(vapp.environment(text, {seed.OVF_KEY: ENCODED})) == TEXT.encode()
