"""The appliances and the hypervisor of many tenancies, in a process that no controller's death touches.

They are what the tests of workflows take for agents: idempotent, and fenced by epoch. Each call names the
controller, the run and the stage that it comes from. What a call does to the world is an effect; a call that
finds the world so already is a repeat.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from causeway_controller.errors import AgentUnreachable
from causeway_controller.inventory.tenancy import Site
from causeway_controller.workflows.rebuilding import START
from causeway_wire import codec
from causeway_wire.desired import Desired
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.public_rules import PublicRulesPatch
from causeway_wire.update import Activation, Slot
from tests.fakes.agent import FakeAgent
from tests.fakes.hypervisor import FakeHypervisor
from tests.fakes.two_slots import TwoSlots

OWNER, RUN, STAGE = "X-Controller", "X-Run", "X-Stage"
SILENT = 500
"""What the world answers for an agent that does not."""
BOOTED = 1
"""Questions that a booting agent leaves unanswered."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that a stage of a run does to one thing."""

    run: str
    stage: str
    what: str


@dataclass
class Tenancy:
    """One tenant's appliances and machines on one host."""

    agents: dict[str, FakeAgent]
    hypervisor: FakeHypervisor
    slots: dict[str, TwoSlots]
    """Of each appliance."""
    hopeless: bool = False
    """Whether an appliance that says nothing goes on saying nothing when it was started anew."""


@dataclass
class Tally:
    """What was done to the world, and by whom."""

    effects: Counter[Effect] = field(default_factory=Counter)
    taken_back: Counter[Effect] = field(default_factory=Counter)
    """Those that were cancelled: made again, they happen once all the same."""
    repeats: int = 0
    stale: Counter[str] = field(default_factory=Counter)
    """Calls that an appliance refused for their epoch, by controller."""
    accepted: Counter[str] = field(default_factory=Counter)
    """Calls that may have changed something, by controller."""
    first: dict[str, float] = field(default_factory=dict)
    """When each controller did so first (monotonic)."""

    def doubled(self) -> list[Effect]:
        """Effects that happened again although nobody had taken them back."""
        return [one for one, times in self.effects.items() if times - self.taken_back[one] > 1]


State = tuple[dict[str, object], dict[str, bool], dict[str, Slot]]
"""Modes and rules of agents, the power of machines, the slots that appliances run."""


