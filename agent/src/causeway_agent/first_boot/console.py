"""The page of the machine's console: who this is, where it answers, how it is, and by what to recognise it.

Nobody logs in there. It holds no secret, works with the agent dead, and changes nothing. On a virtual
terminal it is drawn anew again and again, since the kernel writes there too; anywhere else (a serial line
that is recorded) it is printed when it has changed.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from causeway_agent import settings as settings_file
from causeway_agent.backends.host import hardware
from causeway_agent.backends.host.identity_files import ENROLLED, IDENTITY
from causeway_agent.backends.host.storage import DirectoryStorage
from causeway_agent.backends.kernel import interface_addresses
from causeway_agent.commands import local, page
from causeway_agent.errors import BackendError, SettingsError
from causeway_agent.first_boot import rendering
from causeway_agent.settings import Settings
from causeway_wire import codec
from causeway_wire.problem import ProblemError

REFRESH_SECONDS = 5.0
_PATIENCE = 2.0
"""Seconds for the agent's answer; the console must not hang with it."""
_HOST_KEYS = (Path("/state/ssh"), Path("/etc/ssh"))
_VIRTUAL_TERMINAL = re.compile(r"/dev/tty\d+")
_BACKSLASH = "\\"
_CLEAR = "\x1b[H\x1b[2J"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\n]")


