"""An engine on a machine of fakes that loses power, with a look at the machine after every single effect."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_interface
from typing import TypeVar

from causeway_agent.engine import service
from causeway_agent.engine.service import Engine
from causeway_agent.plan.compile import compiler
from causeway_agent.plan.model.objects import Address, KernelObject, Link, Sysctl, Vlan
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.target import Target
from causeway_wire.desired import Desired
from tests import documents
from tests.agents import Bench
from tests.fakes.fuse import Crash, Fuse
from tests.fakes.storage import FakeStorage

T = TypeVar("T")

FOREIGN = Address("docker0", ip_interface("172.17.0.1/16"))
"""Somebody else's, on a device that no document names."""
NICS = (documents.nic("uplink", 0, "10.9.0.2/24", gateways=("10.9.0.1",)),)
SECONDS = 10.0
_PERMISSIONS = ("management", "listeners", "echoes", "forwards", "owned", "ways", "internet")
OPENERS = ("/forwarding", "/proxy_arp", "/proxy_ndp")
"""Ends of the settings that let packets through or answer for others."""


class Power(Fuse):
    """A fuse that stays blown until mended, and shows every effect to those who watch."""

    def __init__(self) -> None:
        super().__init__()
        self.blown = False
        self.watchers: list[Callable[[str], None]] = []

    def enter(self, doing: str) -> None:
        if self.blown:
            raise Crash(doing)
        with self._blowing():
            super().enter(doing)

    def leave(self, doing: str) -> None:
        for watcher in self.watchers:
            watcher(doing)
        with self._blowing():
            super().leave(doing)

    def mend(self) -> None:
        super().mend()
        self.blown = False

    @contextlib.contextmanager
    def _blowing(self) -> Iterator[None]:
        try:
            yield
        except Crash:
            self.blown = True
            raise


