"""Who is asking: the controller named in the client certificate, and what that certificate allows."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from causeway_agent.web.message import Request
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.routes import Permission
from causeway_wire.types import NAME_PATTERN, SerialNumber

CONTROLLER_URN = "urn:causeway:controller:"
PERMISSION_URN = "urn:causeway:permission:"
LOCAL = "local"
"""Name of whoever speaks on the agent's own socket, which only root can open."""
_NAME = re.compile(NAME_PATTERN)
"""Names go into journals and logs: never empty, never anything that could pass for more than a name."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A client and its permission."""

    name: str
    permission: Permission
    connected: float | None = None
    """When the connection it speaks over was accepted, seconds of the monotonic clock; None when it did not
    come through the network.
    """
    serial: SerialNumber | None = None
    """Of its certificate, as documents write it."""

    def check(self, needed: Permission) -> None:
        """Raises ProblemError when the permission does not include this one."""
        order = tuple(Permission)
        if order.index(self.permission) < order.index(needed):
            raise _forbidden(f"{self.name} may {self.permission.value}; this needs {needed.value}")


Resolver = Callable[[Request], Peer]


def from_certificate(request: Request) -> Peer:
    """The peer of a mutual TLS connection; raises ProblemError without a controller's certificate."""
    tls = request.transport.get_extra_info("ssl_object")
    if not isinstance(tls, ssl.SSLObject):
        raise _forbidden("the connection carries no client certificate")
    certificate = tls.getpeercert() or {}
    # The connection may be older than the revocation, and is ended in a moment.
    number = serial(certificate)
    if (refuses := getattr(tls, "refuses", None)) is not None and refuses(number):
        raise _forbidden("the client certificate is revoked; use another one")
    peer = of_names(uri_names(certificate))
    return replace(peer, connected=getattr(tls, "accepted", None), serial=number)


def on_socket(_request: Request) -> Peer:
    """The peer on the agent's own Unix socket: may observe, whoever it is."""
    return Peer(LOCAL, Permission.OBSERVE)


def of_names(names: tuple[str, ...]) -> Peer:
    """The peer that these URI subject alternative names describe; raises ProblemError when none does."""
    controllers = [n.removeprefix(CONTROLLER_URN) for n in names if n.startswith(CONTROLLER_URN)]
    if len(controllers) != 1:
        raise _forbidden("the client certificate does not name one controller")
    if _NAME.fullmatch(controllers[0]) is None or controllers[0] == LOCAL:
        detail = (
            f"{controllers[0][:60]!r} in the client certificate is no controller's name; have one signed for "
            f"a lower-case DNS-like name of 1 to 63 characters other than {LOCAL}"
        )
        raise _forbidden(detail)
    granted = {n.removeprefix(PERMISSION_URN) for n in names if n.startswith(PERMISSION_URN)}
    allowed = [permission for permission in Permission if permission.value in granted]
    return Peer(controllers[0], allowed[-1] if allowed else Permission.OBSERVE)


def uri_names(certificate: Mapping[str, object]) -> tuple[str, ...]:
    """URI names in what `ssl` returns for a peer certificate."""
    names = certificate.get("subjectAltName", ())
    if not isinstance(names, tuple):
        return ()
    return tuple(value for kind, value in names if kind == "URI")


def serial(certificate: Mapping[str, object]) -> SerialNumber:
    """The serial number in what `ssl` returns for a peer certificate, as documents write it."""
    return str(certificate.get("serialNumber", "")).lower().lstrip("0")


def serial_of(transport: asyncio.BaseTransport) -> SerialNumber | None:
    """The serial number of the certificate that the far end of this connection has shown."""
    tls = transport.get_extra_info("ssl_object")
    return serial(tls.getpeercert() or {}) if isinstance(tls, ssl.SSLObject) else None


def _forbidden(detail: str) -> ProblemError:
    return ProblemError(problem(ProblemType.FORBIDDEN, detail))
