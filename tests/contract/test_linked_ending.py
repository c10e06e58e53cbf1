"""A partial failover by two controllers is ended although appliances are off by then."""

from __future__ import annotations

from pathlib import Path

import pytest

from causeway_controller.contract.requests import FailBack, FailOver, Undo
from tests.fakes.powered_host import PoweredHost
from tests.linked_sites import ONES, agree, linked

pytestmark = pytest.mark.timeout(300)
PROVIDER, END = "acme-provider", "acme-tenant-0"
UNDO = Undo(tenant="acme", vms=ONES, stop_appliances=True)


@pytest.mark.parametrize(
    "first",
    [UNDO, FailBack(tenant="acme", vms=ONES, synchronised=True, stop_appliances=True)],
    ids=["undo", "failback"],
)
async def test_an_end_that_powered_the_tenants_appliance_off_and_failed_is_asked_for_again(
    tmp_path: Path, unused_tcp_port: int, first: Undo | FailBack
) -> None:
    async with linked(tmp_path, unused_tcp_port) as both:
        host = PoweredHost(both.tenant)
        assert await both.ended(await both.start(FailOver(tenant="acme", vms=ONES))) == "finished"
        host.late = frozenset({END})
        assert await both.ended(await both.start(first)) == "failed"
        assert not host.on[END]
        host.late = frozenset()
        run = await both.start(UNDO)
        assert await both.ended(run) == "finished", both.tenant.last(run.id)[1]["why"]
        agree(both, "failed")
        assert (host.on[END], both.faults) == (False, [])


async def test_an_undo_powers_on_what_is_off_at_either_site(tmp_path: Path, unused_tcp_port: int) -> None:
    async with linked(tmp_path, unused_tcp_port) as both:
        hosts = {PROVIDER: PoweredHost(both.provider), END: PoweredHost(both.tenant)}
        assert await both.ended(await both.start(FailOver(tenant="acme", vms=ONES))) == "finished"
        for name, host in hosts.items():
            await host.power(name, on=False, grace=0)
        run = await both.start(Undo(tenant="acme", vms=ONES))
        assert await both.ended(run) == "finished", both.tenant.last(run.id)[1]["why"]
        agree(both, "failed")
        assert (all(host.on[name] for name, host in hosts.items()), both.faults) == (True, [])
