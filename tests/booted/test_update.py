"""A booted appliance is updated over its API, and falls back by itself from an update that is no good.

    .venv/bin/pytest -m booted tests/booted/test_update.py

Takes the newest image in `dist`, or the one that CAUSEWAY_IMAGE names, and the update file beside it.
Where there is none this fails: it was asked for by name.
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.errors import UpdateFailed
from causeway_controller.fleet import client, enrolment, update_file, updates
from causeway_controller.trust.identity import make_office
from causeway_lab.assembly import credentials
from causeway_wire.update import Slot, SlotState, UpdateState, UpdateStatus
from image import layout
from tests import restarting, update_parts
from tests.booted.updated_machine import DOCUMENT, Appliance, enrol, image, settings
from tests.update_parts import Parts

AGENT = "opt/causeway/lib/python3.13/site-packages/causeway_agent"
LASTING = (
    "cat /etc/machine-id; cd /var/lib/causeway; find keys identity documents journal.json "
    "/state/ssh -type f | sort | xargs sha256sum"
)
"""Configuration and identity, as one text."""

pytestmark = [pytest.mark.booted, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return update_parts.taken_apart(image(), tmp_path_factory.mktemp("update"))


@pytest_asyncio.fixture
async def appliance(tmp_path: Path) -> AsyncIterator[Appliance]:
    """Booted and enrolled."""
    office, token = make_office("office", tmp_path, now=credentials.now()), enrolment.make_token()
    with restarting.switched_on(image(), settings(office, token)) as there:
        await enrol(there, office, token)
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
    good = update_file.read(parts.remade("1.1", lambda tree: (tree / "etc/second-system").touch()))
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
    broken = update_file.read(parts.remade("1.2", lambda tree: (tree / AGENT / "app.py").unlink()))
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
