"""A provider's controller that is a process of its own: from an empty store to a site that has failed over.

It is told of the lab by a file, deploys the appliance through the host's socket, fails the site over, and
dies in the middle of it; another one carries on, and who talks to the site from the internet does not notice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.contract.tenant import PlanEntry
from causeway_lab.assembly.lab import Lab
from causeway_lab.assembly.replicas import Replicas
from causeway_lab.service.host_server import HostServer
from causeway_lab.world import services
from causeway_lab.world.topology import INTERNET_HOST, replica_of
from causeway_wire import codec
from tests.kernel.controllers import LEASE, Controller
from tests.kernel.second_host import APPLIANCE, HOST, TENANT, second_host

pytestmark = pytest.mark.kernel

FIRST, LATER = "db1", ("web1", "app2", "files2")
ENTRIES = (
    PlanEntry(vm=FIRST, delay=2.5 * LEASE),
    *(PlanEntry(vm=vm, after=(FIRST,)) for vm in LATER),
)
"""The first one answers the internet while the others wait: that is when the controller dies."""
INTERVAL = 0.02
"""Seconds between two echoes from the internet."""


@pytest_asyncio.fixture(loop_scope="session")
async def inventory(lab: Lab, tmp_path: Path) -> AsyncIterator[Path]:
    """The inventory as a file; afterwards nothing of it is left in the lab."""
    replicas = Replicas(lab.machines)
    async with HostServer(lab.hypervisor, replicas, tmp_path / "host") as server:
        file = tmp_path / "provider.yaml"
        file.write_bytes(codec.encode(second_host(lab.topology, server.url, entries=ENTRIES)))
        yield file
        await lab.hypervisor.destroy(APPLIANCE)
        for vm in (FIRST, *LATER):
            await replicas.power(f"{TENANT}/{vm}", on=False, grace=0)


@pytest_asyncio.fixture(loop_scope="session")
async def controllers(tmp_path: Path) -> AsyncIterator[tuple[Controller, Controller]]:
    first, second = (Controller(name, tmp_path) for name in ("first", "second"))
    first.set_up()
    await first.start()
    await second.start()
    yield first, second
    await first.stop()
    await second.stop()


@pytest.mark.timeout(300)
async def test_a_site_fails_over_although_the_controller_dies(
    lab: Lab, inventory: Path, controllers: tuple[Controller, Controller]
) -> None:
    first, second = controllers
    await first.ask("apply", "-f", str(inventory))
    deployed = await first.ask_json("appliance", "deploy", TENANT, HOST)
    assert deployed == {"appliance": APPLIANCE, "tenant": TENANT, "host": HOST}

    run = (await first.ask_json("failover", "full", TENANT, "--host", HOST, "--detach"))["id"]
    address = lab.tenant(TENANT).public_addresses[0]
    watch = lab.machines.console(INTERNET_HOST).watch(address, port=services.ECHO_PORT, interval=INTERVAL)
    await watch.wait_first(60.0)
    await first.kill()
    assert not any(lab.machines.powered_on(replica_of(TENANT, vm)) for vm in LATER)

    await second.ask("run", "watch", run)
    gaps = await watch.stop()
    assert gaps.first is not None
    before = (gaps.first - gaps.started) / INTERVAL
    assert gaps.sent - gaps.received <= before + 2, gaps
    shown = await second.ask_json("run", "show", run)
    kinds = [event["kind"] for event in shown["events"]]
    assert (kinds[-1], kinds.count("taken-over")) == ("finished", 1)
    assert all(lab.machines.powered_on(replica_of(TENANT, vm)) for vm in LATER)
    assert (await second.ask_json("audit", "verify"))["sound"]
