"""An agent as the controller sees it: real TLS 1.3, real routes, documents accepted, no machine."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import hdrs, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from causeway_wire import __version__, codec, identity, observed, problem, routes
from causeway_wire.change import Change, ChangeState, Fence, PlanReport
from causeway_wire.desired import Desired
from causeway_wire.explanation import PacketPath
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import Secret
from causeway_wire.update import Activation
from tests.fakes.rule_table import RuleTable
from tests.fakes.slots import FakeSlots

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
ADDRESS = "127.0.0.1"
_PASSES = PacketPath(stages=(), verdict="passes", passes=True, works=True)
_SUBJECT = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self-signed")])


@dataclass(kw_only=True)
class AgentServer:
    """State of the fake; tests read and set it while it serves."""

    appliance: str
    directory: Path
    controller_ca: str
    token: Secret | None = None
    port: int = 0
    document: Desired | None = None
    changes: dict[str, Change] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and path with query of every request, in order."""
    refuse: problem.Problem | None = None
    """Ends the next changes as `refused` for this reason."""
    change_seconds: float = 0.0
    keys: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)
    request_key: ec.EllipticCurvePrivateKey | None = None
    """Signs the requests instead of the agent's own key: somebody sits in between."""
    intercept: Callable[[web.Request], web.Response | None] = lambda _: None
    trusted: str = ""
    """The authorities that came last."""
    tunnels: tuple[observed.TunnelReport, ...] = ()
    path: PacketPath = _PASSES
    """The way of every packet that is asked about."""
    explained: list[dict[str, str]] = field(default_factory=list)
    rules: RuleTable = field(default_factory=RuleTable)
    slots: FakeSlots = field(default_factory=FakeSlots)
    _tentative: Desired | None = None
    _final: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_verify_locations(cadata=self.controller_ca)
        self.install(self_signed(self.key(identity.AGENT_KEY)))

    def key(self, name: str) -> ec.EllipticCurvePrivateKey:
        """The key of this name, made when new."""
        return self.keys.setdefault(name, ec.generate_private_key(ec.SECP256R1()))

    def install(self, certificate: str) -> None:
        """New connections meet this certificate."""
        bundle = self.directory / f"{self.appliance}.pem"
        bundle.write_bytes(_private(self._key_of(certificate)) + certificate.encode())
        self.context.load_cert_chain(bundle)

    def _key_of(self, certificate: str) -> ec.EllipticCurvePrivateKey:
        """Raises ProblemError when none of ours is behind it, as agents do."""
        asked = x509.load_pem_x509_certificate(certificate.encode()).public_key()
        for key in self.keys.values():
            if key.public_key() == asked:
                return key
        raise ProblemError(problem.problem(ProblemType.INVALID, "no key of ours", pointer="/certificate"))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[AgentServer]:
        """Serve on loopback; `port` tells where."""
        app = web.Application(middlewares=[self._problems])
        for route in routes.ROUTES:
            handler = getattr(self, f"_{route.name}", None) or getattr(self.rules, route.name)
            app.router.add_route(route.method, route.path, handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, ADDRESS, 0, ssl_context=self.context)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await runner.cleanup()

    @web.middleware
    async def _problems(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        answer = self.intercept(request)
        if answer is not None:
            return answer
        try:
            return await handler(request)
        except ProblemError as error:
            return problem_answer(error.problem)

    async def _versions(self, _: web.Request) -> web.Response:
        capabilities = observed.Capabilities(
            kernel="6.1",
            vlan_8021q=False,
            wireguard=False,
            openvpn_dco=False,
            vrf=False,
            unprivileged_vpn=True,
        )
        limits = observed.Limits(
            body_bytes=1 << 20,
            changes_in_flight=1,
            changes_kept=50,
            wait_seconds=30,
            rules_body_bytes=1 << 25,
            rule_elements=131072,
            rule_source_elements=2048,
            update_bytes=1 << 29,
        )
        return _json(
            observed.Versions(
                appliance=self.appliance,
                agent=__version__,
                api=("v1",),
                capabilities=capabilities,
                limits=limits,
            )
        )

    async def _get_desired(self, _: web.Request) -> web.Response:
        if self.document is None:
            raise ProblemError(problem.problem(ProblemType.NOT_CONFIGURED, "no document yet"))
        text = codec.encode_masked(self.document)
        return web.Response(body=text, content_type="application/json", headers={hdrs.ETAG: self.etag})

    async def _put_desired(self, request: web.Request) -> web.Response:
        document = codec.decode(await request.read(), Desired)
        awaiting = next((one for one in self.changes.values() if one.state is ChangeState.AWAITING), None)
        if awaiting is not None and document == self._tentative:
            return _json(awaiting, status=202)
        self._guard(request, document)
        change = Change(
            id=f"change-{document.generation}",
            generation=document.generation,
            epoch=document.epoch,
            state=ChangeState.APPLYING,
            requested_by="controller",
            created=datetime.now(UTC),
        )
        self.changes[change.id] = change
        confirm = request.query.get("confirm")
        task = asyncio.create_task(self._conclude(change, document, int(confirm) if confirm else None))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return _json(change, status=202)

    def _guard(self, request: web.Request, document: Desired) -> None:
        """The refusals that decide between documents."""
        running = next((one for one in self.changes.values() if not one.final), None)
        if running is not None and running.state is ChangeState.AWAITING:
            raise ProblemError(
                problem.problem(ProblemType.AWAITING_CONFIRMATION, "confirm or cancel", change=running.id)
            )
        if running is not None:
            raise ProblemError(
                problem.problem(ProblemType.CHANGE_IN_FLIGHT, "wait for it", change=running.id)
            )
        current = self.document
        if current is not None and document.epoch < current.epoch:
            raise ProblemError(problem.problem(ProblemType.STALE_EPOCH, "a newer workflow has taken over"))
        highest = max((one.generation for one in self.changes.values()), default=0)
        if document.generation <= highest:
            raise ProblemError(
                problem.problem(ProblemType.STALE_GENERATION, "it was accepted before", generation=highest)
            )
        if current is None and request.headers.get(hdrs.IF_NONE_MATCH) == "*":
            return
        if hdrs.IF_MATCH not in request.headers and hdrs.IF_NONE_MATCH not in request.headers:
            raise ProblemError(problem.problem(ProblemType.PRECONDITION_REQUIRED, "say what is replaced"))
        if current is None or request.headers.get(hdrs.IF_MATCH) != self.etag:
            raise ProblemError(problem.problem(ProblemType.PRECONDITION_FAILED, "another document"))

    async def _conclude(self, change: Change, document: Desired, confirm: int | None) -> None:
        await asyncio.sleep(self.change_seconds)
        if self.refuse is not None:
            await self._set(change.id, state=ChangeState.REFUSED, problem=self.refuse, finished=_now())
        elif confirm is not None:
            self._tentative = document
            deadline = _now() + timedelta(seconds=confirm)
            await self._set(change.id, state=ChangeState.AWAITING, deadline=deadline)
        else:
            self.document = document
            await self._set(change.id, state=ChangeState.DONE, finished=_now())

    async def _set(self, identifier: str, **members: Any) -> Change:
        async with self._final:
            changed = msgspec.structs.replace(self.changes[identifier], **members)
            self.changes[identifier] = changed
            self._final.notify_all()
        return changed

    def _awaiting(self, request: web.Request) -> str:
        """The change of the path, if it awaits its confirmation."""
        identifier = request.match_info["id"]
        if self.changes[identifier].state is not ChangeState.AWAITING:
            raise ProblemError(problem.problem(ProblemType.NOT_AWAITING, "it is over", change=identifier))
        return identifier

    async def _confirm(self, request: web.Request) -> web.Response:
        identifier = self._awaiting(request)
        self.document = self._tentative or self.document
        return _json(await self._set(identifier, state=ChangeState.DONE, finished=_now()))

    async def _cancel(self, request: web.Request) -> web.Response:
        identifier = self._awaiting(request)
        return _json(await self._set(identifier, state=ChangeState.ROLLED_BACK, finished=_now()))

    async def _extend(self, request: web.Request) -> web.Response:
        deadline = _now() + timedelta(seconds=int(request.query["seconds"]))
        return _json(await self._set(self._awaiting(request), deadline=deadline))

    async def _fence(self, request: web.Request) -> web.Response:
        return _json(codec.decode(await request.read(), Fence))

    async def _plan(self, request: web.Request) -> web.Response:
        document = codec.decode(await request.read(), Desired)
        return _json(PlanReport(operations=(f"conform to generation {document.generation}",)))

    async def _observed(self, _: web.Request) -> web.Response:
        document = self.document
        return _json(
            observed.Observed(
                appliance=self.appliance,
                state=observed.ApplianceState.READY,
                observed_generation=None if document is None else document.generation,
                epoch=0 if document is None else document.epoch,
                role=None,
                failover="idle",
                change=None,
                nics=(),
                tunnels=self.tunnels,
                drift=observed.DriftReport(repairs=0),
            )
        )

    async def _explain(self, request: web.Request) -> web.Response:
        self.explained.append(dict(request.query))
        return _json(self.path)

    async def _change(self, request: web.Request) -> web.Response:
        identifier = request.match_info["id"]
        if identifier not in self.changes:
            raise ProblemError(problem.problem(ProblemType.NOT_FOUND, "no such change"))
        wait = request.query.get("wait", "0")
        if not wait.isdecimal() or int(wait) > 60:
            raise ProblemError(problem.problem(ProblemType.INVALID, "whole seconds up to 60"))
        try:
            async with asyncio.timeout(int(wait)), self._final:
                await self._final.wait_for(lambda: self.changes[identifier].resting)
        except TimeoutError:
            pass
        return _json(self.changes[identifier])

    async def _csr(self, request: web.Request) -> web.Response:
        wanted = codec.decode(await request.read(), identity.CsrRequest)
        key = self.request_key or self.key(wanted.key)
        csr = x509.CertificateSigningRequestBuilder().subject_name(_SUBJECT).sign(key, hashes.SHA256())
        return _json(
            identity.Csr(
                csr=csr.public_bytes(serialization.Encoding.PEM).decode(),
                proof=None if self.token is None else _proof(self.token, wanted.nonce, key),
            )
        )

    async def _put_certificate(self, request: web.Request) -> web.Response:
        new = codec.decode(await request.read(), identity.Certificate)
        self.install(new.certificate)
        self.context.load_verify_locations(cadata=new.controller_ca)
        self.trusted = new.controller_ca
        self.token = None
        return web.Response(status=204)

    async def _get_update(self, _: web.Request) -> web.Response:
        return _json(await self.slots.status())

    async def _put_update(self, request: web.Request) -> web.Response:
        sha256 = base64.b64decode(request.headers["Content-Digest"].removeprefix("sha-256=:")[:-1]).hex()
        chunks = request.content.iter_chunked(1 << 16)
        octets, older = request.content_length or 0, request.query.get("allow_older") == "true"
        return _json(await self.slots.receive(chunks, octets=octets, sha256=sha256, allow_older=older))

    async def _activate_update(self, request: web.Request) -> web.Response:
        wanted = codec.decode(await request.read(), Activation)
        return _json(await self.slots.activate(wanted), status=202)

    async def _abandon_update(self, _: web.Request) -> web.Response:
        return _json(await self.slots.abandon())

    async def _live(self, _: web.Request) -> web.Response:
        return _json(observed.Health(healthy=True))

    async def _ready(self, _: web.Request) -> web.Response:
        if self.document is None:
            raise ProblemError(problem.problem(ProblemType.UNAVAILABLE, "no document yet"))
        return _json(observed.Health(healthy=True))

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(text="causeway_repairs_total 0\n")

    @property
    def etag(self) -> str:
        """Strong ETag of the document in force."""
        assert self.document is not None
        return f'"{self.document.generation}-{codec.digest(self.document)}"'


def problem_answer(details: problem.Problem) -> web.Response:
    """A problem as the API answers it."""
    return web.Response(status=details.status, body=codec.encode(details), content_type=problem.MEDIA_TYPE)


def self_signed(key: ec.EllipticCurvePrivateKey) -> str:
    """The certificate of a machine that booted for the first time."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(_SUBJECT).issuer_name(_SUBJECT)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _proof(token: Secret, nonce: str, key: ec.EllipticCurvePrivateKey) -> str:
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    message = identity.PROOF_CONTEXT + b"\0" + nonce.encode() + b"\0" + public
    return hmac.new(token.reveal().encode(), message, hashlib.sha256).hexdigest()


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _json(document: object, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=codec.encode(document), content_type="application/json")
