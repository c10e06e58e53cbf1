"""All roles at once under somebody who flushes their packet filters every 50 ms: nothing forged passes any of
them, each says so, and when it is over the failed-over VM is reached again.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from causeway_lab.assembly.lab import Lab
from causeway_lab.demo import proofs
from causeway_lab.service import drill
from causeway_lab.world import namespaces
from causeway_lab.world.topology import original_of
from causeway_wire.observed import ApplianceState
from tests.kernel.test_filter_siege import _ENEMY, PERIOD
from tests.kernel.test_lab_isolation import DB, FORGED, WEB, _target, arrives

pytestmark = pytest.mark.kernel

ROLES = ("acme-sp", "acme-nea1", "gateway1")
_SWITCHES = "cat /proc/sys/net/ipv4/conf/{eth,cw}*/forwarding /proc/sys/net/ipv6/conf/all/forwarding"


@contextlib.contextmanager
def enemies() -> Iterator[None]:
    """In every appliance."""
    command = (sys.executable, "-c", textwrap.dedent(_ENEMY), "flush ruleset", str(PERIOD))
    with contextlib.ExitStack() as stack:
        for name in ROLES:
            process = stack.enter_context(
                subprocess.Popen(("ip", "netns", "exec", name, *command), stdout=subprocess.PIPE, text=True)
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
        yield


async def conform(lab: Lab) -> None:
    async with asyncio.timeout(60):
        for name in ROLES:
            while True:
                if (await lab.agent(name).observed()).state is ApplianceState.READY:
                    break
                await asyncio.sleep(0.2)


async def test_nothing_forged_passes_any_role_whose_filter_is_flushed_all_the_time(lab: Lab) -> None:
    await drill.fail_over(lab, [DB])
    try:
        replica, web = lab.replica(DB), lab.original(WEB)
        with enemies():
            await asyncio.sleep(1.0)
            for name in ROLES:
                assert "1" not in namespaces.run(name, "bash", "-O", "nullglob", "-c", _SWITCHES), name
            for forged in FORGED:
                assert not await arrives(replica, web, forged, _target(lab, forged), seconds=1.0)
            for name in ROLES:
                seen = await lab.agent(name).observed()
                assert seen.state is ApplianceState.DEGRADED
                assert seen.problem is not None
                assert "packet filter" in seen.problem.detail
        await conform(lab)
        await proofs.reachable(
            web,
            lab.vm(DB).addresses,
            host="acme-db1-replica",
            client=proofs.addresses_of(lab, "acme-web1"),
        )
    finally:
        await conform(lab)
        await lab.undo([DB])
        await lab.machines.power_on(original_of(DB.tenant, DB.vm))
