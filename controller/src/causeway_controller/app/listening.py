"""Where the API is served: the socket of this host, and TLS where the settings say so."""

from __future__ import annotations

import grp
import os
import socket
import ssl
from pathlib import Path
from typing import Final

from causeway_controller import system_words
from causeway_controller.errors import StartError
from causeway_controller.settings import Listen, Tls
from causeway_wire import segments

_BACKLOG: Final = 128
_ONLY_OWNER: Final = 0o177
"""As a umask: a socket that is made has mode 0600."""
_WITH_GROUP: Final = 0o660


def group_number(name: str | None) -> int | None:
    """Find this group of the host. Raises StartError."""
    if name is None:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        detail = f"there is no group {name}; make it (groupadd --system {name}), or correct socket_group"
        raise StartError(detail) from error


def unix_socket(path: Path, group: int | None = None) -> socket.socket:
    """Listen at this path, for its owner, root and the members of this group. Raises StartError.

    A socket that nobody listens at is what a killed controller left behind.
    """
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if _answers(path):
            raise StartError(f"a controller is running already at {path}; stop it, or name another socket")
        path.unlink(missing_ok=True)
        return _bound(path, group)
    except OSError as error:
        detail = f"the socket {path} cannot be made ({error.strerror}); check the directory, or name another"
        raise StartError(detail) from error


def tcp_socket(where: Listen, setting: str) -> socket.socket:
    """Listen there, for segments that every path carries. Raises StartError, which names the setting."""
    (family, *_, place), *_ = socket.getaddrinfo(
        where.address, where.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )
    channel = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        segments.keep_small(channel).bind(place)
        channel.listen(_BACKLOG)
    except OSError as error:
        channel.close()
        raise StartError(f"{where} cannot be listened at ({error.strerror}); correct {setting}") from error
    return channel


def _bound(path: Path, group: int | None) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    before = os.umask(_ONLY_OWNER)
    try:
        channel.bind(str(path))
        if group is not None:
            # A socket is made with the group of its maker; the unit's filter of system calls knows no chown.
            if path.stat().st_gid != group:
                os.chown(path, -1, group)
            path.chmod(_WITH_GROUP)
        channel.listen(_BACKLOG)
    except OSError:
        channel.close()
        raise
    finally:
        os.umask(before)
    return channel


def _answers(path: Path) -> bool:
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as trial:
        trial.settimeout(2)
        return trial.connect_ex(str(path)) == 0


def tls_context(settings: Tls) -> ssl.SSLContext:
    """TLS 1.3 with the controller's certificate. Raises StartError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    load(context, settings)
    return context


def load(context: ssl.SSLContext, settings: Tls) -> None:
    """Read certificate and key; new connections use them. Raises StartError."""
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        detail = (
            f"certificate {settings.certificate} and key {settings.key} cannot be used "
            f"({system_words.why(error)}); "
            "`causeway setup` makes them, or give your own"
        )
        raise StartError(detail) from error
