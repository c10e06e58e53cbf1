"""Handlers of runs: started once for each key, read by who may see their tenant, stopped, retried."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from causeway_controller.api import break_glass
from causeway_controller.api.callers import Caller, no_tenant, not_found
from causeway_controller.api.exchange import Answer, Ask, Handler, malformed
from causeway_controller.api.ports import RunService
from causeway_controller.contract import asking_routes, gateway_routes, requests, routes, update_routes
from causeway_controller.contract.access import OF_TENANTS, Permission
from causeway_controller.contract.requests import (
    AskTenant,
    Chore,
    FailOverSite,
    Redeploy,
    RedeployGateway,
    Request,
    Retire,
    RetireGateway,
    Serve,
    StopServing,
    UpdateFleet,
)
from causeway_controller.contract.runs import PlannedRun, RunEventReport, RunReport
from causeway_controller.contract.tenant import Starter
from causeway_controller.failover import summary
from causeway_controller.inventory import appliances, production
from causeway_controller.inventory.health import NOBODY
from causeway_controller.store.audit import Act, Audit
from causeway_controller.store.idempotency import Keys
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.run_reports import RunsTold
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.tokens import Tokens
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name, TenantId

_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")
_START: Final = "run.start"
"""What the audit calls it, unless there is a better word."""
_CURSOR: Final = re.compile(r"[A-Za-z0-9:._-]{1,200}")


class Begin(Protocol):
    """Starts a run, under this name where there is one."""

    async def __call__(self, *, identifier: str | None) -> Run: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHandlers:
    """Asks whether the caller may, and has the run service do it."""

    service: RunService
    told: RunsTold
    stored: Runs
    inventories: Inventories
    keys: Keys
    audit: Audit
    now: Callable[[], datetime]
    tokens: Tokens

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {
            routes.START_RUN.name: self.start,
            routes.RUNS.name: self.list,
            routes.RUN.name: self.get,
            routes.RUN_SUMMARY.name: self.summary,
            routes.STOP_RUN.name: self.stop,
            routes.RETRY_RUN.name: self.retry,
        }

    def of_staff(self) -> Mapping[str, Handler]:
        """As `handlers`, of what only the provider's staff is served."""
        return {
            update_routes.UPDATE_FLEET.name: self.update_fleet,
            routes.REDEPLOY_APPLIANCE.name: self.redeploy,
            gateway_routes.REDEPLOY_GATEWAY.name: self.redeploy_gateway,
            routes.RETIRE_APPLIANCE.name: self.retire,
            gateway_routes.RETIRE_GATEWAY.name: self.retire_gateway,
            asking_routes.ASK_TENANT.name: self.ask_tenant,
        }

    async def start(self, ask: Ask) -> Answer:
        """Start a run, or say in words what it would do."""
        request, host = _request(ask), ask.places["host"]
        _refuse_half(request)
        await asyncio.to_thread(self.may_start, ask.caller, request, host)
        if ask.flag("dry_run"):
            return Answer(document=await self.service.check(request, host=host))
        begin = functools.partial(self.service.start, request, host=host, actor=ask.caller.name)
        if break_glass.is_shown(ask.caller):
            return await self._broken(ask, request, begin)
        return await self._begun(ask, begin)

    async def _broken(self, ask: Ask, request: Request, begin: Begin) -> Answer:
        """As `_begun`, by a code, which is used up before anything is done with it."""
        host = ask.places["host"]

        async def once(*, identifier: str | None) -> Run:
            # What is refused uses up nothing.
            half = await asyncio.to_thread(self.stored.open_half, request.tenant, host)
            await asyncio.to_thread(self.stored.refuse_open, request.tenant, host, but=half or "")
            await self.service.plan(request, host=host)
            await self._use_up(ask.caller)
            return await begin(identifier=identifier)

        try:
            return await self._once(ask, once, break_glass.key(host))
        except ProblemError as error:
            if error.problem.type == ProblemType.KEY_REUSED.urn:
                raise break_glass.used(host) from error
            raise

    async def _use_up(self, caller: Caller) -> None:
        """Have the session of a code begin, if it has not."""
        code = break_glass.token(caller)
        await asyncio.to_thread(self.tokens.use_up, code, within=break_glass.SESSION, actor=caller.name)

    async def update_fleet(self, ask: Ask) -> Answer:
        """Start the run that updates all appliances, or say in which order it would."""
        request: UpdateFleet = ask.body  # type: ignore[assignment] # decoded as what the route takes
        return await self._chore(ask, request, None)

    async def ask_tenant(self, ask: Ask) -> Answer:
        """Start the run that asks a tenant's controller, or say what it would ask for."""
        request = ask.document(AskTenant)
        _about(ask, request.tenant)
        if ask.caller.role in OF_TENANTS:
            detail = "your own controller begins it: `causeway failover partial` there"
            raise ProblemError(problem(ProblemType.NOT_ALLOWED, detail))
        return await self._chore(ask, request, request.tenant)

    async def redeploy(self, ask: Ask) -> Answer:
        """Start the run that has another machine in an appliance's place, or say what it would do."""
        tenant, host = ask.places["tenant"], ask.places["host"]
        ask.caller.see(tenant)
        request = Redeploy(tenant=tenant, keep_certificates=ask.flag("keep_certificates"))
        return await self._chore(ask, request, tenant, host=host, action="appliance.redeploy")

    async def redeploy_gateway(self, ask: Ask) -> Answer:
        """As `redeploy`, of a gateway, which is nobody's, in its own place."""
        name = ask.places["gateway"]
        request = RedeployGateway(gateway=name, keep_certificates=ask.flag("keep_certificates"))
        return await self._chore(ask, request, NOBODY, host=name, action="appliance.redeploy")

    async def retire(self, ask: Ask) -> Answer:
        """Start the run that has an appliance away, or say what it would do."""
        tenant, host = ask.places["tenant"], ask.places["host"]
        ask.caller.see(tenant)
        request = Retire(tenant=tenant, gone=ask.flag("gone"))
        return await self._chore(ask, request, tenant, host=host, action="appliance.retire")

    async def retire_gateway(self, ask: Ask) -> Answer:
        """As `retire`, of a gateway, which is nobody's, in its own place."""
        name = ask.places["gateway"]
        request = RetireGateway(gateway=name, gone=ask.flag("gone"))
        return await self._chore(ask, request, NOBODY, host=name, action="appliance.retire")

    async def _chore(
        self,
        ask: Ask,
        request: Chore,
        tenant: TenantId | None,
        *,
        host: Name | None = None,
        action: str = _START,
    ) -> Answer:
        if ask.flag("dry_run"):
            stages = await self.service.plan_chore(request, tenant=tenant, host=host)
            return Answer(document=PlannedRun(stages=stages))
        start = self.service.start_chore
        begin = functools.partial(start, request, tenant=tenant, host=host, actor=ask.caller.name)
        return await self._begun(ask, begin, action)

    async def _begun(self, ask: Ask, begin: Begin, action: str = _START) -> Answer:
        key = ask.headers.get(routes.IDEMPOTENCY_KEY)
        if key is None:
            report = await self._started(begin, None)
            await self.record(ask.caller, action, report)
            return _answer(codec.encode(report), report.id)
        return await self._once(ask, begin, key, action)

    def may_start(self, caller: Caller, request: Request, host: str) -> None:
        """Raise ProblemError unless the caller sees the tenant, and may start a full one where it is one."""
        caller.see(request.tenant)
        break_glass.check(caller, request)
        inventory = self.inventories.of_tenant(request.tenant).inventory
        if production.find(inventory, request.tenant, host) is not None:
            return
        production.refuse_omitted(inventory, request.tenant, host)
        own = [one.network.id for one in production.places(inventory)]
        hosts = [one.host for one in appliances.needed(inventory)]
        if own and host not in hosts:
            besides = f", and subscriptions on {', '.join(hosts)}" if hosts else ""
            there = f"there is {', '.join(own)}{besides}"
            raise not_found(
                f"network {host} of {request.tenant} with an appliance of this controller; {there}"
            )
        if not inventory.tenants:
            raise no_tenant(request.tenant)
        if host not in hosts:
            there = f"; it has one on {', '.join(hosts)}" if hosts else "; enter one"
            raise not_found(f"subscription of tenant {request.tenant} on host {host}{there}")
        whose = Starter.TENANT if caller.role in OF_TENANTS else Starter.PROVIDER
        allowed = inventory.tenants[0].full_failover_by
        if isinstance(request, FailOverSite) and whose not in allowed:
            detail = (
                f"a full failover of {request.tenant} is started by staff of {' or '.join(allowed)} "
                "(full_failover_by in the inventory)"
            )
            raise ProblemError(problem(ProblemType.NOT_ALLOWED, detail))

    def _may_deploy(self, caller: Caller, act: str) -> None:
        """Raise ProblemError unless the caller may act on appliances."""
        if Permission.DEPLOY not in caller.permissions:
            detail = f"to {act} what is done to appliances is the provider's; ask its staff"
            raise ProblemError(problem(ProblemType.NOT_ALLOWED, detail))

    async def _once(self, ask: Ask, begin: Begin, key: str, action: str = _START) -> Answer:
        """Start the run unless this key did. Its name follows from the key: it is found again."""
        if _KEY.fullmatch(key) is None:
            raise malformed("an idempotency key is 1 to 128 visible ASCII characters; take a random UUID")
        fingerprint = hashlib.sha256(f"{ask.http.path_qs}\n{ask.digest}".encode()).hexdigest()
        whose, name = ask.caller.identity, _name(ask.caller, key, fingerprint)
        answered = await asyncio.to_thread(self.keys.claim, whose, key, fingerprint=fingerprint)
        if answered is not None:
            return _answer(answered.encode(), name)
        try:
            report = await self._found(name) or await self._started(begin, name)
        except ProblemError:
            await asyncio.to_thread(self.keys.release, whose, key)
            raise
        await self.record(ask.caller, action, report)
        text = codec.encode(report)
        await asyncio.to_thread(self.keys.answer, whose, key, text.decode())
        return _answer(text, name)

    async def _found(self, name: str) -> RunReport | None:
        """The run that was started before its answer could be kept."""
        try:
            return await asyncio.to_thread(self.told.get, name)
        except ProblemError:
            return None

    async def _started(self, begin: Begin, name: str | None) -> RunReport:
        run = await begin(identifier=name)
        return await asyncio.to_thread(self.told.get, run.id)

    async def list(self, ask: Ask) -> Answer:
        """The runs of the tenants that the caller sees, or of one of them."""
        tenant = ask.query.get("tenant", ask.caller.tenant)
        if tenant is not None:
            ask.caller.see(tenant)
        cursor = ask.query.get("cursor")
        if cursor is not None and _CURSOR.fullmatch(cursor) is None:
            raise malformed("this cursor was never given; leave it out to begin")
        return Answer(
            document=await asyncio.to_thread(self.told.list, tenant=tenant, cursor=cursor, limit=ask.limit)
        )

    async def get(self, ask: Ask) -> Answer:
        """One run."""
        return Answer(document=await self._report(ask))

    async def summary(self, ask: Ask) -> Answer:
        """One run with all that came of it, in one document."""
        report = await self._report(ask)
        return Answer(document=summary.of(report, await asyncio.to_thread(_events, self.told, ask)))

    async def stop(self, ask: Ask) -> Answer:
        """Have a run stop."""
        report = await self._report(ask)
        break_glass.refuse(ask.caller, "stop")
        if requests.chore(bytes(report.request)) is not None:
            self._may_deploy(ask.caller, "stop")
        if not report.open:
            detail = f"run {report.id} is over; nothing is left to stop"
            raise ProblemError(problem(ProblemType.RUN_OVER, detail))
        await self.record(ask.caller, "run.stop", report)
        await self.service.stop(report.id, actor=ask.caller.name)
        return Answer(status=202, document=await self._report(ask))

    async def retry(self, ask: Ask) -> Answer:
        """Start a run that asks for the same; who may start it is asked again."""
        before = await self._report(ask)
        if requests.chore(bytes(before.request)) is not None:
            self._may_deploy(ask.caller, "retry")
        else:
            request = requests.read(bytes(before.request))
            _refuse_half(request)
            await asyncio.to_thread(self.may_start, ask.caller, request, before.host or "")
            break_glass.check_retry(ask.caller, before.actor)
            if break_glass.is_shown(ask.caller):
                await self._use_up(ask.caller)
        run = await self.service.retry(before.id, actor=ask.caller.name)
        report = await asyncio.to_thread(self.told.get, run.id)
        await self.record(ask.caller, "run.retry", report)
        return _answer(codec.encode(report), run.id)

    async def _report(self, ask: Ask) -> RunReport:
        return await asyncio.to_thread(self.told.get, ask.places["run"], tenant=ask.caller.tenant)

    async def record(self, caller: Caller, action: str, report: RunReport) -> None:
        """Keep in the audit what somebody did with a run."""
        subject, detail = f"run {report.id}", report.where
        act = Act(at=self.now(), actor=caller.name, action=action, subject=subject, detail=detail)
        await asyncio.to_thread(self.audit.append, act)


