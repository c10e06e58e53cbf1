"""What is on the disk and what is not, and who may write it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from image import layout

if TYPE_CHECKING:
    from testinfra.host import Host

pytestmark = pytest.mark.booted

WANTED = (
    "dbus",
    "e2fsprogs",
    "haproxy",
    "hyperv-daemons",
    "iproute2",
    "iputils-ping",
    "kmod",
    "nftables",
    "open-vm-tools",
    "openssh-server",
    "openvpn",
    "procps",
    "python3-nftables",
    "systemd",
    "systemd-timesyncd",
    "udev",
)
UNWANTED = (
    "apt",
    "adduser",
    "cloud-init",
    "debconf",
    "gnupg",
    "initramfs-tools",
    "isc-dhcp-client",
    "locales",
    "openssl",
    "perl-base",
    "sudo",
)
PROGRAMS_UNWANTED = (
    "apt",
    "apt-get",
    "perl",
    "gcc",
    "curl",
    "wget",
    "sudo",
    "pip",
    "gpg",
    "networkctl",
    "dhclient",
)

SHARED = {"/tmp", "/var/tmp"}  # noqa: S108 - named, not used
STATE_OF_SERVICES = {
    "/var/lib/systemd/network",
    "/var/lib/systemd/timesync",
    "/var/lib/systemd/timesync/clock",
}
"""All that is not root's, outside of what is made at boot."""


def installed(host: Host) -> set[str]:
    """Names of packages that dpkg's status file calls installed."""
    paragraphs = host.file("/var/lib/dpkg/status").content_string.split("\n\n")
    return {
        match[1]
        for text in paragraphs
        if (match := re.search(r"^Package: (\S+)$", text, re.MULTILINE))
        and "\nStatus: install ok installed\n" in text
    }


def test_the_packages_of_an_appliance_are_there_and_those_of_a_workstation_are_not(host: Host) -> None:
    found = installed(host)
    assert set(WANTED) - found == set()
    assert set(UNWANTED) & found == set()


def test_nothing_can_be_installed_and_no_mirror_is_known(host: Host) -> None:
    assert [name for name in PROGRAMS_UNWANTED if host.run("command -v %s", name).rc == 0] == []
    assert not host.file("/etc/apt").exists
    assert not host.file("/opt/causeway/bin/pip").exists


def test_nobody_but_root_may_write_the_system(host: Host) -> None:
    private = "-path '/var/tmp/systemd-private-*' -prune -o"
    assert host.check_output(f"find / -xdev {private} ! -type l -perm /0022 ! -perm -1000 -print") == ""
    shared = host.check_output(f"find / -xdev {private} -type d -perm -1002 -print")
    assert set(shared.splitlines()) == SHARED
    owned = set(host.check_output("find / -xdev ! -uid 0").splitlines())
    assert owned <= STATE_OF_SERVICES


def test_no_program_gives_rights_to_who_starts_it(host: Host) -> None:
    assert host.check_output(r"find / -xdev -type f -perm /6000") == ""
    # File capabilities are an extended attribute (capabilities(7)).
    code = (
        "import os; paths = (os.path.join(d, f) for top in ('/usr', '/opt') "
        "for d, _, fs in os.walk(top) for f in fs); "
        "print([p for p in paths if 'security.capability' in os.listxattr(p, follow_symlinks=False)])"
    )
    assert host.check_output("python3 -c %s", code) == "[]"


def test_the_system_runs_from_its_slot_and_keeps_its_state_apart(host: Host) -> None:
    mounts = {
        fields[1]: (fields[0], fields[2], set(fields[3].split(",")))
        for fields in map(str.split, host.file("/proc/self/mounts").content_string.splitlines())
    }
    for where in ("/state", "/var/lib/causeway", "/var/log/journal"):
        device, kind, options = mounts[where]
        assert (kind, {"nosuid", "nodev", "noexec"} - options) == ("ext4", set()), where
        assert _device(host, layout.STATE.uuid) == device
    assert mounts["/"][1] == "ext4"
    assert host.check_output("findmnt -no PARTUUID /") == layout.ROOT_A.uuid
    assert f"root=PARTUUID={layout.ROOT_A.uuid}" in host.file("/proc/cmdline").content_string


def test_what_the_agent_keeps_is_for_root_alone(host: Host) -> None:
    assert host.file("/var/lib/causeway").mode == 0o700
    assert host.file("/state/ssh/ssh_host_ed25519_key").mode == 0o600
    assert host.check_output("find /var/lib/causeway -type f -perm /0077") == ""
    assert host.file("/etc/causeway/agent.json").mode == 0o600
    assert host.file("/etc/causeway").linked_to == "/var/lib/causeway/settings"


def test_identity_was_born_here(host: Host) -> None:
    identity = host.file("/etc/machine-id").content_string.strip()
    assert re.fullmatch(r"[0-9a-f]{32}", identity)
    keys = host.check_output("find /etc/ssh /state/ssh -name 'ssh_host_*_key'").splitlines()
    assert keys == ["/state/ssh/ssh_host_ed25519_key"]
    born = host.file("/state/ssh/ssh_host_ed25519_key").mtime.timestamp()
    boot = host.file("/proc/1").mtime.timestamp()
    assert born >= boot - 60
    assert host.check_output("hostname") == "gate"


def test_a_home_of_root_holds_no_key_and_no_trace_of_the_build(host: Host) -> None:
    assert not host.file("/root/.ssh/authorized_keys").exists
    assert host.check_output("find /root -xdev -type f ! -name '.bashrc' ! -name '.profile'") == ""


def _device(host: Host, partition: str) -> str:
    path: str = host.check_output("readlink -f %s", f"/dev/disk/by-partuuid/{partition}")
    return path
