"""What OpenVPN servers and clients have in common: configuration, status, the management console.

OpenVPN gets a persistent tun device, no scripts and no privileges, or makes its device, with one right to do
so; the agent owns addresses and routes.
"""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from causeway_agent.backends.processes import openvpn_management as management
from causeway_agent.backends.processes import spawn
from causeway_agent.engine.ports import Clock
from causeway_agent.errors import BackendError
from causeway_wire.observed import Transport, TunnelReport, TunnelState
from causeway_wire.types import Secret, TunnelId

CONFIGURATION = "openvpn.conf"
COMMAND = ("openvpn", "--config", CONFIGURATION)
MAKING_DEVICES = ("net_admin",)
"""The one right of a process that has the kernel make its device and carry its packets."""

_HOUSEKEEPING = 10.0
"""Seconds between looks at a server's clients and at the size of the output file."""

_LINES = 2000
"""Lines printed between further such looks: of each packet that somebody forges one or two are. OpenVPN's
`mute` is no way out: with it a refused certificate was not told of.
"""

_REASONS = (
    ("VERIFY X509NAME ERROR: ", "certificate refused: "),
    ("VERIFY EKU ERROR", "certificate refused: wrong extended key usage"),
    ("VERIFY KU ERROR", "certificate refused: wrong key usage"),
    ("VERIFY CRL: depth=0, ", "certificate refused: "),
    ("VERIFY ERROR: depth=0, error=", "certificate refused: "),
    ("VERIFY ERROR: ", "certificate refused: "),
    ("certificate verify failed", "certificate refused"),
    ("incoming plaintext read error", "certificate refused"),
    ("tls-crypt unwrap", "wrong key"),
    ("can not extract tls-crypt-v2 client key", "wrong key"),
    ("Can not unwrap tls-crypt-v2 client key", "wrong key"),
    ("TLS key negotiation failed", "no answer"),
    ("Connection refused", "connection refused"),
    ("AUTH_FAILED", "authentication refused"),
    ("Cannot ioctl TUNSETIFF", "cannot attach to the tun device"),
    ("Cannot open TUN/TAP", "cannot open the tun device"),
    ("Socket bind failed", "cannot bind the listening address"),
    ("key values mismatch", "the key does not belong to the certificate"),
    ("Options error: ", "configuration refused: "),
)
"""OpenVPN tells causes in its log only; these are its words (src/openvpn, 2.6). A meaning that ends in a
colon and a space is completed by what follows the words.
"""
_LONGEST_REASON = 200
_SERIAL = re.compile(r"\bserial=([0-9]{1,49})\b")
"""Told in decimal; documents, openssl and `status` write hexadecimal. 20 octets are 49 digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every supervised process needs to know about where it runs."""

    run_directory: Path
    key_directory: Path
    account: spawn.Account | None
    clock: Clock
    changed: Callable[[str], None]
    """Told a short reason each time a tunnel changes state."""
    discard: Callable[[str], Awaitable[None]]
    """Takes a device away that a process made and left behind; raises BackendError."""
    declined: Callable[[TunnelId, str], None]
    """Told why OpenVPN would not leave a tunnel's packets to the kernel; its process has ended."""
    interrupted: Callable[[TunnelId], None]
    """Told that a tunnel which OpenVPN keeps from the kernel has to be brought up anew in any case."""


@dataclass(slots=True, kw_only=True)
class Status:
    """The state of one tunnel end while it changes."""

    tunnel: TunnelId
    state: TunnelState = TunnelState.STOPPED
    transport: Transport | None = None
    remote: str | None = None
    since: datetime | None = None
    restarts: int = 0
    received: int = 0
    sent: int = 0
    last_error: str | None = None
    error_at: float = 0.0
    """When that was noticed, monotonic seconds."""

    def blame(self, error: str | None, now: float) -> None:
        """Note why the tunnel does not work; None says nothing new."""
        if error is not None:
            self.last_error, self.error_at = error, now

    def report(self, *, impairment: str | None = None) -> TunnelReport:
        """The state as the document tells it."""
        return TunnelReport(
            id=self.tunnel,
            state=self.state,
            transport=self.transport,
            remote=self.remote,
            since=self.since,
            restarts=self.restarts,
            received_bytes=self.received,
            sent_bytes=self.sent,
            last_error=self.last_error,
            impairment=impairment,
        )