def _events(told: RunsTold, ask: Ask) -> tuple[RunEventReport, ...]:
    """All that came of the run so far."""
    found: tuple[RunEventReport, ...] = ()
    while True:
        after = found[-1].number if found else 0
        page = told.events(ask.places["run"], after=after, limit=routes.PAGE, tenant=ask.caller.tenant)
        found += page.events
        if len(page.events) < routes.PAGE:
            return found


def _request(ask: Ask) -> Request:
    """The body, which must be about the tenant in the path. Raises ProblemError."""
    request: Request = ask.body  # type: ignore[assignment] # decoded as what the route takes
    _about(ask, request.tenant)
    return request


def _about(ask: Ask, named: TenantId) -> None:
    """Raise ProblemError unless the request is about the tenant in the path."""
    tenant = ask.places["tenant"]
    ask.caller.see(tenant)
    if named != tenant:
        detail = f"the path is about {tenant} and the request about {named}; say one tenant"
        raise ProblemError(problem(ProblemType.INVALID, detail, pointer="/tenant"))


def _refuse_half(request: Request) -> None:
    """Raise ProblemError for what only the tenant's controller has the provider do, as a half of its run."""
    if isinstance(request, Serve | StopServing):
        detail = "a half is opened and ended by the tenant's controller, and never by itself"
        raise ProblemError(problem(ProblemType.NOT_ALLOWED, detail, pointer="/request"))


def _name(caller: Caller, key: str, fingerprint: str) -> str:
    """The name of the run that this caller starts by this request under this key."""
    return "r-" + hashlib.sha256(f"{caller.identity}\n{key}\n{fingerprint}".encode()).hexdigest()[:24]


def _answer(text: bytes, name: str) -> Answer:
    return Answer(status=201, text=text, headers={routes.LOCATION: f"/v1/runs/{name}"})
