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

from causeway_controller.inventory.tenancy import Site
from causeway_wire import codec
from causeway_wire.desired import Desired
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.public_rules import PublicRulesPatch
from tests.fakes.agent import FakeAgent
from tests.fakes.hypervisor import FakeHypervisor

OWNER, RUN, STAGE = "X-Controller", "X-Run", "X-Stage"
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

    def state(self, host: str) -> object:
        """What everything of a tenancy is now."""
        found = self.tenancies[host]
        agents = {name: (one.mode, one.awaiting, sorted(one.table)) for name, one in found.agents.items()}
        return agents, found.hypervisor.on

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
            found.agents[name].boots_in = BOOTED
        self._accepted(request)
        self._count(request, f"{name} {'on' if on else 'off'}", changed=changed)
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
        agents={one: FakeAgent(one, []) for one in appliances}, hypervisor=FakeHypervisor(machines)
    )
