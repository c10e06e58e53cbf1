"""The image's kernel settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from causeway_agent.plan.compile import openvpn_config
from causeway_agent.plan.model import reassembly

SETTINGS = (
    Path(__file__).parents[3] / "image/elements/causeway-network/static/usr/lib/sysctl.d/60-causeway.conf"
)


def values() -> dict[str, str]:
    lines = (line.partition("=") for line in SETTINGS.read_text().splitlines() if not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in lines}


def test_fragments_get_at_boot_what_the_agent_gives_them() -> None:
    for setting in reassembly.settings():
        if not setting.key.startswith("net/netfilter/"):  # exist once a packet filter was loaded
            assert values()[setting.key.replace("/", ".")] == setting.value


def test_a_whole_site_has_room() -> None:
    """Connections, neighbours of each family, and chains of connections short enough to be walked."""
    connections = int(values()["net.netfilter.nf_conntrack_max"])
    assert connections >= 65536
    assert connections <= 4 * int(values()["net.netfilter.nf_conntrack_buckets"])
    assert connections * 320 <= 32 << 20  # of 512 MB
    for family in ("ipv4", "ipv6"):
        assert int(values()[f"net.{family}.neigh.default.gc_thresh3"]) >= 16384


def test_no_neighbour_takes_a_link_local_address_away() -> None:
    """The agent says it of adapters in use; they are up before it runs (`*`: of those that are there)."""
    assert {values()[f"net.ipv6.conf.{device}.accept_dad"] for device in ("all", "default", "*")} == {"0"}


def test_connections_can_be_counted_before_they_are_limited() -> None:
    """systemd-sysctl passes over what is not there, and runs after these modules are (sysctl.d(5))."""
    modules = (SETTINGS.parents[1] / "modules-load.d/causeway.conf").read_text().split()
    assert "nf_conntrack" in modules


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kernel.kexec_load_disabled", "1"),
        ("kernel.io_uring_disabled", "2"),
        ("dev.tty.ldisc_autoload", "0"),
        ("kernel.sysrq", "0"),
        ("kernel.unprivileged_userns_clone", "0"),
        ("kernel.unprivileged_bpf_disabled", "1"),
        ("kernel.core_pattern", "|/bin/false"),
        ("fs.suid_dumpable", "0"),
        ("kernel.dmesg_restrict", "1"),
        ("kernel.yama.ptrace_scope", "2"),
    ],
)
def test_ways_to_other_rights_are_closed(key: str, value: str) -> None:
    assert values()[key] == value


def test_no_setting_is_named_twice() -> None:
    lines = [line.partition("=")[0].strip() for line in SETTINGS.read_text().splitlines()]
    names = [name for name in lines if name and not name.startswith("#")]
    assert len(names) == len(set(names))


def test_an_unprivileged_openvpn_is_granted_the_socket_buffers_it_asks_for() -> None:
    for key in ("net.core.rmem_max", "net.core.wmem_max"):
        assert int(values()[key]) >= openvpn_config.SOCKET_BUFFER
