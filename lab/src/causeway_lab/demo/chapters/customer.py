"""A provider's controller, told and proved: a stranger to the lab, as a provider would install it.

It knows what it is told in a file, deploys the appliance through the host's own interface, fails the site
over, and is killed in the middle of it; another one carries on.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from causeway_controller.contract.tenant import PlanEntry
from causeway_lab.assembly import inventory
from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.assembly.lab import Lab, LabError
from causeway_lab.assembly.replicas import Replicas
from causeway_lab.demo.claims import BrokenError, Ledger, require
from causeway_lab.service.controllers import LEASE, Controller
from causeway_lab.service.host_server import HostServer
from causeway_lab.world import services
from causeway_lab.world.console import Gaps, Watch
from causeway_lab.world.topology import INTERNET_HOST, replica_of
from causeway_wire import codec

TENANT: Final = "acme"
FIRST: Final = "db1"
LATER: Final = ("web1", "app2", "files2")
DELAY: Final = 1.5 * LEASE
"""Seconds for which the first replica serves the internet before the others start."""
INTERVAL: Final = 0.02
"""Seconds between two echoes from the internet."""
_FIRST_SECONDS: Final = 60.0
_SECONDS: Final = 180.0
"""For a claim: controllers are started, a lease ends, a plan waits."""
_SLACK: Final = 3
"""Echoes that were under way when the first was answered."""


async def customer(lab: Lab, ledger: Ledger) -> None:
    """The provider's controller begins, fails a site over, dies, and is followed."""
    ledger.chapter("A provider's controller, which knows the lab from a file only")
    told = functools.partial(ledger.claim, patience=_SECONDS)
    async with AsyncExitStack() as stack:
        place = Path(stack.enter_context(TemporaryDirectory(prefix="causeway-")))
        story = _Story(lab, place)
        url = (await stack.enter_async_context(story.host)).url
        stack.push_async_callback(story.close)
        if not await told(
            "It begins with nothing, and takes its inventory", story.begin(url), patience=_SECONDS
        ):
            return
        if not await told(
            "It deploys the tenant's appliance as the inventory says", story.deploy(), patience=_SECONDS
        ):
            return
        await told(
            "What cannot be meant is refused before anything is touched", story.refused(), patience=_SECONDS
        )
        if not await told(
            "The site fails over; the internet is served", story.fail_over(), patience=_SECONDS
        ):
            return
        await told(
            "Killed in the middle of it, another controller carries on", story.carried_on(), patience=_SECONDS
        )
        await told("Who talks to the site from the internet did not notice", story.unnoticed())
        await told("The failover ends, and nothing of it is left", story.undo())
        await told(
            "Who did what is written down, in a chain without a break", story.audited(), patience=_SECONDS
        )


