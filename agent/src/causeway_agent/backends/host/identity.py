"""Keys born here and the agent's certificate. `csr_worker` does the work and ends.

Below the state directory: `keys/NAME.key`, `identity/agent.json` (key, certificate, controllers' authorities;
one file, so they change together) and `identity/enrolled`, whose existence voids the enrolment token.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

from causeway_agent.backends.host.identity_files import ENROLLED, IDENTITY
from causeway_agent.engine import events, ports, sealed
from causeway_agent.engine.ports import Credentials
from causeway_agent.errors import BackendError, DamagedError, StorageError
from causeway_wire import codec
from causeway_wire.identity import (
    AGENT_KEY,
    PROOF_CONTEXT,
    Certificate,
    Csr,
    CsrRequest,
    Purpose,
    is_agent_key,
)
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Secret

WORKER_SECONDS = 300.0
"""A bound for a worker that hangs: it needs a second, on an emulated and busy processor above a minute."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


Use = Callable[[Credentials], Awaitable[None]]
"""Takes credentials into use for new connections; raises ProblemError when that is impossible."""


class KeyStore:
    """The `ports.Identity` of an appliance.

    A certificate is in use before it is kept and before its sender hears so: the sender may connect anew at
    once and must then see it.
    """

    def __init__(
        self,
        *,
        appliance: str,
        keys: Path,
        storage: ports.Storage,
        controller_ca: str,
        token: Secret | None,
    ) -> None:
        self._appliance = appliance
        self._keys = keys
        self._storage = storage
        self._first_controller_ca = controller_ca
        self._token = token
        self._use: Use | None = None
        self._in_use: Credentials | None = None
        self._lock = asyncio.Lock()

    async def open(self, use: Use) -> None:
        """Take the identity into use, at first boot one with a self-signed certificate; `use` is called for
        this one and every later one.
        """
        async with self._lock:
            self._use = use
            found = await self._read() or await self._make_first()
            await use(found)
            self._in_use = found

    async def request(self, request: CsrRequest) -> Csr:
        """A signing request, with the enrolment proof while the token is unused."""
        if (request.purpose is Purpose.AGENT) != is_agent_key(request.key):
            detail = f"keys for the agent, and only those, are named {AGENT_KEY} or {AGENT_KEY}-something"
            raise ProblemError(problem(ProblemType.INVALID, detail, pointer="/key"))
        async with self._lock:
            made = await _work(
                {
                    "task": "request",
                    "path": str(self._path(request.key)),
                    "common_name": request.common_name,
                    "purpose": request.purpose.value,
                    "appliance": self._appliance,
                }
            )
            enrolled = await asyncio.to_thread(self._storage.read, ENROLLED) is not None
        proof = None
        if self._token is not None and not enrolled:
            proof = enrolment_proof(self._token, request.nonce, base64.b64decode(made["public_key"]))
        return Csr(csr=made["csr"], proof=proof)

    async def install(self, certificate: Certificate) -> None:
        """Check, keep and use the certificate; the enrolment token is void from then on."""
        async with self._lock:
            paths = sorted(str(p) for p in self._keys.glob("*.key") if is_agent_key(p.stem))
            checked = await _work(
                {
                    "task": "check",
                    "paths": paths,
                    "certificate": certificate.certificate,
                    "controller_ca": certificate.controller_ca,
                    "appliance": self._appliance,
                }
            )
            installed = Credentials(
                key=checked["path"],
                certificate=certificate.certificate,
                controller_ca=certificate.controller_ca,
            )
            await self._take(installed)
        _log.info(events.IDENTITY_CHANGED)

    async def _take(self, installed: Credentials) -> None:
        """Use and keep them, or neither; raises ProblemError or BackendError."""
        before = self._in_use
        if self._use is not None:
            await self._use(installed)
        try:
            await self._keep(installed)
            await asyncio.to_thread(self._storage.write, ENROLLED, b"")
        except BackendError:
            if self._use is not None and before is not None:
                await self._use(before)
                with contextlib.suppress(BackendError):
                    await self._keep(before)
            raise
        self._in_use = installed

    async def _read(self) -> Credentials | None:
        """What is kept; raises DamagedError when it cannot be believed: the authority that it names may be
        newer than that of first boot, which must not come back unasked.
        """
        data = await asyncio.to_thread(self._storage.read, IDENTITY)
        if data is None:
            return None
        known = sealed.is_sealed(data)
        try:
            found = codec.decode(sealed.unseal(IDENTITY, data) if known else data, Credentials)
        except ProblemError as error:
            raise DamagedError(IDENTITY, str(error)) from error
        if not known:  # it was written before there were checksums
            with contextlib.suppress(BackendError):
                await self._keep(found)
        return found

    async def _keep(self, credentials: Credentials) -> None:
        data = sealed.seal(IDENTITY, codec.encode(credentials))
        await asyncio.to_thread(self._storage.write, IDENTITY, data)

    async def _make_first(self) -> Credentials:
        path = str(self._path(AGENT_KEY))
        made = await _work({"task": "self-signed", "path": path, "appliance": self._appliance})
        installed = Credentials(
            key=path, certificate=made["certificate"], controller_ca=self._first_controller_ca
        )
        await self._keep(installed)
        _log.info(events.IDENTITY_CREATED)
        return installed

    def _path(self, name: str) -> Path:
        return self._keys / f"{name}.key"


def enrolment_proof(token: Secret, nonce: str, public_key: bytes) -> str:
    """Hex HMAC-SHA256 of the token over context, nonce and SPKI DER, separated by zero octets."""
    message = b"\0".join((PROOF_CONTEXT, nonce.encode(), public_key))
    return hmac.new(token.reveal().encode(), message, hashlib.sha256).hexdigest()


async def _work(task: dict[str, Any]) -> dict[str, Any]:
    """The worker's result; raises ProblemError for a mistake in the input, BackendError when it fails."""
    doing = f"csr worker: {task['task']}"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "causeway_agent.csr_worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath},
    )
    try:
        async with asyncio.timeout(WORKER_SECONDS):
            output, errors = await process.communicate(json.dumps(task).encode())
    except TimeoutError as error:
        raise BackendError(doing, f"no result within {WORKER_SECONDS:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        last = errors.decode(errors="replace").strip().rpartition("\n")[2]
        raise BackendError(doing, last or f"exit status {process.returncode}")
    result: dict[str, Any] = json.loads(output)
    if "disk" in result:
        raise StorageError(result["disk"], result["reason"])
    if "invalid" in result:
        raise ProblemError(problem(ProblemType.INVALID, result["invalid"], pointer=result["pointer"]))
    return result
