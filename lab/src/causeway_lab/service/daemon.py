"""The lab in the background: holds a `Lab` and serves it on a Unix socket, readable by its owner only.

    python -m causeway_lab.service.daemon DIRECTORY EXTENSION      (inside a sandbox)

It locks DIRECTORY/lock as long as it lives, so that what a killed daemon left behind is known to be stale.
Each operation answers with JSON lines: steps as they happen, then one line `done` or `failed`.
"""

from __future__ import annotations

import asyncio
import fcntl
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO

import msgspec
from aiohttp import web

from causeway_lab.assembly.lab import Lab, LabError, VmRef
from causeway_lab.service import (
    description,
    drill,
    line_orders,
    protocol,
    publishing,
    revoking,
    sites,
    stale_answers,
)
from causeway_lab.world import topology
from causeway_lab.world.steps import Step
from causeway_wire.desired import Extension

SOCKET = "socket"
LOCK = "lock"
LOG = "log"
EXIT_TEMPORARY = 75
"""EX_TEMPFAIL (sysexits.h)."""

Measures = tuple[drill.Measure, ...]


class Daemon:
    """The operations of one lab; one at a time."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self._lab = lab
        self._sites = sites.Sites(lab, directory)
        self._lab.listener = self._hear
        self._busy = asyncio.Lock()
        self._listeners: set[asyncio.Queue[protocol.Line]] = set()
        self._operations: set[asyncio.Task[None]] = set()
        self._up = False
        self.ended = asyncio.Event()

    def application(self) -> web.Application:
        """The HTTP side."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/status", self._status),
                web.post("/up", lambda request: self._operate(request, self._bring_up)),
                web.post("/failover", lambda request: self._operate(request, self._fail_over)),
                web.post("/undo", lambda request: self._operate(request, self._undo)),
                web.post("/rehearse", lambda request: self._operate(request, self._rehearse)),
                web.post("/end-rehearsal", lambda request: self._operate(request, self._end_rehearsal)),
                web.post("/publish", lambda request: self._operate(request, self._publish)),
                web.post("/unpublish", lambda request: self._operate(request, self._unpublish)),
                web.post("/line", lambda request: self._operate(request, self._line)),
                web.post("/revoke", lambda request: self._operate(request, self._revoke)),
                web.post("/take-back", lambda request: self._operate(request, self._take_back)),
                web.post("/sites", lambda request: self._operate(request, self._begin_sites)),
                web.post("/power", lambda request: self._operate(request, self._power)),
                web.post("/down", lambda request: self._operate(request, self._bring_down)),
            ]
        )
        return app

    async def end(self) -> None:
        """End the controllers and the lab; nothing of them is left."""
        await self._sites.end()
        await self._lab.down()

    def _hear(self, step: Step) -> None:
        line = protocol.StepLine(name=step.name, seconds=step.seconds, error=step.error)
        for queue in self._listeners:
            queue.put_nowait(line)

    async def _operate(
        self, request: web.Request, operation: Callable[[protocol.Request], Awaitable[Measures]]
    ) -> web.StreamResponse:
        """Stream an operation. It runs to its end even when the client goes away."""
        order = msgspec.json.decode(await request.read() or b"{}", type=protocol.Request)
        queue: asyncio.Queue[protocol.Line] = asyncio.Queue()
        task = asyncio.create_task(self._run(operation, order, queue), name=request.path)
        self._operations.add(task)
        task.add_done_callback(self._operations.discard)
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            line = await queue.get()
            await response.write(msgspec.json.encode(line) + b"\n")
            if not isinstance(line, protocol.StepLine):
                return response

    async def _run(
        self,
        operation: Callable[[protocol.Request], Awaitable[Measures]],
        order: protocol.Request,
        queue: asyncio.Queue[protocol.Line],
    ) -> None:
        async with self._busy:
            self._listeners.add(queue)
            try:
                measures = await operation(order)
            except protocol.EXPECTED as error:
                queue.put_nowait(protocol.FailedLine(message=protocol.explain(error)))
            except Exception as error:  # noqa: BLE001 - top of the task: logged, and said
                traceback.print_exception(error)
                message = f"a defect of the lab ({type(error).__name__}: {error}); its log has the details"
                queue.put_nowait(protocol.FailedLine(message=message))
            else:
                queue.put_nowait(protocol.DoneLine(measures=tuple((m.what, m.seconds) for m in measures)))
            finally:
                self._listeners.discard(queue)

    async def _bring_up(self, _: protocol.Request) -> Measures:
        if self._up:
            raise LabError("the lab is up already")
        try:
            await self._lab.up()
        except BaseException:
            self.ended.set()
            raise
        self._up = True
        return ()

    async def _bring_down(self, _: protocol.Request) -> Measures:
        self._up = False
        self.ended.set()
        return ()

    async def _fail_over(self, order: protocol.Request) -> Measures:
        refs = self._refs(order)
        measures: Measures = ()
        for tenant in {*order.tenants, *(ref.tenant for ref in refs)}:
            self._lab.override(tenant, stale_answers.read(order.claim_anyway))
        for tenant in order.tenants:
            measures += await drill.fail_over_full(
                self._lab, tenant, escalate=order.escalate, cut=order.originals
            )
        return measures + await drill.fail_over(self._lab, refs, cut=order.originals) if refs else measures

    async def _undo(self, order: protocol.Request) -> Measures:
        refs = self._refs(order)
        for tenant in {*order.tenants, *(ref.tenant for ref in refs)}:
            self._lab.override(tenant, ())
        if not order.tenants:
            return await drill.undo(self._lab, refs, restore=order.originals)
        measures: Measures = ()
        for tenant in order.tenants:
            kept = [ref.vm for ref in refs if ref.tenant == tenant]
            measures += await drill.undo_full(self._lab, tenant, keep=kept, restore=order.originals)
        return measures

    async def _rehearse(self, order: protocol.Request) -> Measures:
        self._started()
        measures: Measures = ()
        for tenant in order.tenants:
            measures += await drill.rehearse(self._lab, tenant, internet=order.internet)
        return measures

    async def _end_rehearsal(self, order: protocol.Request) -> Measures:
        self._started()
        for tenant in order.tenants:
            await self._lab.end_rehearsal(tenant)
        return ()

    async def _publish(self, order: protocol.Request) -> Measures:
        self._started()
        if order.publication is not None:
            await publishing.publish(self._lab, order.publication)
        return ()

    async def _unpublish(self, order: protocol.Request) -> Measures:
        self._started()
        await publishing.withdraw(self._lab, order.rule)
        return ()

    async def _line(self, order: protocol.Request) -> Measures:
        self._started()
        if order.line is not None:
            await line_orders.obey(self._lab, order.line)
        return ()

    async def _revoke(self, order: protocol.Request) -> Measures:
        self._started()
        if order.revocation is not None:
            await revoking.revoke(self._lab, order.revocation)
        return ()

    async def _take_back(self, order: protocol.Request) -> Measures:
        self._started()
        await revoking.take_back(self._lab, order.serial)
        return ()

    async def _begin_sites(self, order: protocol.Request) -> Measures:
        self._started()
        for tenant in order.tenants:
            await self._sites.begin(tenant)
        return ()

    async def _power(self, order: protocol.Request) -> Measures:
        self._started()
        await sites.power(self._lab, order.vms, on=order.on)
        return ()

    def _started(self) -> None:
        if not self._up:
            raise LabError("the lab is still starting; try again in some seconds")

    def _refs(self, order: protocol.Request) -> tuple[VmRef, ...]:
        self._started()
        return tuple(VmRef.parse(text) for text in order.vms)

    async def _status(self, _: web.Request) -> web.Response:
        status = await description.status(self._lab) if self._up else protocol.Status(up=False)
        return web.Response(body=msgspec.json.encode(status), content_type="application/json")


def lock(directory: Path) -> IO[str]:
    """The lock of a lab's directory while the file is open; raises BlockingIOError when it is held."""
    file = (directory / LOCK).open("w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    return file


async def serve(directory: Path, extension: Extension) -> None:
    """Serve until `/down`, or until bringing the lab up failed."""
    lab = Lab(topology.build(extension=extension))
    daemon = Daemon(lab, directory)
    runner = web.AppRunner(daemon.application(), access_log=None)
    await runner.setup()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, daemon.ended.set)
    path = directory / SOCKET
    path.unlink(missing_ok=True)
    try:
        await web.UnixSite(runner, path).start()
        path.chmod(0o600)
        await daemon.ended.wait()
        await daemon.end()
    finally:
        path.unlink(missing_ok=True)
        await runner.cleanup()


def main() -> int:
    """The command line."""
    directory, extension = Path(sys.argv[1]), Extension(sys.argv[2])
    try:
        held = lock(directory)
    except BlockingIOError:
        sys.stderr.write(f"another lab holds {directory}\n")
        return EXIT_TEMPORARY
    with held:
        asyncio.run(serve(directory, extension))
    return 0


if __name__ == "__main__":
    sys.exit(main())
