"""The journal, the clock, the kernel's settings: what keeps an appliance usable for years."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from image.subject import HOST
from image.workshop import ROOT

if TYPE_CHECKING:
    from testinfra.host import Host

pytestmark = pytest.mark.booted

SYSCTLS = ROOT / "image/elements/causeway-network/static/usr/lib/sysctl.d/60-causeway.conf"
JOURNAL_USAGE = "ec387f577b844b8fa948f33cad9a75e6"
"""Message in which journald tells where the journal is and what it may take (sd-messages.h)."""
CAP = 96 << 20


def test_the_journal_survives_restarts_and_has_its_cap(host: Host) -> None:
    identity = host.file("/etc/machine-id").content_string.strip()
    assert host.file(f"/state/journal/{identity}/system.journal").exists
    said = host.check_output(
        "journalctl -b --no-pager -o verbose MESSAGE_ID=%s JOURNAL_NAME='System Journal'", JOURNAL_USAGE
    )
    limits = {int(number) for number in re.findall(r"MAX_USE=(\d+)", said)}
    assert limits == {CAP}


def test_the_clock_follows_the_servers_of_the_seed_and_no_others(host: Host) -> None:
    shown = dict(
        line.split("=", 1)
        for line in host.check_output("timedatectl show-timesync").splitlines()
        if "=" in line
    )
    assert shown["SystemNTPServers"] == HOST
    assert shown.get("FallbackNTPServers", "") == ""
    assert host.check_output("readlink -f /etc/localtime") == "/usr/share/zoneinfo/Etc/UTC"


def test_the_kernels_settings_are_the_closed_ones(host: Host) -> None:
    lines = (line for line in SYSCTLS.read_text().splitlines() if not line.startswith("#"))
    wanted = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    names = sorted(name for name in wanted if "*" not in name)
    found = host.check_output(f"sysctl -n {' '.join(names)}").splitlines()
    assert dict(zip(names, found, strict=True)) == {name: wanted[name] for name in names}
    for name in wanted.keys() - names:  # of all adapters, those that were there before it was set
        values = host.check_output(f"cat /proc/sys/{name.replace('.', '/')}").split()
        assert set(values) == {wanted[name]}, name


def test_no_adapter_takes_an_address_from_a_network(host: Host) -> None:
    shown = host.check_output("ip -o address show scope global")
    assert [line.split()[3] for line in shown.splitlines()] == ["10.0.2.15/24"]
    for name in ("systemd-networkd", "NetworkManager", "dhcpcd", "wicked"):
        assert host.run("pgrep -f %s", name).rc == 1


def test_the_kernel_is_not_tainted_and_complained_of_nothing_grave(host: Host) -> None:
    assert host.file("/proc/sys/kernel/tainted").content_string.strip() == "0"
    assert host.check_output("journalctl -k -b --no-pager -q -o cat -p crit") == ""


def test_nobody_wrote_an_error_into_the_journal(host: Host) -> None:
    """Errors of this boot; the virtual hardware's own are not the image's."""
    lines = host.check_output("journalctl -b --no-pager -q -o cat -p err").splitlines()
    assert [line for line in lines if not re.search(r"(?i)acpi|firmware bug|mce:|rtc|i8042", line)] == []
