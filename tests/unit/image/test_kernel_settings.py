"""The image's kernel settings."""

from __future__ import annotations

from pathlib import Path

from causeway_agent.plan import openvpn_config, ruleset_fragments

SETTINGS = (
    Path(__file__).parents[3] / "image/elements/causeway-network/static/usr/lib/sysctl.d/60-causeway.conf"
)


def values() -> dict[str, str]:
    lines = (line.partition("=") for line in SETTINGS.read_text().splitlines() if not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in lines}


def test_fragments_get_at_boot_what_the_agent_gives_them() -> None:
    for setting in ruleset_fragments.settings():
        if not setting.key.startswith("net/netfilter/"):  # exist once a packet filter was loaded
            assert values()[setting.key.replace("/", ".")] == setting.value


def test_an_unprivileged_openvpn_is_granted_the_socket_buffers_it_asks_for() -> None:
    for key in ("net.core.rmem_max", "net.core.wmem_max"):
        assert int(values()[key]) >= openvpn_config.SOCKET_BUFFER
