"""What runs, as whom, and with which rights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from image.workshop import ROOT

if TYPE_CHECKING:
    from testinfra.host import Host

pytestmark = pytest.mark.booted

UNIT = ROOT / "image/elements/causeway-agent/static/etc/systemd/system/causeway-agent.service"
REFERENCE = ROOT / "docs/reference/image.md"
OWN_UNITS = ROOT / "image/elements"
CONFINED = 5.0
"""Exposure that `systemd-analyze security` calls OK."""
RIGHTS = {
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_SETUID",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_KILL",
    "CAP_SYS_PTRACE",
}
"""Those documented; one more is a decision, made here too."""
# linux/capability.h
NUMBERS = {
    "CAP_CHOWN": 0,
    "CAP_DAC_OVERRIDE": 1,
    "CAP_KILL": 5,
    "CAP_SETGID": 6,
    "CAP_SETUID": 7,
    "CAP_SETPCAP": 8,
    "CAP_NET_ADMIN": 12,
    "CAP_NET_RAW": 13,
    "CAP_SYS_PTRACE": 19,
}
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def status(host: Host, pid: str) -> dict[str, str]:
    """proc_pid_status(5)."""
    text = host.file(f"/proc/{pid}/status").content_string
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def main_pid(host: Host, unit: str) -> str:
    pid: str = host.check_output("systemctl show -p MainPID --value %s", unit)
    assert int(pid) > 0, unit
    return pid


def test_the_system_is_up_and_no_unit_failed(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""
    assert host.check_output("systemctl is-system-running --wait") == "running"


@pytest.mark.parametrize("unit", ["systemd-modules-load", "systemd-sysctl", "systemd-journal-flush"])
def test_debians_own_steps_of_a_start_are_waited_for_as_long_as_others(host: Host, unit: str) -> None:
    assert host.check_output("systemctl show -p TimeoutStartUSec --value %s", f"{unit}.service") == "10min"


def test_the_seed_came_as_the_property_that_the_ova_offers(host: Host) -> None:
    said = host.check_output("journalctl --no-pager -o cat -u 'causeway-boot-*'")
    assert "by the seed from OVF property causeway.seed of ovf-env.xml in /dev/sr0" in said


@pytest.mark.parametrize(
    "unit",
    [
        "causeway-agent.service",
        "causeway-console.service",
        "ssh.service",
        "systemd-journald.service",
        "systemd-timesyncd.service",
        "systemd-udevd.service",
    ],
)
def test_what_an_appliance_needs_runs(host: Host, unit: str) -> None:
    assert host.check_output("systemctl is-active %s", unit) == "active"


def test_the_efi_system_partition_is_checked_before_it_is_mounted(host: Host) -> None:
    check = "causeway-esp-check.service"
    assert check in host.check_output("systemctl show -p Requires --value efi.mount").split()
    assert check in host.check_output("systemctl show -p After --value efi.mount").split()
    host.check_output("systemctl start efi.mount")
    shown = host.check_output("systemctl show -p Result,ActiveState %s", check)
    assert set(shown.split()) == {"Result=success", "ActiveState=active"}


def test_nothing_else_runs_as_a_service(host: Host) -> None:
    lines = host.check_output("systemctl list-units --type=service --state=running --no-legend --plain")
    running = {line.split()[0] for line in lines.splitlines()}
    known = {
        "causeway-agent.service",
        "causeway-console.service",
        "dbus.service",
        "ssh.service",
        "systemd-journald.service",
        # a hypervisor's power button
        "systemd-logind.service",
        "systemd-timesyncd.service",
        "systemd-udevd.service",
    }
    # Asked for by name a moment ago, over D-Bus, by another test; they end by themselves.
    passing = {"systemd-hostnamed.service", "systemd-timedated.service"}
    assert running - passing == known


def test_the_agent_has_the_rights_that_are_documented_and_no_more(host: Host) -> None:
    granted = set(re.findall(r"CAP_[A-Z_]+", " ".join(_lines("CapabilityBoundingSet="))))
    assert granted == RIGHTS
    section = REFERENCE.read_text().partition("## The agent's unit")[2].partition("\n## ")[0]
    described = {name for line in _rows(section) for name in re.findall(r"CAP_[A-Z_]+", line)}
    assert described == RIGHTS
    mask = sum(1 << NUMBERS[name] for name in RIGHTS)
    found = status(host, main_pid(host, "causeway-agent"))
    assert {name: int(found[name], 16) for name in SETS} == {
        "CapInh": 0,
        "CapPrm": mask,
        "CapEff": mask,
        "CapBnd": mask,
        "CapAmb": 0,
    }
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")


def test_the_console_page_has_no_right_at_all(host: Host) -> None:
    found = status(host, main_pid(host, "causeway-console"))
    assert {int(found[name], 16) for name in SETS} == {0}
    assert found["NoNewPrivs"] == "1"


def test_the_console_page_takes_little_memory(host: Host) -> None:
    """Proportional set size (proc_pid_smaps(5)) between two pages; what composes them has 9 MB."""
    rollup = host.file(f"/proc/{main_pid(host, 'causeway-console')}/smaps_rollup").content_string
    found = re.search(r"^Pss:\s+(\d+) kB$", rollup, re.MULTILINE)
    assert found is not None
    assert int(found[1]) < 1024


def test_the_agents_exposure_is_no_worse_than_documented(host: Host) -> None:
    documented = re.search(
        r"`systemd-analyze security\s+causeway-agent`\s+says (\d+\.\d+)", REFERENCE.read_text()
    )
    assert documented is not None
    said = host.check_output("systemd-analyze security --no-pager causeway-agent.service | tail -n 1")
    found = re.search(r"(\d+\.\d+)", said)
    assert found is not None, said
    assert float(found[1]) <= float(documented[1])


def test_every_service_is_confined_or_its_reason_is_documented(host: Host) -> None:
    section = REFERENCE.read_text().partition("## Other units")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in row.split("|")[1:3]] for row in section.splitlines() if "service`" in row
    ]
    documented = {name: float(worst) for names, worst in rows for name in re.findall(r"`(\S+)`", names)}
    shown = host.check_output("systemd-analyze security --no-pager").splitlines()
    found = {line.split()[0]: float(line.split()[1]) for line in shown[1:] if line.strip()}
    assert len(found) > 8
    open_ones = {
        name: exposure
        for name, exposure in found.items()
        if exposure > documented.get(re.sub(r"@.+\.", "@.", name), CONFINED)
    }
    assert open_ones == {}


@pytest.mark.parametrize(
    "unit", sorted(path.name for path in OWN_UNITS.glob("*/static/etc/systemd/system/*.service"))
)
def test_every_unit_of_our_own_is_confined(host: Host, unit: str) -> None:
    said = host.check_output("systemd-analyze security --no-pager %s | tail -n 1", unit)
    exposure = re.search(r"(\d+\.\d+)", said)
    assert exposure is not None, said
    assert float(exposure[1]) <= CONFINED


def test_the_user_of_tunnels_owns_nothing_and_cannot_log_in(host: Host) -> None:
    user = host.user("causeway-vpn")
    assert (user.shell, user.home) == ("/usr/sbin/nologin", "/nonexistent")
    assert user.groups == ["causeway-vpn"]
    assert host.check_output("find / -xdev -user causeway-vpn; find /state -xdev -user causeway-vpn") == ""


def test_the_packet_filter_was_closed_before_any_adapter_could_be_configured(host: Host) -> None:
    closed = _moment(host, "causeway-closed.service", "ActiveEnterTimestampMonotonic")
    assert 0 < closed < _moment(host, "causeway-boot-first.service", "ExecMainStartTimestampMonotonic")
    assert closed < _moment(host, "causeway-agent.service", "ExecMainStartTimestampMonotonic")
    alone = host.check_output("unshare --net sh -c 'nft -f /usr/lib/causeway/closed.nft && nft list ruleset'")
    assert alone.count("policy drop;") == 2
    assert alone.count("accept") == 1  # of the loopback
    # Nothing of it is left once the agent's own rules are in force.
    tables = set(host.check_output("nft list tables").splitlines())
    assert tables == {f"table {family} causeway" for family in ("inet", "arp", "bridge")}


def _moment(host: Host, unit: str, what: str) -> int:
    """Microseconds since the kernel's start."""
    return int(host.check_output("systemctl show -p %s --value %s", what, unit))


def _lines(start: str) -> list[str]:
    return [line for line in UNIT.read_text().splitlines() if line.startswith(start)]


def _rows(section: str) -> list[str]:
    """Rows of what the agent has, not of what it has not."""
    return [line.partition("is not granted")[0] for line in section.splitlines() if line.startswith("| CAP_")]
