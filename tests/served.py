"""The API behind real TLS on loopback, over an engine on fakes: to knock at, and to lay siege to."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from cryptography import x509

from causeway_agent.api import application, handlers, peers, tls
from causeway_agent.api.guests import Guests
from causeway_agent.api.listener import Listener
from causeway_agent.api.serving import Serving
from causeway_agent.engine import service
from causeway_agent.engine.ports import Credentials
from causeway_agent.engine.service import Engine
from causeway_controller.trust import pki
from causeway_wire import codec
from causeway_wire.routes import Permission
from tests.agents import APPLIANCE, MANAGEMENT, Bench
from tests.fakes.identity import FakeIdentity
from tests.unit.agent.api.api_bench import versions

NOW = datetime.now(UTC)
LOOPBACK = ip_address("127.0.0.1")
AUTHORITY = pki.make_controller_authority(name="controllers", now=NOW)
OTHER_AUTHORITY = pki.make_controller_authority(name="controllers", now=NOW)


@dataclass
class Door:
    """A served API and ways to knock."""

    directory: Path
    bench: Bench
    serving: Serving
    listener: Listener
    engine: Engine
    guests: Guests

    def credentials(self, authority: pki.Authority = AUTHORITY) -> Credentials:
        """New credentials of the agent; controllers of this authority are believed."""
        key = pki.make_key()
        path = self.directory / "agent.key"
        path.write_bytes(pki.private_pem(key))
        names = [x509.UniformResourceIdentifier(pki.APPLIANCE_URN + APPLIANCE)]
        certificate = AUTHORITY.issue(
            key.public_key(), common_name=APPLIANCE, usage=pki.Usage.SERVER, names=names, now=NOW
        )
        return Credentials(key=str(path), certificate=pki.pem(certificate), controller_ca=authority.pem)

    def client(
        self, *permissions: Permission, authority: pki.Authority | None = AUTHORITY, names: bool = True
    ) -> aiohttp.ClientSession:
        """A client with a certificate of this authority, or without one."""
        context = self.client_context(*permissions, authority=authority, names=names)
        address, port = self.listener.endpoint or (LOOPBACK, 0)
        return aiohttp.ClientSession(
            f"https://{address}:{port}", connector=aiohttp.TCPConnector(ssl=context, force_close=True)
        )

    def client_context(
        self, *permissions: Permission, authority: pki.Authority | None = AUTHORITY, names: bool = True
    ) -> ssl.SSLContext:
        """The TLS of such a client."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=AUTHORITY.pem)
        if authority is not None:
            key = pki.make_key()
            if names:
                certificate = pki.issue_controller(
                    authority, key.public_key(), name="c1", permissions=permissions, now=NOW
                )
            else:
                bare = authority.issue(key.public_key(), common_name="c1", usage=pki.Usage.CLIENT, now=NOW)
                certificate = pki.pem(bare)
            self.load(context, certificate.encode(), pki.private_pem(key))
        return context

    def load(self, context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
        """Give a client its certificate."""
        both = self.directory / "client.pem"
        both.write_bytes(key + certificate)
        context.load_cert_chain(both)


@contextlib.asynccontextmanager
async def opened(
    directory: Path, port: int, *, bench: Bench | None = None, guests: Guests | None = None
) -> AsyncIterator[Door]:
    """An API behind real TLS on loopback."""
    bench, guests = bench or Bench(), Guests() if guests is None else guests
    async with service.running(bench.engine()) as engine:
        # The engine's management address is none of this machine's; loopback stands for it.
        management = type(MANAGEMENT)(
            nic=MANAGEMENT.nic, address=LOOPBACK, sources=MANAGEMENT.sources, port=port
        )
        engine._first_management = management
        operations = handlers.Handlers(engine=engine, identity=FakeIdentity(), versions=versions).operations()
        context = tls.RotatingContext(ssl.PROTOCOL_TLS_SERVER)
        app = application.create(operations, resolver=peers.from_certificate)
        async with Listener(app, context, guests=guests) as listener:
            serving = Serving(
                listener=listener, context=context, engine=engine, directory=directory, ready=lambda: None
            )
            door = Door(directory, bench, serving, listener, engine, guests)
            await serving.use(door.credentials())
            yield door


T = TypeVar("T")


@dataclass
class Besieged:
    """A served agent in a thread of its own, for clients that wait."""

    door: Door
    port: int
    directory: Path
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"https://{LOOPBACK}:{self.port}"

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        """What this gives, done in the agent's thread."""
        return asyncio.run_coroutine_threadsafe(doing, self.loop).result(timeout=20)

    def state(self) -> dict[str, object]:
        """Everything that a refused request must leave alone."""
        return self.run(self._state())

    async def _state(self) -> dict[str, object]:
        engine, bench = self.door.engine, self.door.bench
        in_force = engine.state.in_force
        return {
            "desired": codec.encode(in_force.document) if in_force is not None else None,
            "observed": codec.encode(await engine.observed()),
            "public rules": codec.encode(await engine.rules.document()),
            "kernel": frozenset(bench.kernel.objects.items()),
            "firewall": bench.firewall.policy,
            "published": await bench.publications.observe(),
            "processes": bench.processes.running(),
            "disk": dict(bench.storage.files),
        }


@contextlib.contextmanager
def besieged(directory: Path, port: int, *, bench: Bench | None = None) -> Iterator[Besieged]:
    """An agent that serves in another thread. `client.pem` and `ca.pem` in its directory let clients in."""
    inside: list[Besieged] = []
    ready, leave = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with opened(directory, port, bench=bench) as door:
            door.client_context(Permission.OBSERVE, Permission.APPLY)
            (directory / "ca.pem").write_text(AUTHORITY.pem)
            inside.append(Besieged(door, port, directory, asyncio.get_running_loop()))
            ready.set()
            await leave.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="agent")
    thread.start()
    ready.wait(20)
    try:
        yield inside[0]
    finally:
        if inside:
            inside[0].loop.call_soon_threadsafe(leave.set)
        thread.join(20)
