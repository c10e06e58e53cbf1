"""Units that only one hypervisor's machines start: started here once, where nobody would otherwise notice.

Their conditions are taken away for it. VMware's tools then have to run: QEMU answers at VMware's port.
Hyper-V's daemons have no host to speak to: they are to get as far as asking for its device.
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


def test_vmwares_tools_start(host: Host) -> None:
    place = f"{RUN}/{TOOLS}.d"
    try:
        host.check_output(
            f"mkdir -p {place} && printf '[Unit]\\nConditionVirtualization=\\n' >{place}/gate.conf && "
            f"systemctl daemon-reload && systemctl start {TOOLS} && sleep 5"
        )
        shown = host.check_output(f"systemctl show -p Result -p ActiveState -p SubState --value {TOOLS}")
        journal = host.check_output(f"journalctl --no-pager -o cat -u {TOOLS}")
        assert shown.split() == ["success", "active", "running"], journal
        assert "not found" not in journal
        assert "annot open shared object" not in journal
    finally:
        host.run(f"systemctl stop {TOOLS}; rm -rf {place}; systemctl daemon-reload")


@pytest.mark.parametrize(("unit", "device"), DAEMONS.items())
def test_hyper_vs_daemons_get_as_far_as_their_device(host: Host, unit: str, device: str) -> None:
    """A copy without what binds it to a device that only Hyper-V has."""
    copy = f"gate-{unit}"
    try:
        host.check_output(
            f"systemctl cat {unit} | sed -E '/^({ELSEWHERE})=/d' >{RUN}/{copy} && systemctl daemon-reload"
        )
        host.run(f"systemctl start {copy}; sleep 3")
        journal = host.check_output(f"journalctl --no-pager -o cat -u {copy}")
        assert f"open /dev/vmbus/{device} failed" in journal, journal
    finally:
        host.run(
            f"systemctl stop {copy}; systemctl reset-failed {copy}; rm {RUN}/{copy}; systemctl daemon-reload"
        )
