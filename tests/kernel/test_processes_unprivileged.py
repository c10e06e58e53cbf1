"""OpenVPN and HAProxy run as a user of their own, without capabilities, and read their keys all the same."""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from causeway_agent.backends.processes import spawn
from causeway_wire.observed import Transport
from tests.kernel.processes_lab import TUNNEL, client, door, gateway_proxy, run, server, site, until, wrapper

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

USER = "nobody"
UDP, TCP = Transport.UDP, Transport.TCP
TUN = Path("/dev/net/tun")


@pytest.fixture
def open_tun() -> Iterator[None]:
    """/dev/net/tun as systemd-udevd makes it, open to everyone, in this sandbox only."""
    if TUN.stat().st_mode & stat.S_IWOTH:
        yield
        return
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/dev/net")
    try:
        try:
            os.mknod(TUN, stat.S_IFCHR | 0o666, os.makedev(10, 200))
        except PermissionError:
            pytest.skip("this sandbox may not make device nodes, and /dev/net/tun is closed to users")
        TUN.chmod(0o666)
        yield
    finally:
        run("umount", "/dev/net")


@pytest.mark.usefixtures("open_tun")
def test_processes_run_as_the_user_without_capabilities() -> None:
    entry = pwd.getpwnam(USER)
    if spawn.unprivileged_uid(USER) != entry.pw_uid:
        pytest.skip(f"user {USER} is not mapped into this sandbox")
    directory = Path(tempfile.mkdtemp(dir="/run"))  # as on an appliance: every parent lets users pass
    directory.chmod(0o755)
    with site(directory, owner=entry.pw_uid) as made:
        for place in ("s", "g0", "c"):
            made.agent(place, USER)
        for transport in Transport:
            assert made.agents["s"].start(server(made.keys, transport)) == {}
        assert made.agents["g0"].start(door(made.keys, 0)) == {}
        assert made.agents["g0"].start(gateway_proxy(made.keys, 0)) == {}
        assert made.agents["c"].start(wrapper(made.keys)) == {}
        for transport in Transport:
            assert made.agents["c"].start(client(made.keys, (0, transport))) == {}
            until(lambda wanted=transport: made.agents["c"].report()["transport"] == wanted)  # type: ignore[misc]
        for agent in made.agents.values():
            for record in (agent.directory / "records").iterdir():
                status = _status(agent.pid(record.name))
                assert set(status["Uid"].split()) == {str(entry.pw_uid)}
                assert set(status["Gid"].split()) == {str(entry.pw_gid)}
                assert status["Groups"].split() == []
                assert {status[name] for name in ("CapPrm", "CapEff", "CapAmb", "CapBnd")} == {"0" * 16}
                assert status["NoNewPrivs"] == "1"
                assert stat.S_IMODE(record.stat().st_mode) == 0o600
        rendered = made.directory / "c" / f"vpn-{TUNNEL}" / "openvpn.conf"
        assert (rendered.stat().st_uid, stat.S_IMODE(rendered.stat().st_mode)) == (0, 0o640)


def _status(pid: int) -> dict[str, str]:
    rows = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value.strip() for name, _, value in rows}