class LyingStorage(FakeStorage):
    """May leave half of the file that was being written when the power failed."""

    tearing = False

    def write(self, name: str, data: bytes) -> None:
        try:
            super().write(name, data)
        except Crash:
            if self.tearing:
                self.tearing = False
                self.files[name] = data[: len(data) // 2]
            raise


@dataclasses.dataclass(frozen=True, slots=True)
class Cut:
    """When the power fails: at this effect, before or after it; `torn` spoils the file being written."""

    at: int
    before: bool
    torn: bool


class World:
    """A machine, the agent on it when one runs, and the loop that both live in."""

    def __init__(self) -> None:
        self.power = Power()
        self.bench = Bench(
            hold=0.0, fuse=self.power, constants=documents.FACTS, management=documents.management(), nics=NICS
        )
        self.bench.kernel.objects["foreign"] = FOREIGN
        self.storage = self.bench.storage = LyingStorage(self.power)
        self.power.watchers.append(self._look)
        self.lost: list[str] = []
        """Effects after which no controller could get in any more."""
        self.excess: list[str] = []
        """Policies that allowed what no document allowed that was in force or on its way."""
        self._allowed: tuple[Policy, ...] = ()
        self._reachable = False
        self._runner = asyncio.Runner()
        self._live: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self.engine = self.bench.engine()
        # One thread: when it has done nothing, whatever was begun before has ended.
        self._runner.get_loop().set_default_executor(ThreadPoolExecutor(max_workers=1))

    @property
    def running(self) -> bool:
        """Whether an agent runs."""
        return self._live is not None and not self._live.done()

    def close(self) -> None:
        """The agent gone, the loop closed."""
        self.kill()
        self._runner.close()

    def start(self, cut: Cut | None = None) -> bool:
        """Start an agent and wait until it has booted; False when the power failed meanwhile."""
        self.power.mend()
        self.engine = self.bench.engine()
        self._arm(cut)

        async def begin() -> None:
            self._stop = asyncio.Event()
            booted = asyncio.Event()
            self._live = asyncio.create_task(self._serve(self.engine, booted))
            await asyncio.wait(
                {self._live, waiting := asyncio.create_task(booted.wait())}, return_when="FIRST_COMPLETED"
            )
            waiting.cancel()

        self._runner.run(begin())
        return self._survived()

    def stop(self) -> None:
        """An orderly end of the agent."""

        async def end() -> None:
            self._stop.set()
            assert self._live is not None
            async with asyncio.timeout(SECONDS):
                await self._live

        self._runner.run(end())
        self._live = None

    def kill(self) -> None:
        """The agent is gone from one moment to the next."""
        live, self._live = self._live, None
        self.power.blown = True

        async def end() -> None:
            if live is not None:
                live.cancel()
                await asyncio.gather(live, return_exceptions=True)
            await asyncio.to_thread(lambda: None)

        self._runner.run(end())

    def reboot(self) -> None:
        """The machine starts anew: its kernel remembers nothing of ours."""
        self.bench.kernel.objects = {"foreign": FOREIGN}
        self.bench.firewall.policy = None
        self.bench.processes.crash()
        self.bench.dead_man.armed.clear()
        self._reachable = False

    def do(self, act: Callable[[Engine], Coroutine[object, object, T]], cut: Cut | None = None) -> T | None:
        """Do something with the agent and wait until everything rests; None when the power failed."""
        self._arm(cut)
        engine, live = self.engine, self._live
        assert live is not None

        async def both() -> T | None:
            task = asyncio.create_task(self._rested(engine, act))
            async with asyncio.timeout(SECONDS):
                await asyncio.wait({task, live}, return_when="FIRST_COMPLETED")
            if not task.done():
                task.cancel()
            with contextlib.suppress(Crash, asyncio.CancelledError):
                return await task
            return None

        result = self._runner.run(both())
        return result if self._survived() else None

    def allow(self, *wanted: Desired | None) -> None:
        """From now on nothing may pass but what one of these documents allows."""
        self._allowed = tuple(self.target(document).policy for document in wanted)

    def forget(self) -> None:
        """What was lost now, we did not lose: somebody else changed the machine."""
        self._look("meddling")
        self.lost.clear()

    def holds(self, document: Desired | None) -> list[str]:
        """How the machine differs from what this document means; without one, from the closed target."""
        target = self.target(document)
        here = [o for o in self.bench.kernel.objects.values() if o != FOREIGN]
        lasting = {o for o in here if not isinstance(o, Link | Sysctl)}
        differences = [f"too much: {o}" for o in lasting - _lasting(target)]
        differences += [
            f"missing: {o}" for o in (_lasting(target) | target.links | target.sysctls) - set(here)
        ]
        stated = {setting.key for setting in target.sysctls}
        differences += [
            f"open: {o}"
            for o in here
            if isinstance(o, Sysctl) and o.key.endswith(OPENERS) and o.value != "0" and o.key not in stated
        ]
        if self.bench.firewall.policy != target.policy:
            differences.append(f"policy: {self.bench.firewall.policy}")
        if self.bench.processes.running() != target.processes:
            differences.append(f"processes: {self.bench.processes.running()}")
        if self.bench.kernel.objects.get("foreign") != FOREIGN:
            differences.append("a foreign object was touched")
        return differences

    def target(self, document: Desired | None) -> Target:
        """What this document means on this machine."""
        if document is None:
            return self.bench.base(documents.FACTS)
        return compiler.compile_document(document, documents.FACTS)

    async def _serve(self, engine: Engine, booted: asyncio.Event) -> None:
        with contextlib.suppress(BaseExceptionGroup, Crash):
            async with service.running(engine):
                booted.set()
                await self._stop.wait()

    async def _rested(self, engine: Engine, act: Callable[[Engine], Coroutine[object, object, T]]) -> T:
        result = await act(engine)
        while (moving := engine.changes.in_flight) is not None and not moving.resting:
            await engine.records.wait(moving.id, seconds=SECONDS)
        await engine.reconciler.look()
        while not engine.state.settled:
            await engine.reconciler.looked.wait()
        return result

    def _arm(self, cut: Cut | None) -> None:
        self.power.count = 0
        self.power.at = cut.at if cut is not None else None
        self.power.before = cut.before if cut is not None else True
        self.storage.tearing = cut is not None and cut.torn

    def _survived(self) -> bool:
        self.power.at, self.storage.tearing = None, False
        if self.power.blown or not self.running:
            self.kill()
            return False
        return True

    def _look(self, doing: str) -> None:
        here = list(self.bench.kernel.objects.values())
        up = {o.device for o in here if isinstance(o, Link | Vlan)}
        held = {(o.device, o.interface.ip) for o in here if isinstance(o, Address) and o.device in up}
        policy = self.bench.firewall.policy
        if policy is not None and doing == "load policy":
            for kind in _PERMISSIONS:
                if not getattr(policy, kind) <= frozenset().union(*(getattr(a, kind) for a in self._allowed)):
                    self.excess.append(f"{kind}: {policy}")
        doors = policy.management if policy is not None else ()
        reachable = any((door.device, door.address) in held for door in doors)
        if self._reachable and not reachable:
            self.lost.append(doing)
        self._reachable = reachable


def _lasting(target: Target) -> set[KernelObject]:
    """What a target says exactly; links stay up and settings are never dropped."""
    return {
        *target.vlans,
        *target.tuns,
        *target.bridges,
        *target.ports,
        *target.addresses,
        *target.routes,
        *target.rules,
        *target.proxies,
    }