class World:
    """All tenancies, by host."""

    def __init__(self, site: Site, hosts: list[str]) -> None:
        tenant = site.tenants["acme"]
        ids = [tenant.provider.id, *(one.id for one in tenant.appliances.values())]
        self.tenancies = {host: _tenancy(ids, sorted(tenant.vms)) for host in hosts}
        self.tally = Tally()
        self.parked: set[str] = set()
        self.hooked: set[str] = set()
        self.woken = asyncio.Event()
        self._pending: dict[tuple[str, str], Effect] = {}
        """What each appliance applied last, by host and appliance."""

    def state(self, host: str) -> State:
        """What everything of a tenancy is now."""
        found = self.tenancies[host]
        agents: dict[str, object] = {
            name: (one.mode, one.awaiting, sorted(one.table)) for name, one in found.agents.items()
        }
        return agents, dict(found.hypervisor.on), {name: one.running for name, one in found.slots.items()}

    async def answer(self, request: web.Request) -> web.Response:
        """One call of an agent's method."""
        host, name, method = (request.match_info[one] for one in ("host", "name", "method"))
        agent = self.tenancies[host].agents[name]
        try:
            found = await self._called(request, agent, method)
        except ProblemError as error:
            if error.problem.type == ProblemType.STALE_EPOCH.urn:
                self.tally.stale[request.headers[OWNER]] += 1
            return web.Response(status=error.problem.status, body=codec.encode(error.problem))
        except AgentUnreachable:
            return web.Response(status=SILENT)
        return web.Response(body=codec.encode(found))

    async def _called(self, request: web.Request, agent: FakeAgent, method: str) -> object:
        body, query = await request.read(), request.query
        asked: dict[str, Callable[[], Awaitable[object]]] = {
            "apply": lambda: agent.apply(
                codec.decode(body, Desired),
                timeout=float(query["timeout"]),
                confirm=int(query["confirm"]) if "confirm" in query else None,
                escalate="escalate" in query,
            ),
            "change": lambda: agent.change(query["id"]),
            "confirm": lambda: agent.confirm(query["id"], epoch=int(query["epoch"])),
            "cancel": lambda: agent.cancel(query["id"], epoch=int(query["epoch"])),
            "extend": lambda: agent.extend(
                query["id"], seconds=int(query["seconds"]), epoch=int(query["epoch"])
            ),
            "fence": lambda: agent.fence(int(query["epoch"])),
            "get_rules": agent.get_rules,
            "patch_rules": lambda: agent.patch_rules(codec.decode(body, PublicRulesPatch)),
            "observed": agent.observed,
            "live": agent.live,
        }
        if method in {"get_update", "put_update", "activate_update"}:
            return await self._updated(request, method)
        before = (agent.mode, sorted(agent.table), len(agent.confirmed))
        awaited = agent.awaiting
        found = await asked[method]()
        after = (agent.mode, sorted(agent.table), len(agent.confirmed))
        if method in {"apply", "confirm", "cancel", "patch_rules", "extend"}:
            self._accepted(request)
        if method == "cancel" and awaited is not None:
            self._take_back(request)
        elif method in {"apply", "confirm", "patch_rules"}:
            rules = sorted({*before[1]} ^ {*after[1]})
            about = {"apply": after[0], "patch_rules": "+".join(rules)}.get(method, "")
            what = f"{agent.appliance} {method} {about}".strip()
            self._count(request, what, changed=before != after)
        return found

    async def _updated(self, request: web.Request, method: str) -> object:
        """What an update asks of an appliance with two slots, and does to it."""
        host, name = request.match_info["host"], request.match_info["name"]
        slots = self.tenancies[host].slots[name]
        if method == "get_update":
            return await slots.get_update()
        wanted = Activation(build=request.query["build"])
        self._accepted(request)
        self._count(request, f"{name} {method}", changed=True)
        if method == "put_update":
            return await slots.put_update(wanted)
        return await slots.activate_update(wanted)

    def _accepted(self, request: web.Request) -> None:
        owner = request.headers[OWNER]
        self.tally.accepted[owner] += 1
        self.tally.first.setdefault(owner, time.monotonic())

    def _count(self, request: web.Request, what: str, *, changed: bool) -> None:
        if not changed:
            self.tally.repeats += 1
            return
        effect = Effect(request.headers[RUN], request.headers[STAGE], what)
        self.tally.effects[effect] += 1
        if " apply " in what:
            self._pending[request.match_info["host"], request.match_info["name"]] = effect

    def _take_back(self, request: web.Request) -> None:
        place = request.match_info["host"], request.match_info["name"]
        self.tally.taken_back[self._pending.pop(place)] += 1

    async def power(self, request: web.Request) -> web.Response:
        """Power of a machine: a hypervisor takes orders from everybody."""
        host, name, on = request.match_info["host"], request.query["name"], request.query["on"] == "True"
        found = self.tenancies[host]
        changed = found.hypervisor.on[name] != on
        await found.hypervisor.power(name, on=on, grace=0)
        if changed and on and name in found.agents:
            self._boots(found, name)
        self._accepted(request)
        self._switched(request, name, on=on, changed=changed)
        return web.json_response({})

    def _boots(self, found: Tenancy, name: str) -> None:
        found.agents[name].boots_in = BOOTED
        found.agents[name].lost = found.agents[name].lost and found.hopeless

    def _switched(self, request: web.Request, name: str, *, on: bool, changed: bool) -> None:
        """A machine that is started anew is off and on again, however often."""
        what, other = (f"{name} {word}" for word in (("on", "off") if on else ("off", "on")))
        self._count(request, what, changed=changed)
        before = Effect(request.headers[RUN], request.headers[STAGE], other)
        if changed and request.headers[STAGE] == START and self.tally.effects[before]:
            self.tally.taken_back[before] += 1

    async def bring(self, request: web.Request) -> web.Response:
        """An appliance that is to be there, on, and configured: what is so already stays."""
        host, name = request.match_info["host"], request.query["name"]
        found = self.tenancies[host]
        agent, on = found.agents[name], found.hypervisor.on
        self._accepted(request)
        if name not in on:
            found.hopeless = False
            on[name] = False
            self._count(request, f"{name} deployed", changed=True)
        if not on[name]:
            on[name] = True
            self._boots(found, name)
            self._switched(request, name, on=True, changed=True)
        try:
            await agent.fence(int(request.query["epoch"]))
        except ProblemError as error:
            self.tally.stale[request.headers[OWNER]] += 1
            return web.Response(status=error.problem.status, body=codec.encode(error.problem))
        except AgentUnreachable:
            return web.Response(status=SILENT)
        return web.json_response({})

    async def clear(self, request: web.Request) -> web.Response:
        """A machine that is to be there no more."""
        host, name = request.match_info["host"], request.query["name"]
        there = name in self.tenancies[host].hypervisor.on
        await self.tenancies[host].hypervisor.destroy(name)
        self._accepted(request)
        self._count(request, f"{name} destroyed", changed=there)
        return web.json_response({})

    async def find(self, request: web.Request) -> web.Response:
        """Whether a machine is there, and on."""
        found = self.tenancies[request.match_info["host"]].hypervisor.on
        return web.json_response({"on": found.get(request.query["name"])})

    async def hook(self, request: web.Request) -> web.Response:
        """A call of a hook, which knows each of its calls by the key."""
        key = request.query["key"]
        self._accepted(request)
        self._count(request, f"hook {key}", changed=key not in self.hooked)
        self.hooked.add(key)
        return web.json_response({})

    async def park(self, request: web.Request) -> web.Response:
        """Hold a run where it is until the world wakes it."""
        self.parked.add(request.headers[RUN])
        await self.woken.wait()
        return web.json_response({})

    @contextlib.asynccontextmanager
    async def serving(self, socket: Path) -> AsyncIterator[None]:
        """Answer controllers at this socket."""
        application = web.Application(client_max_size=2**24)
        application.router.add_post("/agent/{host}/{name}/{method}", self.answer)
        application.router.add_post("/power/{host}", self.power)
        application.router.add_post("/find/{host}", self.find)
        application.router.add_post("/bring/{host}", self.bring)
        application.router.add_post("/clear/{host}", self.clear)
        application.router.add_post("/hook", self.hook)
        application.router.add_post("/park", self.park)
        runner: Any = web.AppRunner(application, access_log=None, handler_cancellation=True)
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        try:
            yield
        finally:
            self.woken.set()
            await runner.cleanup()


def _tenancy(appliances: list[str], vms: list[str]) -> Tenancy:
    machines = {**dict.fromkeys(appliances, True), **{f"acme/{vm}": False for vm in vms}}
    return Tenancy(
        agents={one: FakeAgent(one, []) for one in appliances},
        hypervisor=FakeHypervisor(machines),
        slots={one: TwoSlots(one, []) for one in appliances},
    )
