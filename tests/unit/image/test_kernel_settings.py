"""The image's kernel settings."""

from __future__ import annotations

from pathlib import Path

from causeway_agent.plan import openvpn_config

SETTINGS = (
    Path(__file__).parents[3] / "image/elements/causeway-network/static/usr/lib/sysctl.d/60-causeway.conf"
)


def test_an_unprivileged_openvpn_is_granted_the_socket_buffers_it_asks_for() -> None:
    lines = (line.partition("=") for line in SETTINGS.read_text().splitlines() if not line.startswith("#"))
    values = {key.strip(): value.strip() for key, _, value in lines}
    for key in ("net.core.rmem_max", "net.core.wmem_max"):
        assert int(values[key]) >= openvpn_config.SOCKET_BUFFER
