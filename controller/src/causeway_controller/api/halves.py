"""Handlers of the halves that a tenant's controller has this provider do for its partial failovers."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

import msgspec
from msgspec import UNSET, structs

from causeway_controller.api.callers import not_found
from causeway_controller.api.exchange import Answer, Ask, Handler, malformed
from causeway_controller.api.runs import RunHandlers
from causeway_controller.contract import requests, tenant_routes
from causeway_controller.contract.halves import End, HalfOrder, HalfReport, HalfState, Open, Word
from causeway_controller.contract.requests import Serve, StopServing
from causeway_controller.contract.run_events import FINISHED
from causeway_controller.contract.runs import RunId, RunReport
from causeway_controller.store.half import Half
from causeway_controller.store.halves import Halves
from causeway_controller.workflows.shared_looks import SharedLook
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import Name, TenantId

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_LOOK_SECONDS: Final = 0.2
_GRANT_SECONDS: Final = 15.0
"""For the controller that carries the half out to have its appliance wait longer."""
_WAIT_SECONDS: Final = 25
_BEGUN_AT_ONCE: Final = 16
"""Runs: when a thousand tenants ask at once some are soon through, and not all of them too late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfHandlers:
    """Keeps what is ordered, and starts the run that carries a half out, which reads the orders."""

    runs: RunHandlers
    halves: Halves
    looks: SharedLook[Mapping[RunId, Half]]
    """At all halves that are open."""
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_BEGUN_AT_ONCE))
    looking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_BEGUN_AT_ONCE))
    """The same for dry runs, which keep nobody from beginning."""

    @classmethod
    def over(cls, halves: Halves, *, runs: RunHandlers) -> Self:
        """Return the handlers that look at the store once for all who wait."""
        return cls(runs=runs, halves=halves, looks=SharedLook(halves.open, seconds=_LOOK_SECONDS))

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {tenant_routes.ORDER_HALF.name: self.order, tenant_routes.HALF.name: self.get}

    async def order(self, ask: Ask) -> Answer:
        """Have something become of a half."""
        tenant, name, wanted = ask.caller.tenant or "", _name(ask), ask.document(HalfOrder)
        run = _run(tenant, name)
        if wanted.dry_run:
            return await self._checked(ask, wanted, run)
        half = await asyncio.to_thread(self.halves.order, tenant, name, wanted, run=run, at=self.runs.now())
        if half.run is not None and half.word is Word.TAKE_BACK:
            if not (half.held or half.kept):  # what is held hears the word
                await self._stop(ask, half.run)
        elif half.run is not None:
            await self._start(ask, wanted, half.run)
        granted = wanted.hold is not UNSET and await self._granted(tenant, name, half.asked)
        report = await asyncio.to_thread(self._report, tenant, name)
        return Answer(document=structs.replace(report, granted=granted))

    async def get(self, ask: Ask) -> Answer:
        """How far a half is, once that is something else than what is known."""
        tenant, name, after = ask.caller.tenant or "", _name(ask), ask.query.get("after")
        if after is not None and after not in set(HalfState):
            raise malformed(f"`after` is one of {', '.join(HalfState)}")
        until = asyncio.get_running_loop().time() + ask.number("wait", 0, highest=_WAIT_SECONDS)
        run = _run(tenant, name)
        while True:
            before = (await self.looks.now()).get(run)
            report = await asyncio.to_thread(self._report, tenant, name)
            if report.state != after or asyncio.get_running_loop().time() >= until:
                return Answer(document=report)
            await self._moved(run, before, until)

    async def _moved(self, run: RunId, before: Half | None, until: float) -> None:
        """Wait until what was said of an open half is something else, or there may be more to report."""
        if before is None:
            await asyncio.sleep(_LOOK_SECONDS)
            return
        left = until - asyncio.get_running_loop().time()
        await self.looks.until(functools.partial(_differs, run, before), seconds=left)

    async def _checked(self, ask: Ask, wanted: HalfOrder, run: str) -> Answer:
        """Refuse what cannot be opened or ended, or not before an open run is over; of an end older epochs.

        Raises ProblemError.
        """
        tenant, name, place = ask.caller.tenant or "", _name(ask), wanted.open or wanted.end
        if place is UNSET:
            raise malformed("`dry_run` is for an `open` or an `end`")
        if isinstance(place, End) and wanted.epoch:
            fence = HalfOrder(epoch=wanted.epoch)
            await asyncio.to_thread(self.halves.order, tenant, name, fence, run=run, at=self.runs.now())
        request = _request(tenant, place)
        async with self.looking:
            await asyncio.to_thread(self.runs.may_start, ask.caller, request, place.host)
            if isinstance(place, Open):
                await self.runs.service.check(request, host=place.host)
            else:
                await self.runs.service.plan(request, host=place.host)
        await asyncio.to_thread(self.runs.stored.refuse_open, tenant, place.host)
        return Answer(document=HalfReport(epoch=wanted.epoch, state=HalfState.PREPARING))

    async def _start(self, ask: Ask, wanted: HalfOrder, run: str) -> None:
        """Start the run, unless it was started. Raises ProblemError, with nothing begun.

        Its turn may take longer than the tenant's controller has patience: what was taken back meanwhile was
        told to be gone, and is not begun any more.
        """
        tenant, name, place = ask.caller.tenant or "", _name(ask), wanted.open or wanted.end
        if place is UNSET or await asyncio.to_thread(self._found, run) is not None:
            return
        request = _request(tenant, place)
        try:
            async with self.room:
                await asyncio.to_thread(self.runs.may_start, ask.caller, request, place.host)
                if await self._taken_back(tenant, name):
                    return
                await self.runs.service.start(request, host=place.host, actor=ask.caller.name, identifier=run)
        except ProblemError:
            await asyncio.to_thread(self.halves.unopened, run)
            raise
        await asyncio.to_thread(self.halves.opened, tenant, name, run)
        if await self._taken_back(tenant, name):
            await self._stop(ask, run)
        await self.runs.record(ask.caller, "half.open", await asyncio.to_thread(self.runs.told.get, run))

    async def _stop(self, ask: Ask, run: RunId) -> None:
        """Have what nothing relies on yet go no further: it would go back once it is held, and no sooner."""
        with suppress(ProblemError):  # it never began, or is over
            await self.runs.service.stop(run, actor=ask.caller.name)

    async def _taken_back(self, tenant: TenantId, name: str) -> bool:
        half = await asyncio.to_thread(self.halves.get, tenant, name)
        return half is not None and half.word is Word.TAKE_BACK

    async def _granted(self, tenant: TenantId, name: str, asked: int) -> bool:
        """Whether it is held on, as this order asked; waits for it."""
        until, run = asyncio.get_running_loop().time() + _GRANT_SECONDS, _run(tenant, name)
        while (left := until - asyncio.get_running_loop().time()) > 0:
            seen = half = (await self.looks.now()).get(run)
            if half is None or not half.held or half.word is not None:
                # That may be a moment old, and "not held" is final.
                half = await asyncio.to_thread(self.halves.get, tenant, name)
            if half is None or half.run is None or not half.held or half.word is not None:
                return False
            if half.given >= asked:
                return True
            await self.looks.until(functools.partial(_differs, run, seen), seconds=left)
        return False

    def _report(self, tenant: TenantId, name: str) -> HalfReport:
        half = self.halves.get(tenant, name)
        if half is None:
            raise not_found(f"half {name}")
        run = None if half.run is None else self._found(half.run)
        if run is None:
            state = HalfState.GONE if half.word is Word.TAKE_BACK else HalfState.PREPARING
            return HalfReport(epoch=half.epoch, state=state)
        state = _state(half, run)
        if run.open or run.last is UNSET:
            return HalfReport(epoch=half.epoch, state=state, run=run.id)
        why, stands = _why(bytes(run.last.detail))
        return HalfReport(epoch=half.epoch, state=state, run=run.id, why=why, stands=stands)

    def _found(self, run: str) -> RunReport | None:
        try:
            return self.runs.told.get(run)
        except ProblemError as error:
            if error.problem.type != ProblemType.NOT_FOUND.urn:
                raise
            return None


