"""Updates between the flavour whose kernel carries tunnels and the stable one, in the middle of a failover.

    .venv/bin/python -m causeway_lab.sandbox -- .venv/bin/pytest -m booted -s tests/booted/test_flavours.py

Two appliances and a gateway boot the stable image, and a VM fails over. Then one end after the other takes
the other flavour, and goes back, while production asks the replica all the time. Each end carries what it
can, whatever the far end does. Nine minutes on two emulated processors that nobody else uses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from rich.console import Console

from causeway_controller.fleet import client, update_file, updates
from causeway_lab.assembly.lab import Lab
from causeway_lab.demo import pair, proofs
from causeway_lab.demo.chapters.partial import FAILED_OVER
from causeway_lab.demo.claims import Ledger, require
from causeway_lab.qemu.provider import QemuProvider
from causeway_lab.service import drill, view
from causeway_lab.world import pace
from causeway_lab.world.topology import original_of
from causeway_wire.observed import ApplianceState, Carrier, Transport
from causeway_wire.types import ApplianceId
from image.flavour import OFFLOAD, STABLE, Flavour
from image.workshop import ROOT
from tests.e2e import echoes, packets

PROVIDER, TENANT = "acme-sp", "acme-nea1"
MOVES: Final = ((PROVIDER, OFFLOAD), (TENANT, OFFLOAD), (PROVIDER, STABLE), (TENANT, STABLE))
"""The kernel carries at the provider's end alone, at both, at the tenant's alone, at none."""
CARRIERS: Final = {OFFLOAD.name: Carrier.KERNEL, STABLE.name: Carrier.PROCESS}
UPDATE_SECONDS: Final = 1200.0
SETTLED_SECONDS: Final = 600.0
"""Until UDP carries again: from TCP it is looked for ever more rarely."""
TRIAL_SECONDS: Final = 900
LOOK_SECONDS: Final = 2.0
CONSOLE_LINES: Final = 60

pytestmark = [
    pytest.mark.booted,
    pytest.mark.timeout(pair.DEADLINE + len(MOVES) * (UPDATE_SECONDS + 3 * SETTLED_SECONDS)),
]


def built(flavour: Flavour) -> Path:
    found = sorted(flavour.dist(ROOT).glob(f"{flavour.stem}-*.qcow2"))
    if not found:
        pytest.skip(f"there is no image of the flavour {flavour.name}: make image FLAVOUR={flavour.name}")
    return found[-1]


class Updated:
    """The lab, which flavour each end runs, and what was claimed of them."""

    def __init__(self, lab: Lab, files: dict[str, Path], console: Console) -> None:
        self._lab = lab
        self._files = {name: update_file.read(path) for name, path in files.items()}
        self._ledger = Ledger(console, patience=SETTLED_SECONDS, clocked=True)
        self._runs = {PROVIDER: STABLE, TENANT: STABLE}
        self._web = lab.machines.console(original_of(FAILED_OVER.tenant, "web1"))
        self._addresses = lab.vm(FAILED_OVER).addresses

    @property
    def broken(self) -> list[str]:
        """Claims that do not hold, with what was seen."""
        return [f"{one.claim}: {one.evidence}" for one in self._ledger.outcomes if not one.held]

    async def begun(self) -> None:
        """The VM is failed over, between two ends whose kernels carry nothing."""
        self._ledger.chapter("Both ends run the stable flavour")
        await self._ledger.claim(f"{FAILED_OVER} fails over", self._fail_over())
        await self._holds()

    async def move(self, end: ApplianceId, flavour: Flavour) -> None:
        """Update this end while packets pass, and see what holds then."""
        self._ledger.chapter(f"{end} takes the flavour {flavour.name}")
        here, *_ = self._addresses
        async with echoes.steady(self._web.name, here) as seen:
            await self._ledger.claim(
                f"{end} is updated and stays", self._updated(end, flavour), patience=UPDATE_SECONDS
            )
            self._runs[end] = flavour
            await self._holds()
        self._ledger.note(seen.told())
        if self.broken:
            self._tell_consoles()

    async def ended(self) -> None:
        """The failover ends, and nothing of it is left."""
        self._ledger.chapter("The failover ends")
        await self._ledger.claim(f"The failover of {FAILED_OVER} ends", self._undone())

    async def _holds(self) -> None:
        """What holds whoever carries the packets."""
        claim, web = self._ledger.claim, self._web
        replica = self._lab.replica(FAILED_OVER)
        own = proofs.addresses_of(self._lab, web.name)
        await claim(
            "Each end carries the tunnel as it can, over UDP",
            self._carried(),
            patience=2 * SETTLED_SECONDS,
        )
        await claim(
            "Production reaches the replica at its unchanged addresses",
            packets.soon(lambda: proofs.reachable(web, self._addresses, host=replica.name, client=own)),
        )
        await claim(
            "The replica reaches production, and is seen at its unchanged addresses",
            proofs.reachable(replica, own, host=web.name, client=self._addresses),
        )
        await claim(
            "A replica that is not failed over is invisible in production",
            proofs.silent(web, proofs.old_replica(self._lab, FAILED_OVER.tenant)[1]),
        )

    def _tell_consoles(self) -> None:
        assert isinstance(self._lab.hypervisor, QemuProvider)
        for end in self._runs:
            self._ledger.note(f"{end}: {self._lab.hypervisor.last_words(end, lines=CONSOLE_LINES)}")

    async def _fail_over(self) -> str:
        measures = await drill.fail_over(self._lab, [FAILED_OVER])
        return "; ".join(f"{one.what}: {one.seconds:.1f} s" for one in measures)

    async def _updated(self, end: ApplianceId, flavour: Flavour) -> str:
        agent, file = self._lab.agent(end), self._files[flavour.name]
        meant = (await agent.observed()).observed_generation
        before = (await agent.get_update()).running
        status = await updates.install(agent, file, tries=2, seconds=TRIAL_SECONDS, within=UPDATE_SECONDS)
        require(status.running is before.other, f"slot {status.running} runs, as before")
        found = await agent.observed()
        require(found.observed_generation == meant, f"document {found.observed_generation}, not {meant}")
        able = (await agent.versions()).capabilities
        kernel = able.no_offload is None
        require(kernel == (flavour is OFFLOAD), f"Linux {able.kernel}: {able.no_offload}")
        return (
            f"slot {status.running}, Linux {able.kernel}, OpenVPN {able.openvpn}; document {meant} as before"
        )

    async def _carried(self) -> str:
        """Look until both ends say so: what is waited for is the way back from TCP."""
        wanted = {
            end: (ApplianceState.READY, Transport.UDP, CARRIERS[one.name]) for end, one in self._runs.items()
        }
        loop = asyncio.get_running_loop()
        began = loop.time()
        while (told := await self._told()) != wanted:
            require(loop.time() - began < SETTLED_SECONDS, f"{told}, not {wanted}")
            await asyncio.sleep(LOOK_SECONDS)
        ends = "; ".join(f"{end} by its {carrier.value}" for end, (*_, carrier) in wanted.items())
        return f"{ends}; after {loop.time() - began:.0f} s"

    async def _told(self) -> dict[ApplianceId, tuple[ApplianceState, Transport | None, Carrier | None]]:
        found = {}
        for end in self._runs:
            observed = await self._lab.agent(end).observed()
            (tunnel,) = observed.tunnels
            found[end] = (observed.state, tunnel.transport, tunnel.carrier)
        return found

    async def _undone(self) -> str:
        await drill.undo(self._lab, [FAILED_OVER], restore=False)
        return await proofs.silent(self._web, self._addresses)


@pytest_asyncio.fixture
async def updated(sandboxed: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Updated]:
    # No longer than elsewhere, though all is slow: a machine that restarts takes the last question along.
    monkeypatch.setattr(client, "TABLE_SECONDS", client.TABLE_SECONDS / pace.MACHINES.answers)
    images = {flavour.name: built(flavour) for flavour in (STABLE, OFFLOAD)}
    console = Console()
    with view.StepView(console) as steps:
        lab = pair.lab_of(images[STABLE.name], steps.show)
        try:
            await lab.up()
            files = {name: image.with_suffix(".update") for name, image in images.items()}
            yield Updated(lab, files, console)
        finally:
            await lab.down()


async def test_each_end_goes_from_one_flavour_to_the_other_and_back_in_the_middle_of_a_failover(
    updated: Updated,
) -> None:
    await updated.begun()
    for end, flavour in MOVES:
        await updated.move(end, flavour)
        assert not updated.broken
    await updated.ended()
    assert not updated.broken