def reason(text: str) -> str | None:
    """Why the tunnel does not work, if this line of OpenVPN's log or output tells."""
    for words, meaning in _REASONS:
        _, found, rest = text.partition(words)
        if found:
            rest = _SERIAL.sub(lambda number: f"serial={int(number[1]):x}", rest)
            return (meaning + rest)[:_LONGEST_REASON] if meaning.endswith(": ") else meaning
    return None


def latest(known: str | None, text: str) -> str | None:
    """The reason after this line, given the one known so far; a vaguer repetition does not replace it."""
    told = reason(text)
    return known if told is None or (known is not None and known.startswith(told)) else told


def explain(error: BackendError | OSError) -> str:
    """Why a process could not be started or watched."""
    return error.reason if isinstance(error, BackendError) else error.strerror or str(error)


def ending(child: spawn.Child, directory: Path) -> str:
    """Why a process is gone: what it printed last that tells, else its exit status."""
    told = None
    lines = spawn.output_tail(directory)
    for line in lines:
        told = latest(told, line)
    if told is not None:
        return told
    status = child.exit_status
    if status is None:
        return "process ended"
    return (
        f"process ended by {signal.Signals(-status).name}" if status < 0 else f"process ended with {status}"
    )


async def launch(directory: Path, context: Context, *, made: str | None) -> spawn.Child:
    """Start a process in its prepared directory; raises BackendError when it cannot be.

    `made`: the device that it has the kernel make, if it does. OpenVPN takes none that is there (decision
    46), and a process that was killed leaves its own.
    """
    if made is not None:
        await context.discard(made)
    rights = MAKING_DEVICES if made is not None else ()
    return spawn.launch(COMMAND, directory=directory, account=context.account, rights=rights)


def there(device: str) -> bool:
    """Whether this machine has such a device now."""
    try:
        socket.if_nametoindex(device)
    except OSError:
        return False
    return True


def prepare(
    configuration: Secret,
    directory: Path,
    context: Context,
    *,
    files: tuple[tuple[str, str], ...] = (),
    device: str | None = None,
) -> str:
    """Write the complete configuration and its files where the process will read them; returns its text."""
    text = complete(configuration, context.key_directory, device=device)
    spawn.prepare_directory(directory, context.account)
    spawn.write_file(directory / CONFIGURATION, text, context.account)
    _write_files(directory, files, context.account)
    return text


def _write_files(directory: Path, files: tuple[tuple[str, str], ...], account: spawn.Account | None) -> None:
    """Exactly these in their directories: what an earlier configuration left there would count."""
    paths = {directory / name: content for name, content in files}
    for place in {path.parent for path in paths}:
        spawn.prepare_directory(place, account)
        for left in place.iterdir():
            if left not in paths:
                left.unlink()
    for path, content in paths.items():
        spawn.write_file(path, content, account)


def complete(configuration: Secret, key_directory: Path, *, device: str | None = None) -> str:
    """The configuration as it is run: the key in place of its file name, the management socket added, and
    another tun device if one is named.

    Raises BackendError when the key is missing.
    """
    lines = []
    for line in configuration.reveal().splitlines():
        words = line.split()
        if words[:1] == ["management"]:
            continue
        if words[:1] == ["key"] and len(words) > 1:
            lines += ["<key>", read_key(words[1], key_directory), "</key>"]
        elif words[:1] == ["dev"] and device is not None:
            lines.append(f"dev {device}")
        else:
            lines.append(line)
    return "\n".join((*lines, f"management {management.SOCKET} unix", ""))


def read_key(name: str, key_directory: Path) -> str:
    """PEM text of a key born on this appliance; raises BackendError when it cannot be read."""
    try:
        return (key_directory / name).read_text(encoding="ascii").strip()
    except OSError as error:
        raise BackendError(f"read key {name}", error.strerror or str(error)) from error


async def follow(directory: Path, handle: Callable[[management.Event, management.Connection], None]) -> None:
    """Hand every event of the process in this directory to `handle`, until cancelled."""
    while True:
        connection = await management.connect(directory / management.SOCKET)
        try:
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(_keep_house(directory, connection))
                printed = 0
                async for event in connection.events():
                    if isinstance(event, management.LogLine) and (printed := printed + 1) % _LINES == 0:
                        spawn.trim_output(directory)
                    handle(event, connection)
                keeper.cancel()
        finally:
            connection.close()


async def _keep_house(directory: Path, connection: management.Connection) -> None:
    while True:
        connection.command("status 3")
        await asyncio.sleep(_HOUSEKEEPING)
        spawn.trim_output(directory)
