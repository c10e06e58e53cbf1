"""A booted appliance is updated over its API, and falls back by itself from an update that is no good.

    .venv/bin/pytest -m booted tests/booted/test_update.py

Takes the newest image in `dist`, or the one that CAUSEWAY_IMAGE names, and the update file beside it.
Where there is none this fails: it was asked for by name.
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.errors import UpdateFailed
from causeway_controller.fleet import client, updates
from causeway_controller.lab import credentials
from causeway_wire.update import Slot, SlotState, UpdateState, UpdateStatus
from image import layout, update
from tests import restarting
from tests.booted import updated_machine
from tests.booted.updated_machine import DOCUMENT, Appliance, Parts

AGENT = "/opt/causeway/lib/python3.13/site-packages/causeway_agent"
LASTING = (
    "cat /etc/machine-id; cd /var/lib/causeway; find keys identity documents journal.json "
    "/state/ssh -type f | sort | xargs sha256sum"
)
"""Configuration and identity, as one text."""

pytestmark = [pytest.mark.booted, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module", autouse=True)
def _quickly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update, "FILTERS", updated_machine.QUICKLY)
        yield


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return updated_machine.taken_apart(tmp_path_factory.mktemp("update"))


@pytest_asyncio.fixture
async def appliance(tmp_path: Path) -> AsyncIterator[Appliance]:
    """Booted and enrolled."""
    office, token = credentials.make_office("office", tmp_path), credentials.make_token()
    with restarting.switched_on(updated_machine.image(), updated_machine.settings(office, token)) as there:
        await updated_machine.enrol(there, office, token)
        yield Appliance(there, office)


async def commanded(appliance: Appliance, agent: client.AgentClient) -> str:
    """It has its document; configuration and identity as they must last."""
    await agent.apply(DOCUMENT, timeout=120)
    first = await agent.get_update()
    assert (first.state, first.running, first.next) == (UpdateState.IDLE, Slot.A, Slot.A)
    assert first.report(Slot.A).build is not None
    return appliance.run(LASTING)


async def test_an_update_runs_and_stays_with_configuration_and_identity_as_they_were(
    appliance: Appliance, parts: Parts
) -> None:
    good = updates.read(parts.remade("1.1", "write /etc/hostname /etc/second-system"))
    async with appliance.agent() as agent:
        lasting = await commanded(appliance, agent)
        status = await updates.install(agent, good, tries=2, seconds=900)
        assert (status.running, status.next, version(status)) == (Slot.B, Slot.B, "1.1")
        assert appliance.run(f"ls /etc/second-system; {LASTING}") == f"/etc/second-system\n{lasting}"
        assert (await agent.observed()).observed_generation == DOCUMENT.generation
        assert entries(appliance) == ["a.conf", "b.conf"]


async def test_a_system_whose_agent_does_not_start_gives_way_by_itself(
    appliance: Appliance, parts: Parts
) -> None:
    broken = updates.read(parts.remade("1.2", f"rm {AGENT}/app.py"))
    async with appliance.agent() as agent:
        lasting = await commanded(appliance, agent)
        with pytest.raises(UpdateFailed, match="slot a runs again"):
            await updates.install(agent, broken, tries=2, seconds=60)
        status = await agent.get_update()
        assert (status.state, status.running, status.next) == (UpdateState.FAILED, Slot.A, Slot.A)
        assert status.report(Slot.B).state is SlotState.FAILED
        assert appliance.run(LASTING) == lasting
        assert (await agent.observed()).observed_generation == DOCUMENT.generation
        assert entries(appliance) == ["a.conf", "b+0-2.conf"]
        log = appliance.run("journalctl --boot=-1 --no-pager --output=cat --unit=causeway-trial.service")
        assert "not healthy within 60 s of the start: restarting" in log


def version(status: UpdateStatus) -> str | None:
    """Of what runs."""
    return status.report(status.running).version


def entries(appliance: Appliance) -> list[str]:
    """The loader's, as they are on the disk."""
    device = f"/dev/disk/by-partuuid/{layout.ESP.uuid}"
    looked = f"mkdir -p /run/look && mount -t vfat -o ro {device} /run/look && ls /run/look/loader/entries"
    return appliance.run(f"sh -c {shlex.quote(f'{looked}; umount /run/look')}").split()
