"""A proxy that an agent finds running when it starts."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

from causeway_agent.backends.processes import openvpn, process_age, records
from causeway_agent.backends.processes.tls_proxy import ProxyUnit
from causeway_agent.plan.model.processes import TlsProxy
from causeway_wire.types import Secret
from tests.fakes.clock import FakeClock
from tests.fakes.tunnel_devices import nothing_left


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(("sleep", "60"))


async def test_a_predecessor_that_was_not_asked_to_stop_is_asked_by_the_next_agent(tmp_path: Path) -> None:
    """It would go on admitting whom the document revoked when it was replaced."""
    spec = TlsProxy(name="gateway-tls", configuration=Secret("x"), files=(), key=None)
    context = openvpn.Context(
        run_directory=tmp_path,
        key_directory=tmp_path,
        account=None,
        clock=FakeClock(),
        changed=lambda _reason: None,
        discard=nothing_left,
        declined=lambda _tunnel, _why: None,
        interrupted=lambda _tunnel: None,
    )
    with sleeper() as current, sleeper() as predecessor:
        found = {
            each: records.Identity(pid=each.pid, start_time=process_age.start_time(each.pid) or 0)
            for each in (current, predecessor)
        }
        entry = records.record(
            spec, process=found[current], digest=records.digest("x"), lingering=(found[predecessor],)
        )
        unit = ProxyUnit(spec, context, records.Records(tmp_path / "records"))
        assert unit.adopt(entry)
        async with asyncio.timeout(10):
            assert await asyncio.to_thread(predecessor.wait) == -signal.SIGUSR1
        assert current.poll() is None
        unit.release()
        current.kill()
