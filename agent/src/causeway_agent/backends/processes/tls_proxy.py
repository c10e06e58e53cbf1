"""HAProxy: the gateway's TCP port, or the tenant appliance's TLS wrapper for the TCP fallback.

A change starts a new process beside the old one on the same port (SO_REUSEPORT) and then asks the old one
to stop softly: it closes its listeners and ends with its last connection, so that no tunnel is cut by
somebody else's change.
"""

from __future__ import annotations

import asyncio
import signal

import structlog

from causeway_agent.backends.processes import openvpn, records, spawn
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.processes import TlsProxy
from causeway_agent.plan.steer import remotes

CONFIGURATION = "haproxy.cfg"
COMMAND = ("haproxy", "-db", "-f", CONFIGURATION)
START_DEADLINE = 30.0
"""Seconds a proxy gets to listen."""
BUNDLES = frozenset({"server.pem", "client.pem"})
"""Files whose certificate needs the key in front."""

_LOOK = 0.005

_log = structlog.get_logger()


class ProxyUnit:
    """Runs one HAProxy and starts it again whenever it ends."""

    def __init__(
        self,
        spec: TlsProxy,
        context: openvpn.Context,
        store: records.Records,
        *,
        beside: tuple[spawn.Child, ...] = (),
    ) -> None:
        self.spec = spec
        self._context = context
        self._store = store
        self._directory = context.run_directory / spec.name
        self._child: spawn.Child | None = None
        self._lingering = beside
        self._settled = asyncio.Event()
        self._error: str | None = None

    def adopt(self, entry: records.Record) -> bool:
        """Take over the recorded processes if they still run with the configuration they would get now."""
        if records.digest(*self._texts().values()) == entry.digest:
            self._child = spawn.adopt(entry.process.pid, entry.process.start_time)
        if self._child is not None:
            found = (spawn.adopt(old.pid, old.start_time) for old in entry.lingering)
            self._lingering = tuple(child for child in found if child is not None)
            # The agent before may have died before it asked them, and they admit whom they knew then.
            self.inherit()
        return self._child is not None

    async def ready(self) -> None:
        """Return when the proxy listens; raises BackendError when it ended or took too long instead."""
        try:
            async with asyncio.timeout(START_DEADLINE):
                await self._settled.wait()
        except TimeoutError:
            raise BackendError(f"start {self.spec.name}", "it does not listen") from None
        if self._error is not None:
            raise BackendError(f"start {self.spec.name}", self._error)

    async def run(self) -> None:
        """Keep the proxy running until cancelled, which leaves the processes alone."""
        delay = 0.0
        while True:
            began = self._context.clock.monotonic()
            try:
                child = self._child or await self._launch()
                await self._attend(child)
                self._error = self._alert() or openvpn.ending(child, self._directory)
            except (BackendError, OSError) as error:
                self._error = openvpn.explain(error)
            await self._discard()
            self._settled.set()
            _log.warning("process_ended", process=self.spec.name, reason=self._error)
            delay = remotes.restart_delay(delay, lived=self._context.clock.monotonic() - began)
            await asyncio.sleep(delay)

    @property
    def children(self) -> tuple[spawn.Child, ...]:
        """The unit's processes that still run, those finishing their connections included."""
        current = () if self._child is None else (self._child,)
        return tuple(child for child in (*self._lingering, *current) if child.alive)

    def inherit(self) -> None:
        """Ask the predecessors to close their listeners and to end with their last connection."""
        for child in self._lingering:
            child.send(signal.SIGUSR1)  # HAProxy management guide, 4: soft stop

    async def abandon(self) -> None:
        """End this unit's own process only; `run` must have been cancelled."""
        if self._child is not None:
            await self._child.terminate()

    def remember(self) -> None:
        """Write the record of the current process."""
        if self._child is None:
            self._store.delete(self.spec.name)
            return
        entry = records.record(
            self.spec,
            process=records.Identity(pid=self._child.pid, start_time=self._child.started),
            digest=records.digest(*self._texts().values()),
            lingering=tuple(
                records.Identity(pid=old.pid, start_time=old.started) for old in self._lingering if old.alive
            ),
        )
        self._store.write(self.spec.name, entry)

    async def _discard(self) -> None:
        """Let go of the process, which has ended unless something failed right after its start."""
        if self._child is not None:
            await self._child.kill()
        self._child = None

    async def stop(self) -> None:
        """End the processes and their connections; `run` must have been cancelled."""
        for child in self.children:
            await child.terminate()
        self._store.delete(self.spec.name)

    def release(self) -> None:
        """Leave the processes running."""
        for child in self.children:
            child.release()

    async def _launch(self) -> spawn.Child:
        await asyncio.to_thread(self._prepare)
        self._child = child = spawn.launch(COMMAND, directory=self._directory, account=self._context.account)
        self.remember()
        _log.info("process_started", process=self.spec.name, pid=child.pid)
        return child

    async def _attend(self, child: spawn.Child) -> None:
        async with asyncio.TaskGroup() as group:
            look = group.create_task(self._look(child))
            await child.wait()
            look.cancel()

    async def _look(self, child: spawn.Child) -> None:
        """Notice when it listens; HAProxy tells nobody but systemd."""
        while not await asyncio.to_thread(spawn.listens, child.pid):  # noqa: ASYNC110 - nothing to wait on
            await asyncio.sleep(_LOOK)
        self._error = None
        self._settled.set()

    def _alert(self) -> str | None:
        """The first thing HAProxy complained about, with its place in the configuration."""
        lines = spawn.output_tail(self._directory, lines=20)
        alerts = [line.partition(" : ")[2] for line in lines if "[ALERT]" in line]
        return alerts[0] if alerts else None

    def _prepare(self) -> None:
        spawn.prepare_directory(self._directory, self._context.account)
        texts = self._texts()
        for path in self._directory.iterdir():
            if path.name not in {*texts, spawn.OUTPUT}:
                path.unlink()  # a file of an earlier configuration
        for name, text in texts.items():
            spawn.write_file(self._directory / name, text, self._context.account)

    def _texts(self) -> dict[str, str]:
        """Every file of the proxy by name, complete; raises BackendError when the key is missing."""
        texts = {CONFIGURATION: self.spec.configuration.reveal()}
        for name, content in self.spec.files:
            texts[name] = content.reveal()
            if name in BUNDLES and self.spec.key is not None:
                key = openvpn.read_key(f"{self.spec.key}.key", self._context.key_directory)
                texts[name] = f"{key}\n{content.reveal()}"
        return texts