class _Story:
    """Two controllers on one store; the one that carries the failover out dies."""

    def __init__(self, lab: Lab, place: Path) -> None:
        self._lab = lab
        self._place = place
        self._replicas = Replicas(lab.machines)
        self._first, self._second = (Controller(name, place) for name in ("first", "second"))
        self._run = ""
        self._watch: Watch | None = None
        self._gaps: Gaps | None = None
        self.host = HostServer(lab.hypervisor, self._replicas, place / "host")

    async def begin(self, url: str) -> str:
        await self._first.set_up()
        await asyncio.gather(self._first.start(), self._second.start())
        entries = (PlanEntry(vm=FIRST, delay=DELAY), *(PlanEntry(vm=vm, after=(FIRST,)) for vm in LATER))
        file = self._place / "provider.yaml"
        file.write_bytes(
            codec.encode(inventory.second_host(self._lab.topology, url, TENANT, entries=entries))
        )
        said = await self._first.ask("apply", "-f", str(file))
        return said.splitlines()[0]

    async def deploy(self) -> str:
        made = await self._first.ask_json("appliance", "deploy", TENANT, SECOND_HOST)
        (needed,) = (await self._first.ask_json("appliance", "needed"))["appliances"]
        require(made["appliance"] == f"{TENANT}-{SECOND_HOST}", f"it deployed {made}")
        return f"{made['appliance']}, with vNICs {', '.join(needed['adapters'])}"

    async def refused(self) -> str:
        try:
            await self._first.ask("failover", "full", TENANT, "nobody", "--host", SECOND_HOST)
        except LabError as error:
            said = str(error).partition("; the end of its log")[0]
        else:
            raise BrokenError("a VM that nobody has failed over")
        require("nobody" in said, f"it was refused for another reason: {said}")
        runs = await self._first.ask_json("run", "list")
        require(not runs, f"it left {runs}")
        planned = await self._first.ask_json("failover", "full", TENANT, "--host", SECOND_HOST, "--dry-run")
        return f"a VM nobody has, no run; a dry run tells {len(planned['stages'])} stages"

    async def fail_over(self) -> str:
        outside = self._lab.machines.console(INTERNET_HOST)
        address = self._lab.tenant(TENANT).public_addresses[0]
        arguments = ("failover", "full", TENANT, "--host", SECOND_HOST, "--detach")
        self._run = (await self._first.ask_json(*arguments))["id"]
        self._watch = outside.watch(address, port=services.ECHO_PORT, interval=INTERVAL)
        await self._watch.wait_first(_FIRST_SECONDS)
        return f"run {self._run}; {address} answers, the other replicas wait as the plan says"

    async def carried_on(self) -> str:
        begun = next(event for event in await self._events() if event["kind"] == "started")
        carrier = str(begun["detail"]["controller"])
        if carrier.startswith(self._second.name):
            self._first, self._second = self._second, self._first
        require(carrier.startswith(self._first.name), f"{carrier} carries it out, whoever that is")
        await self._first.kill()
        started = [vm for vm in LATER if self._lab.machines.powered_on(replica_of(TENANT, vm))]
        require(not started, f"it was killed too late: {', '.join(started)} had started")
        await self._second.ask("run", "watch", self._run)
        kinds = [event["kind"] for event in await self._events()]
        require(kinds[-1] == "finished", f"the run ended with {kinds[-1]}")
        require(kinds.count("taken-over") == 1, f"it was taken over {kinds.count('taken-over')} times")
        off = [vm for vm in LATER if not self._lab.machines.powered_on(replica_of(TENANT, vm))]
        require(not off, f"{', '.join(off)} never started")
        return f"kill -9 of {carrier}; taken over once, finished, and all replicas run"

    async def unnoticed(self) -> str:
        require(self._watch is not None, "nobody watched")
        if self._watch is None:
            return ""
        gaps, self._watch = await self._watch.stop(), None
        require(gaps.first is not None, "no echo was answered")
        before = ((gaps.first or gaps.started) - gaps.started) / INTERVAL
        lost = gaps.sent - gaps.received - before
        require(lost <= _SLACK, f"about {lost:.0f} of {gaps.sent} echoes were lost after the first answer")
        return f"{gaps.received} echoes answered from the first one on, none lost"

    async def undo(self) -> str:
        await self._second.ask("failover", "undo", TENANT, "--full", "--host", SECOND_HOST)
        on = [vm for vm in (FIRST, *LATER) if self._lab.machines.powered_on(replica_of(TENANT, vm))]
        require(not on, f"replicas of {', '.join(on)} still run")
        return "all replicas are off, the appliance is idle"

    async def audited(self) -> str:
        said = await self._second.ask("audit", "verify")
        return said.splitlines()[0]

    async def close(self) -> None:
        """End both, and take away what they deployed."""
        if self._watch is not None:
            await self._watch.stop()
        for controller in (self._first, self._second):
            await controller.stop()
        await self._lab.hypervisor.destroy(f"{TENANT}-{SECOND_HOST}")
        for vm in (FIRST, *LATER):
            await self._replicas.power(f"{TENANT}/{vm}", on=False, grace=0)

    async def _events(self) -> Sequence[Any]:
        found: Sequence[Any] = (await self._second.ask_json("run", "show", self._run))["events"]
        return found
