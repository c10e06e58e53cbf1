"""A domain's XML: what is written, and what is read back."""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET

import pytest

from causeway_controller.hypervisors.base import HypervisorError, MachineSpec, NicSpec
from causeway_controller.hypervisors.libvirt import domain
from causeway_controller.hypervisors.libvirt.domain import Firmware, Hardware

SPEC = MachineSpec(
    owner_id="acme-kvm1",
    name="acme-kvm1",
    nics=(
        NicSpec(mac="02:00:00:00:00:01", segment="public"),
        NicSpec(mac="02:00:00:00:00:02", segment="openvswitch:ovs0/7"),
    ),
    seed=b"{}",
)


def described(spec: MachineSpec = SPEC, disc: str | None = "/pool/seed.iso") -> str:
    return domain.describe(
        spec, name="acme-kvm1-1", hardware=Hardware(domain="kvm"), disk="/pool/a&b.qcow2", disc=disc
    )


def test_the_owner_is_read_back_from_what_is_written() -> None:
    assert domain.owner(described()) == ("acme-kvm1", "acme-kvm1")
    assert domain.owner("<domain><metadata><x/></metadata></domain>") is None
    assert domain.owner("<domain/>") is None


def test_one_owner_id_has_one_uuid_for_ever() -> None:
    """Another one would make a second machine for every one that was deployed."""
    assert domain.identity("acme-kvm1") == "77023dd9-621b-5c1b-af8d-f4704936ba1a"
    assert uuid.UUID(domain.identity("acme-kvm2")).version == 5
    assert domain.identity("acme-kvm1") in described()


def test_disks_are_read_back_and_names_are_escaped() -> None:
    assert list(domain.disks(described())) == ["/pool/a&b.qcow2", "/pool/seed.iso"]
    assert list(domain.disks(described(disc=None))) == ["/pool/a&b.qcow2"]


def test_a_cd_is_where_the_appliances_kernel_sees_it() -> None:
    target = ET.fromstring(described()).find("devices/disk[@device='cdrom']/target")  # noqa: S314 - our own
    assert target is not None
    assert target.get("bus") == "scsi"


@pytest.mark.parametrize(("state", "expected"), [("connected", True), ("disconnected", False), (None, None)])
def test_the_guest_answers_once_its_agent_has_opened_the_channel(
    state: str | None,
    expected: bool | None,  # noqa: FBT001 - a parameter of the test
) -> None:
    text = described()
    if state is not None:
        text = text.replace('guest_agent.0"', f'guest_agent.0" state="{state}"')
    assert domain.guest_answers(text) is expected


def test_the_faster_type_that_the_host_has_is_taken() -> None:
    def host(*kinds: str, arch: str = "x86_64") -> str:
        types = "".join(f"<domain type='{kind}'/>" for kind in kinds)
        return (
            f"<capabilities><guest><os_type>hvm</os_type><arch name='{arch}'>{types}</arch></guest>"
            "</capabilities>"
        )

    assert domain.accelerated(host("qemu", "kvm")) == "kvm"
    assert domain.accelerated(host("qemu")) == "qemu"
    assert domain.accelerated(host("kvm", arch="aarch64")) is None


def capable(*, firmware: str = "efi", secure: tuple[str, ...] = ("yes", "no")) -> str:
    """A host's capabilities for a type of domain, as libvirt 9.0 says them."""
    values = "".join(f"<value>{one}</value>" for one in secure)
    return (
        f"<domainCapabilities><os supported='yes'><enum name='firmware'><value>{firmware}</value></enum>"
        f"<loader supported='yes'><value>/usr/share/OVMF/OVMF_CODE_4M.fd</value><enum name='secure'>{values}"
        "</enum></loader></os></domainCapabilities>"
    )


def test_secure_boot_is_taken_where_the_host_has_it() -> None:
    assert domain.firmware(capable()) is Firmware.SECURE
    assert domain.firmware(capable(secure=("no",))) is Firmware.UEFI
    assert domain.firmware(capable(firmware="bios")) is None
    assert domain.firmware("<domainCapabilities><os supported='no'/></domainCapabilities>") is None


@pytest.mark.parametrize(("firmware", "wanted"), [(Firmware.SECURE, "yes"), (Firmware.UEFI, "no")])
def test_a_machine_starts_by_uefi_and_says_whether_securely(firmware: Firmware, wanted: str) -> None:
    hardware = Hardware(domain="kvm", firmware=firmware)
    text = domain.describe(SPEC, name="acme-kvm1-1", hardware=hardware, disk="/d", disc=None)
    system = ET.fromstring(text).find("os")  # noqa: S314 - our own
    assert system is not None
    assert system.get("firmware") == "efi"
    feature = system.find("firmware/feature[@name='secure-boot']")
    assert feature is not None
    assert feature.get("enabled") == wanted


def test_the_vnics_are_as_they_were_asked_for() -> None:
    assert [(one.mac, one.network) for one in domain.nics(described())] == [
        (nic.mac, nic.segment) for nic in SPEC.nics
    ]
    domain.verify(described())


def test_a_vnic_on_a_network_over_a_bridge_is_on_that_network_also_while_it_runs() -> None:
    """As libvirt 9 describes one that is plugged in."""
    running = (
        "<domain><devices><interface type='bridge'><mac address='02:00:00:00:00:01'/>"
        "<source network='left' portid='7c1f6c3e-5a0e-4a53-9b1c-0242ac120002' bridge='br0'/></interface>"
        "</devices></domain>"
    )
    assert [one.network for one in domain.nics(running)] == ["left"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("02:00:00:00:00:01", "02:00:00:00:00:09", "its vNICs are"),
        ('network="public"', 'network="elsewhere"', "its vNICs are"),
        ('<tag id="7"', '<tag id="8"', "its vNICs are"),
        (
            '<model type="virtio" /><rom',
            '<model type="virtio" /><link state="down" /><rom',
            "is not connected",
        ),
    ],
    ids=["mac", "network", "vlan", "cable"],
)
def test_a_machine_that_was_rewired_is_refused(old: str, new: str, said: str) -> None:
    text = described()
    head, tail = text.split("</metadata>")
    assert old in tail
    with pytest.raises(HypervisorError, match=f"acme-kvm1 is not started: .*{said}"):
        domain.verify(f"{head}</metadata>{tail.replace(old, new, 1)}")


def test_what_an_older_controller_deployed_has_no_note_and_is_started() -> None:
    root = ET.fromstring(described())  # noqa: S314 - our own
    (appliance,) = root.findall("metadata/*")
    del appliance.attrib["nics"]
    domain.verify(ET.tostring(root, encoding="unicode").replace("public", "elsewhere"))
