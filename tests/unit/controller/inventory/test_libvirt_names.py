"""Names of things on a libvirt host: taken, or refused with what to say instead."""

from __future__ import annotations

import pytest

from causeway_controller.inventory import libvirt_names
from causeway_controller.inventory.libvirt_names import Segment, SegmentKind, Transport


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("public", Segment(kind=SegmentKind.NETWORK, name="public")),
        ("bridge:br0.101", Segment(kind=SegmentKind.BRIDGE, name="br0.101")),
        ("openvswitch:ovs0", Segment(kind=SegmentKind.OPENVSWITCH, name="ovs0")),
        ("openvswitch:ovs0/101", Segment(kind=SegmentKind.OPENVSWITCH, name="ovs0", vlan=101)),
    ],
)
def test_a_segment_is_a_network_or_a_bridge(text: str, expected: Segment) -> None:
    assert libvirt_names.segment(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "network:public",
        "vmnic:0",
        "bridge:",
        "bridge:a-name-of-16-oct",
        "bridge:br 0",
        "bridge:../x",
        "bridge:br0/101",
        "public/101",
        "openvswitch:ovs0/0",
        "openvswitch:ovs0/4095",
        "openvswitch:ovs0/x",
        "-v",
        "br{vlan}",
    ],
)
def test_what_is_no_segment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        libvirt_names.segment(text)


@pytest.mark.parametrize(
    ("switch", "expected"),
    [
        ("vlan{vlan}", "vlan101"),
        ("bridge:br{vlan}", "bridge:br101"),
        ("openvswitch:ovs0", "openvswitch:ovs0/101"),
    ],
)
def test_a_vlan_of_a_switch_is_a_segment(switch: str, expected: str) -> None:
    assert libvirt_names.segment_of(switch, 101) == expected
    libvirt_names.segment(expected)


@pytest.mark.parametrize("switch", ["br0", "bridge:br0", "openvswitch:o{vlan}", "bridge:longer-name-{vlan}"])
def test_a_switch_says_where_a_vlan_is(switch: str) -> None:
    with pytest.raises(ValueError, match=r"VLAN|bridge"):
        libvirt_names.segment_of(switch, 4094)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("qemu:///system", Transport.LOCAL),
        ("qemu+unix:///system?socket=/run/x/libvirt-sock", Transport.SOCKET),
        ("qemu+tls://kvm1.example/system", Transport.TLS),
        ("qemu+tls://[2001:db8::1]:16514/system", Transport.TLS),
        ("qemu+ssh://causeway@kvm1.example:2222/system", Transport.SSH),
        ("qemu+ssh://kvm1.example/system?socket=/run/libvirt/libvirt-sock", Transport.SSH),
    ],
)
def test_an_endpoint_says_how_the_host_is_reached(text: str, expected: Transport) -> None:
    assert libvirt_names.endpoint(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        "https://kvm1.example/sdk",
        "lxc:///system",
        "test:///default",
        "qemu+tcp://kvm1.example/system",
        "qemu+ext:///system?command=/bin/sh",
        "qemu+ssh://kvm1.example/system?command=/bin/sh",
        "qemu+ssh://kvm1.example/system?netcat=sh",
        "qemu+ssh://kvm1.example/system?no_verify=1",
        "qemu+tls://kvm1.example/system?no_verify=1",
        "qemu+tls://kvm1.example/system?pkipath=/tmp",
        "qemu+tls://kvm1.example/system?socket=/run/x",
        "qemu+tls://root@kvm1.example/system",
        "qemu+ssh://-oProxyCommand=sh/system",
        "qemu+ssh://-l@kvm1.example/system",
        "qemu+ssh://root:secret@kvm1.example/system",
        "qemu+ssh://kvm1.example:99999/system",
        "qemu://kvm1.example/system",
        "qemu+unix://kvm1.example/system",
        "qemu+unix:///system?socket=run",
        "qemu+unix:///system?socket=/run/x;sh",
        "qemu+unix:///system?socket",
        "qemu+tls://[2001:db8::1/system",
        "qemu:///system#x",
        "qemu:///embed?root=/tmp",
        "xen:///system",
    ],
)
def test_an_endpoint_that_runs_programs_or_trusts_everybody_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"say qemu:///system, qemu\+tls://HOST/system|no host"):
        libvirt_names.endpoint(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("qemu:///session", "cannot plug machines into the host's bridges; say qemu:///system"),
        ("qemu+ssh://u@kvm1.example/session", "bridges; say qemu+ssh://u@kvm1.example/system"),
        (
            "qemu+unix:///session?socket=/run/x",
            "bridges; say qemu+unix:///system?socket=/run/x",
        ),
        ("lxc:///system", "appliances are VMs of QEMU with KVM; say qemu:///system"),
        ("test:///default", "libvirt only pretends there, and runs nothing; say qemu:///system"),
        ("esx://root@esx1.example/?no_verify=1", "say kind: vsphere, and https://esx1.example/sdk"),
        ("esx://root:pa/ss@esx1.example/", "say kind: vsphere, and https://esx1.example/sdk"),
        ("vpx://vc.example/DC0/esx1", "say kind: vsphere, and https://vc.example/sdk"),
        ("hyperv://hv1.example/", "say kind: hyperv, and https://hv1.example/wsman"),
        ("qemu+tcp://kvm1.example/system", "goes over tcp, which is not taken: nothing on it is encrypted"),
        ("qemu+libssh2://kvm1.example/system", "OpenSSH's are taken"),
        ("qemu+tsl://kvm1.example/system", "goes over tsl, which is not taken: libvirt has no such way"),
        ("qemu+tls:///system", "names no host; say qemu+tls://HOST/system"),
        ("qemu+ssh:///system", "names no host; say qemu+ssh://HOST/system"),
        ("qemu+tls://:16514/system", "names no host; say qemu+tls://HOST/system"),
        ("qemu+tls://kvm1.example", "does not end with /system"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_say_instead(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"say ") as raised:
        libvirt_names.endpoint(text)
    assert said in str(raised.value)


def test_a_vm_is_known_by_its_uuid() -> None:
    libvirt_names.vm("7c1f6c3e-5a0e-4a53-9b1c-0242ac120002")
    for text in ("vm-212", "7C1F6C3E-5A0E-4A53-9B1C-0242AC120002", "7c1f6c3e5a0e4a539b1c0242ac120002"):
        with pytest.raises(ValueError, match="virsh domuuid"):
            libvirt_names.vm(text)
