"""An appliance from an image of an older layout takes today's update, and goes back from one that is no good.

    CAUSEWAY_OLDER_IMAGE=causeway-0.1.0.qcow2 .venv/bin/pytest -m booted tests/booted/test_older_layout.py

Its agent is the one of that image. The update file is the one beside today's image.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.errors import UpdateFailed
from causeway_controller.fleet import enrolment, update_file, updates
from causeway_controller.trust.identity import make_office
from causeway_lab.assembly import credentials
from causeway_wire.update import Slot, SlotState, UpdateState
from image import verity
from tests import restarting, update_files
from tests.booted.updated_machine import DOCUMENT, Appliance, enrol, image, settings

OLDER = os.environ.get("CAUSEWAY_OLDER_IMAGE")
LASTING = (
    "cat /etc/machine-id; cd /var/lib/causeway; "
    "find keys identity /state/ssh -type f | sort | xargs sha256sum"
)

pytestmark = [
    pytest.mark.booted,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(OLDER is None, reason="CAUSEWAY_OLDER_IMAGE names no image of an older layout"),
]


@pytest_asyncio.fixture
async def appliance(tmp_path: Path) -> AsyncIterator[Appliance]:
    """Booted from the older image, and enrolled."""
    office, token = make_office("office", tmp_path, now=credentials.now()), enrolment.make_token()
    assert OLDER is not None
    with restarting.switched_on(Path(OLDER), settings(office, token)) as there:
        await enrol(there, office, token)
        yield Appliance(there, office)


def kind_of_root(appliance: Appliance) -> str:
    return appliance.run("sed -n 's,^[^ ]* / \\([^ ]*\\) .*,\\1,p' /proc/mounts").strip()


async def test_it_takes_todays_update_and_can_go_back(appliance: Appliance, tmp_path: Path) -> None:
    today = image().with_suffix(".update")
    wrong = tmp_path / "wrong.update"
    # Whole for the older agent, whose digests hold; its hash is not that of the file system.
    update_files.changed(
        today, wrong, lambda text: re.sub(rf"({verity.OPTION}=\d+:)[0-9a-f]{{4}}", r"\g<1>0000", text)
    )
    async with appliance.agent() as agent:
        await agent.apply(DOCUMENT, timeout=600)
        before = kind_of_root(appliance)
        lasting = appliance.run(LASTING)
        with pytest.raises(UpdateFailed, match="slot a runs again"):
            await updates.install(agent, update_file.read(wrong), tries=1, seconds=600)
        status = await agent.get_update()
        assert (status.state, status.running) == (UpdateState.FAILED, Slot.A)
        assert kind_of_root(appliance) == before

        status = await updates.install(agent, update_file.read(today), tries=2, seconds=900)
        assert (status.running, status.next) == (Slot.B, Slot.B)
        assert status.report(Slot.A).state is SlotState.GOOD
        assert kind_of_root(appliance) == "squashfs"
        assert appliance.run(LASTING) == lasting
        assert appliance.run("cat /state/machine-id") == appliance.run("cat /etc/machine-id")
        assert (await agent.observed()).observed_generation == DOCUMENT.generation

        older = update_file.read(Path(OLDER or "").with_suffix(".update"))
        status = await updates.install(agent, older, tries=2, seconds=900, allow_older=True)
        assert (status.running, kind_of_root(appliance)) == (Slot.A, before)
        assert appliance.run(LASTING) == lasting