class _Shown(Struct, frozen=True):
    """Of `engine.ports.Credentials` what is shown; the engine need not be loaded for it."""

    certificate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose page it is."""

    settings: Path
    run_directory: Path
    host_keys: Sequence[Path] = _HOST_KEYS


def show(
    subject: Subject, *, terminals: Sequence[Path], issue: Path | None, pause: Callable[[float], None]
) -> None:
    """Keep the page on these terminals until the process is ended."""
    before: str | None = None
    while True:
        before = _show(compose(subject), before, terminals=terminals, issue=issue)
        pause(REFRESH_SECONDS)


def renew(subject: Subject, *, terminals: Sequence[Path], issue: Path) -> None:
    """Bring the page up to date, once: the file is what was shown before."""
    before = None
    with contextlib.suppress(OSError):
        before = issue.read_text(encoding="ascii", errors="replace").replace(_BACKSLASH * 2, _BACKSLASH)
    _show(compose(subject), before, terminals=terminals, issue=issue)


def _show(text: str, before: str | None, *, terminals: Sequence[Path], issue: Path | None) -> str:
    for terminal in terminals or (None,):
        if text != before or _redrawn(terminal):
            _put(text, terminal)
    if issue is not None and text != before:
        _put_issue(text, issue)
    return text


def show_once(subject: Subject, *, terminals: Sequence[Path], issue: Path | None) -> None:
    """Print the page."""
    _show(compose(subject), None, terminals=terminals, issue=issue)


def compose(subject: Subject) -> str:
    """The page. Whatever is wrong with the machine becomes a line of it."""
    lines = ["Causeway network extension appliance", ""]
    try:
        known = settings_file.load(subject.settings)
    except SettingsError as error:
        lines += _fresh(str(error) if subject.settings.exists() else "not configured yet")
    else:
        lines += _configured(known)
    lines += [line for key in _host_keys(subject.host_keys) for line in page.entry("SSH key", key)]
    with contextlib.suppress(OSError):
        text = (subject.run_directory / rendering.STATUS).read_text(encoding="utf-8", errors="replace")
        lines += ["", *page.entry("first boot", text.strip())]
    # Names and problems come from documents: no escape sequence of theirs reaches a terminal.
    return _UNPRINTABLE.sub("?", "\n".join(lines)) + "\n"


def _fresh(why: str) -> Iterator[str]:
    yield from page.entry("appliance", why)
    for mac, device in sorted(hardware.adapters().items(), key=lambda pair: pair[1]):
        yield from page.entry("adapter", f"{device} {mac}")


def _configured(known: Settings) -> Iterator[str]:
    management = known.management
    observed = _ask(Path(known.run_directory))
    role = (observed or {}).get("role") or (known.role.value if known.role else None)
    yield from page.entry("appliance", f"{known.appliance}, {role or 'no role yet'}")
    if observed is None:
        yield from page.entry("state", "the agent does not run; tunnels and rules stay as they were")
        yield from _kernel_addresses()
    else:
        yield from page.entry("state", observed["state"])
        yield from page.entry("failover", observed["failover"])
        for problem in _problems(observed):
            yield from page.entry("problem", problem)
        for nic in observed["nics"]:
            state = "up" if nic["up"] else "DOWN"
            where = ", ".join(nic["addresses"]) or "no address"
            yield from page.entry("adapter", f"{nic['device']} {nic['name'] or '-'} {state}, {where}")
    where = f"{management.address}, agent on port {management.port}, SSH on port {management.ssh_port}"
    yield from page.entry("management", where)
    yield from page.entry("enrolled", "yes" if _enrolled(known) else "not yet")
    for label, half in zip(("TLS SHA-256", ""), _certificate(known), strict=False):
        yield from page.entry(label, half)


def _ask(run_directory: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = local.LocalAgent(run_directory, timeout=_PATIENCE).get("/v1/observed")
    except (local.AgentDownError, local.RefusedError):
        return None
    return found


def _problems(observed: dict[str, Any]) -> list[str]:
    problem = observed.get("problem")
    return [] if problem is None else [each["detail"] for each in problem.get("errors") or [problem]]


def _kernel_addresses() -> Iterator[str]:
    try:
        found = interface_addresses.read()
    except BackendError as error:
        yield from page.entry("adapter", str(error))
        return
    for device, interfaces in sorted(found.items()):
        yield from page.entry("adapter", f"{device} {', '.join(map(str, interfaces))}")


def _enrolled(known: Settings) -> bool:
    return (Path(known.state_directory) / ENROLLED).exists()


def _certificate(known: Settings) -> list[str]:
    """SHA-256 of the certificate that the agent shows, as openssl writes fingerprints, in halves."""
    try:
        data = DirectoryStorage(Path(known.state_directory)).read(IDENTITY)
        match = _PEM.search("" if data is None else codec.decode(data, _Shown).certificate)
        octets = b"" if match is None else base64.b64decode(match[1])
    except (BackendError, ProblemError, ValueError):
        return ["the certificate cannot be read"]
    if not octets:
        return ["made when the agent runs for the first time"]
    text = hashlib.sha256(octets).hexdigest().upper()
    pairs = [text[at : at + 2] for at in range(0, len(text), 2)]
    return [":".join(pairs[:16]) + ":", ":".join(pairs[16:])]


def _host_keys(directories: Sequence[Path]) -> list[str]:
    """Fingerprints as `ssh-keygen -l` writes them."""
    found = []
    for path in (path for directory in directories for path in sorted(directory.glob("ssh_host_*_key.pub"))):
        try:
            kind, encoded = path.read_text(encoding="ascii").split()[:2]
            digest = hashlib.sha256(base64.b64decode(encoded)).digest()
        except (OSError, ValueError):
            continue
        found.append(f"SHA256:{base64.b64encode(digest).decode().rstrip('=')} {kind.removeprefix('ssh-')}")
    return found


def _redrawn(terminal: Path | None) -> bool:
    return terminal is not None and _VIRTUAL_TERMINAL.fullmatch(str(terminal)) is not None


def _put(text: str, terminal: Path | None) -> None:
    if terminal is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    data = (_CLEAR if _redrawn(terminal) else "\n") + text
    # A terminal that is not there, or that nobody reads, keeps the other one from nothing.
    with contextlib.suppress(OSError):
        descriptor = os.open(terminal, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "wb", buffering=0) as opened:
            opened.write(data.replace("\n", "\r\n").encode())


def _put_issue(text: str, path: Path) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        # agetty(8) reads a backslash as the beginning of an escape.
        rendering.publish(path, text.replace(_BACKSLASH, _BACKSLASH * 2), mode=0o644)