def _differs(run: RunId, before: Half | None, opened: Mapping[RunId, Half]) -> bool:
    return opened.get(run) != before


def _run(tenant: TenantId, name: Name) -> RunId:
    """The run that carries the half out, once it is opened."""
    return "h-" + hashlib.sha256(f"{tenant}\n{name}".encode()).hexdigest()[:24]


def _state(half: Half, run: RunReport) -> HalfState:
    serves = isinstance(requests.read(bytes(run.request)), Serve)
    if serves and half.kept:
        return HalfState.KEPT
    if run.open:
        return HalfState.HELD if half.held else HalfState.PREPARING
    went_through = run.last is not UNSET and run.last.kind == FINISHED
    return HalfState.KEPT if serves is went_through else HalfState.GONE


def _why(detail: bytes) -> tuple[str, bool]:
    """What the run that failed ended with, with what of it stands; and whether anything does."""
    found = msgspec.json.decode(detail, type=dict[str, object])
    kept = found.get("kept")
    stands = ", ".join(map(str, kept)) if isinstance(kept, list) else ""
    told = f"; not taken back: {stands}" if stands else ""
    return f"{found.get('why', '')}{told}", bool(stands)


def _name(ask: Ask) -> str:
    name = ask.places["half"]
    if _NAME.fullmatch(name) is None:
        raise malformed("a half has the name of the tenant's run: a-z, 0-9 and hyphens, at most 64")
    return name


def _request(tenant: TenantId, place: Open | End) -> Serve | StopServing:
    if isinstance(place, Open):
        return Serve(tenant=tenant, vms=place.vms, end_full=place.end_full)
    given = {"fail_back": place.fail_back, "synchronised": place.synchronised}
    return StopServing(tenant=tenant, vms=place.vms, **given)
