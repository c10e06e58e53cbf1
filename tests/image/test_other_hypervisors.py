"""Units that only one hypervisor's machines start: started here once, where nobody would otherwise notice.

Their conditions are taken away for it. There is no such host to speak to, so each is to get as far as finding
that out: its unit is started with all that it requires, its program is executed and finds its libraries.
Their complaints stand in the journal: these tests come after the one that reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testinfra.host import Host

pytestmark = pytest.mark.booted

TOOLS = "open-vm-tools.service"
DAEMONS = {"hv-kvp-daemon.service": "hv_kvp", "hv-vss-daemon.service": "hv_vss"}
# Asks itself whether VMware's tools are worth waiting for; that it runs, every other test shows.
EVERYWHERE = "causeway-boot-first.service"
ELSEWHERE = "ConditionVirtualization|BindsTo|Conflicts"
RUN = "/run/systemd/system"
PLUGINS = "/usr/lib/x86_64-linux-gnu/open-vm-tools/plugins"
LOAD = f"import ctypes, glob; print(len([ctypes.CDLL(path) for path in glob.glob('{PLUGINS}/*/*.so')]))"
NEEDED = {"guestInfo", "powerOps", "timeSync", "vmbackup"}
"""What a host asks of its guest: addresses, shutting down, time, quiescing."""


def test_every_unit_with_such_a_condition_is_known_here(host: Host) -> None:
    places = "/etc/systemd/system /usr/lib/systemd/system"
    asked = "^ConditionVirtualization="
    files = host.check_output(f"grep -rlE '{asked}\\|?[a-z]' {places} | xargs grep -LE '{asked}no$'")
    units = {
        part.removesuffix(".d")
        for line in files.splitlines()
        for part in line.split("/")
        if part.endswith((".service", ".service.d"))
    }
    assert units == {TOOLS, EVERYWHERE, *DAEMONS}


def test_vmwares_tools_start_and_see_that_this_is_no_host_of_theirs(host: Host) -> None:
    """Elsewhere vmtoolsd ends with 1 and without a word (open-vm-tools, services/vmtoolsd/mainPosix.c)."""
    place = f"{RUN}/{TOOLS}.d"
    try:
        host.check_output(
            f"mkdir -p {place} && printf '[Unit]\\nConditionVirtualization=\\n' >{place}/gate.conf && "
            f"systemctl daemon-reload && systemctl start {TOOLS} && {_until(f'systemctl is-failed {TOOLS}')}"
        )
        shown = host.check_output(
            f"systemctl show -p Result -p ExecMainCode -p ExecMainStatus --value {TOOLS}"
        )
        assert sorted(shown.split()) == ["1", "1", "exit-code"]  # it ended by itself (CLD_EXITED), with 1
        said = host.run("vmware-checkvm")
        assert "inside a virtual machine on a VMware hypervisor" in said.stdout + said.stderr
    finally:
        host.run(f"rm -rf {place}; systemctl daemon-reload; systemctl reset-failed {TOOLS}")


def test_every_plugin_of_vmwares_tools_loads(host: Host) -> None:
    there = host.check_output(f"ls {PLUGINS}/vmsvc")
    assert {name for name in NEEDED if f"lib{name}.so" in there} == NEEDED
    loaded = host.check_output("python3 -c %s", LOAD)
    assert int(loaded) >= len(NEEDED)


@pytest.mark.parametrize(("unit", "device"), DAEMONS.items())
def test_hyper_vs_daemons_get_as_far_as_their_device(host: Host, unit: str, device: str) -> None:
    """A copy without what binds it to a device that only Hyper-V has."""
    copy, complaint = f"gate-{unit}", f"open /dev/vmbus/{device} failed"
    try:
        host.check_output(
            f"systemctl cat {unit} | sed -E '/^({ELSEWHERE})=/d' >{RUN}/{copy} && systemctl daemon-reload && "
            f"systemctl start {copy} && "
            + _until(f"journalctl --no-pager -q -o cat -u {copy} | grep -q '{complaint}'")
        )
    finally:
        host.run(
            f"systemctl stop {copy}; rm {RUN}/{copy}; systemctl daemon-reload; systemctl reset-failed {copy}"
        )


def _until(question: str) -> str:
    """Shell that waits up to a minute until this succeeds."""
    return (
        f"for second in $(seq 60); do {question} >/dev/null && break; sleep 1; done && {question} >/dev/null"
    )
