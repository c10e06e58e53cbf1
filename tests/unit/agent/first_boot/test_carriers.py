"""Which seed is found, where, and when none is taken although there is one."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.backends.host.block_devices import Disk
from causeway_agent.errors import BackendError, SeedRefusedError
from causeway_agent.first_boot import carriers
from causeway_agent.first_boot.carrier import Carrier
from causeway_agent.first_boot.carriers import Sources
from causeway_controller.hypervisors import seed_image

OVF = """<?xml version="1.0"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1"
             xmlns:oe="http://schemas.dmtf.org/ovf/environment/1">
  <PropertySection>
    <Property oe:key="other" oe:value="no"/>
    <Property oe:key="causeway.seed" oe:value="{&quot;version&quot;: 1}"/>
  </PropertySection>
</Environment>"""


def disk(directory: Path, content: bytes, name: str = "sr0") -> Disk:
    (directory / name).write_bytes(content)
    return Disk(directory / name)


def credential(directory: Path, content: bytes) -> Path:
    (directory / "causeway.seed").write_bytes(content)
    return directory


def refusal(sources: Sources) -> str:
    with pytest.raises(SeedRefusedError) as caught:
        carriers.look(sources)
    return str(caught.value)


def host(values: Mapping[str, bytes]) -> Sources:
    return Sources(disks=tuple, guestinfo=values.get)


def test_a_machine_without_carriers_finds_nothing(tmp_path: Path) -> None:
    assert carriers.look(Sources(disks=tuple)) is None
    assert carriers.look(Sources(credentials=tmp_path, disks=tuple)) is None


def test_each_carrier_is_found(tmp_path: Path) -> None:
    image = disk(tmp_path, seed_image.iso(b"from the disk"))
    by_disk = carriers.look(Sources(disks=lambda: (image,)))
    assert by_disk is not None
    assert (by_disk.data, by_disk.disk) == (b"from the disk", image)
    by_credential = carriers.look(Sources(credentials=credential(tmp_path, b"credential"), disks=tuple))
    assert by_credential is not None
    assert by_credential.data == b"credential"
    by_variable = carriers.look(host({"causeway.seed": b"variable"}))
    assert by_variable is not None
    assert by_variable.data == b"variable"
    by_property = carriers.look(host({"ovfEnv": OVF.encode()}))
    assert by_property is not None
    assert by_property.data == b'{"version": 1}'


def test_the_first_carrier_decides_and_equal_ones_agree(tmp_path: Path) -> None:
    image = disk(tmp_path, seed_image.iso(b"same"))
    both = Sources(credentials=credential(tmp_path, b"same"), disks=lambda: (image,))
    found = carriers.look(both)
    assert found is not None
    assert found.where == "credential causeway.seed"


def test_two_carriers_with_different_seeds_are_refused_both_named(tmp_path: Path) -> None:
    image = disk(tmp_path, seed_image.iso(b"one"))
    sentence = refusal(Sources(credentials=credential(tmp_path, b"other"), disks=lambda: (image,)))
    assert "credential causeway.seed" in sentence
    assert str(image.path) in sentence
    other = disk(tmp_path, seed_image.iso(b"two"), "sr1")
    assert "different seeds" in refusal(Sources(disks=lambda: (image, other)))


def test_disks_of_others_are_passed_over(tmp_path: Path) -> None:
    foreign = seed_image.iso(b"x").replace(b"CAUSEWAY", b"DEBIAN13")
    disks = (
        disk(tmp_path, bytes(64 * 1024), "vda"),
        disk(tmp_path, foreign, "sr0"),
        disk(tmp_path, b"", "sr1"),
        Disk(tmp_path / "gone"),
        Disk(tmp_path),
    )
    assert carriers.look(Sources(disks=lambda: disks)) is None


def test_a_disk_of_ours_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    short = disk(tmp_path, seed_image.iso(b"x" * 3000)[:-2048])
    assert "not copied whole" in refusal(Sources(disks=lambda: (short,)))
    empty = disk(tmp_path, seed_image.iso(b"x").replace(b"SEED.JSON", b"SEED.TEXT"))
    assert "no file seed.json" in refusal(Sources(disks=lambda: (empty,)))


def test_only_the_carriers_asked_for_are_looked_at(tmp_path: Path) -> None:
    image = disk(tmp_path, seed_image.iso(b"x"))
    assert carriers.look(Sources(carriers=(Carrier.CREDENTIAL,), disks=lambda: (image,))) is None


def test_a_host_that_does_not_answer_is_told() -> None:
    def silent(name: str) -> bytes | None:
        raise BackendError(f"read {name}", "no answer")

    assert "no answer" in refusal(Sources(disks=tuple, guestinfo=silent))


@pytest.mark.parametrize("text", [b"<x", b"<!DOCTYPE x><x/>", b"<x/>" + b" " * 300_000])
def test_an_environment_that_is_none_is_refused(text: bytes) -> None:
    assert "the OVF environment" in refusal(host({"ovfEnv": text}))


def test_an_environment_without_our_property_is_nothing() -> None:
    assert carriers.look(host({"ovfEnv": b"<Environment/>"})) is None


def environment(own: str, entities: str = "") -> bytes:
    return f"""<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1"
        xmlns:oe="http://schemas.dmtf.org/ovf/environment/1" oe:id="one">
        <PropertySection>{own}</PropertySection>{entities}</Environment>""".encode()


def own(value: str) -> str:
    return f'<Property oe:key="causeway.seed" oe:value="{value}"/>'


def test_the_seed_of_another_machine_of_the_vapp_is_not_ours() -> None:
    others = f'<Entity oe:id="two"><PropertySection>{own("theirs")}</PropertySection></Entity>'
    assert carriers.look(host({"ovfEnv": environment("", others)})) is None
    found = carriers.look(host({"ovfEnv": environment(own("mine"), others)}))
    assert found is not None
    assert found.data == b"mine"


def test_an_environment_that_contradicts_itself_is_refused() -> None:
    assert "more than one" in refusal(host({"ovfEnv": environment(own("one") + own("two"))}))
    assert carriers.look(host({"ovfEnv": environment(own("one") + own("one"))})) is not None


@pytest.mark.parametrize("name", ["causeway.seed", "ovfEnv"])
def test_base64_is_decoded_wherever_text_arrives(name: str) -> None:
    text = b'{"version": 1}'
    encoded = base64.b64encode(text)
    value = encoded if name == "causeway.seed" else environment(own(encoded.decode()))
    found = carriers.look(host({name: value}))
    assert found is not None
    assert found.data == text


def test_an_empty_variable_is_no_seed() -> None:
    assert carriers.look(host({"causeway.seed": b" \n"})) is None


def test_every_transport_at_once_agrees(tmp_path: Path) -> None:
    text = b'{"version": 1}\n'
    image = disk(tmp_path, seed_image.iso(text))
    values = {
        "causeway.seed": text.strip(),
        "ovfEnv": environment(own(base64.b64encode(text).decode())),
    }
    found = carriers.look(Sources(disks=lambda: (image,), guestinfo=values.get))
    assert found is not None
    assert (found.data, found.disk) == (text, image)


@given(st.binary(max_size=200))
def test_no_environment_crashes_the_search(text: bytes) -> None:
    try:
        carriers.ovf_property(text)
    except SeedRefusedError as error:
        assert "the OVF environment" in str(error)  # noqa: PT017 - either way is right, a crash is not
