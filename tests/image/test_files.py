"""What is on the disk and what is not, and who may write it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from image import boot_order, layout

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

NO_STORAGE = {
    *("autofs", "bpf", "cgroup2", "configfs", "devpts", "devtmpfs", "efivarfs", "mqueue", "proc", "pstore"),
    *("ramfs", "securityfs", "sysfs", "tracefs"),
}
"""File systems of the kernel's own."""
SHARED = {"/tmp", "/var/tmp"}  # noqa: S108 - named, not used
STATE_OF_SERVICES = {
    "/var/lib/systemd/network",
    "/var/lib/systemd/timesync",
    "/var/lib/systemd/timesync/clock",
}
"""All that is not root's, outside of what is made at boot."""


def installed(host: Host) -> set[str]:
    """Names of packages that dpkg's status file, as the build left it, calls installed."""
    paragraphs = host.file("/usr/share/causeway/packages").content_string.split("\n\n")
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


def test_methods_of_dataclasses_were_compiled_for_this_python(host: Host) -> None:
    code = "import dataclasses; from causeway_agent import compiled; compiled.use(); print(dataclasses.exec)"
    assert "use.<locals>" in host.check_output("/opt/causeway/bin/python -c %s", code)


def test_nothing_can_be_installed_and_no_mirror_is_known(host: Host) -> None:
    assert [name for name in PROGRAMS_UNWANTED if host.run("command -v %s", name).rc == 0] == []
    assert not host.file("/etc/apt").exists
    assert not host.file("/opt/causeway/bin/pip").exists


def test_nobody_but_root_may_write_the_system(host: Host) -> None:
    private = "-path '/var/tmp/systemd-private-*' -prune -o"
    assert host.check_output(f"find / /var -xdev {private} ! -type l -perm /0022 ! -perm -1000 -print") == ""
    shared = host.check_output(f"find / /var -xdev {private} -type d -perm -1002 -print")
    assert set(shared.splitlines()) == SHARED
    owned = set(host.check_output("find / /var -xdev ! -uid 0").splitlines())
    assert owned <= STATE_OF_SERVICES


def test_no_program_gives_rights_to_who_starts_it(host: Host) -> None:
    assert host.check_output(r"find / -xdev -type f -perm /6000") == ""
    # File capabilities are an extended attribute (capabilities(7)).
    code = (
        "import os; paths = (os.path.join(d, f) for top in ('/usr', '/opt') "
        "for d, _, fs in os.walk(top) for f in fs); "
        "print([p for p in paths if not os.path.islink(p) and 'security.capability' in os.listxattr(p)])"
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
    assert f"root=PARTUUID={layout.ROOT_A.uuid}" in host.file("/proc/cmdline").content_string
    assert (mounts["/"][1], "ro" in mounts["/"][2]) == ("squashfs", True)
    below = host.check_output("ls /sys/dev/block/$(mountpoint -d /)/slaves")
    assert f"/dev/{below}" == _device(host, layout.ROOT_A.uuid)


def test_nothing_of_the_system_can_be_written(host: Host) -> None:
    for where in ("/", "/etc", "/usr", "/opt/causeway", "/boot", "/srv", "/home", "/mnt"):
        assert host.run("touch %s/written", where).rc != 0, where
    # Nor past the file system: the kernel holds the partition for dm-verity alone, which takes no writes.
    code = "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_EXCL)"
    for device in ("/dev/dm-0", _device(host, layout.ROOT_A.uuid)):
        assert host.run("python3 -c %s %s", code, device).rc != 0, device
    writable = {
        fields[1]: fields[2]
        for fields in map(str.split, host.file("/proc/self/mounts").content_string.splitlines())
        if "rw" in fields[3].split(",") and fields[2] not in NO_STORAGE and not fields[1].startswith("/run/")
    }
    # The first request about slots mounts /efi, for as long as it is needed.
    writable.pop("/efi", None)
    assert writable == {
        "/state": "ext4",
        "/var/lib/causeway": "ext4",
        "/var/log/journal": "ext4",
        **dict.fromkeys(("/dev/shm", "/root", "/run", "/tmp", "/var"), "tmpfs"),  # noqa: S108
    }


def test_every_block_of_the_system_is_verified_and_a_wrong_one_is_a_panic(host: Host) -> None:
    mapped = host.file("/sys/block/dm-0/dm/name").content_string.strip()
    assert mapped == "root"
    option = re.search(
        r"causeway\.verity=(\d+):([0-9a-f]{64})(?: |$)", host.file("/proc/cmdline").content_string
    )
    assert option is not None
    assert int(host.file("/sys/block/dm-0/size").content_string) == int(option[1]) * 8
    assert host.file("/sys/block/dm-0/ro").content_string.strip() == "1"


def test_the_kernel_tries_no_ciphers_at_each_start_and_makes_no_huge_pages(host: Host) -> None:
    assert "cryptomgr.notests" in host.file("/proc/cmdline").content_string.split()
    assert "[never]" in host.file("/sys/kernel/mm/transparent_hugepage/enabled").content_string


def test_what_a_start_reads_is_there(host: Host) -> None:
    listed = f"/{boot_order.PLACE}"
    assert int(host.check_output("wc -l <%s", listed)) > 400
    missing = "cd / && for file in $(cat %s); do [ -f $file ] || echo $file; done"
    assert host.check_output(missing, listed) == ""


def test_the_machine_keeps_its_identity_with_its_state(host: Host) -> None:
    kept = host.file("/state/machine-id")
    assert kept.content_string == host.file("/etc/machine-id").content_string


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
