"""Asks a tunnel's server over one of its gateways whether it talks to new clients (`reset_message`)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import time
from typing import Final

from causeway_agent.backends.gateway import reset_message
from causeway_agent.plan.model.processes import Endpoint
from causeway_wire.types import Secret

AGAIN: Final = 0.25
"""Seconds until the question is asked again: a gateway lets ten first packets a second of a source pass."""
_LONGEST: Final = 2048


async def answered(endpoint: Endpoint, tls_crypt: Secret) -> None:
    """Return when the server has answered, or cannot be asked from here: then OpenVPN will say why not."""
    family = socket.AF_INET if endpoint.address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    with contextlib.suppress(ValueError, OSError):
        who = reset_message.asker(tls_crypt.reveal())
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sock:
            sock.connect((str(endpoint.address), endpoint.port))
            await _ask(sock, who, os.urandom(8))


async def _ask(sock: socket.socket, who: reset_message.Asker, session: bytes) -> None:
    """Each time with one session: answers to what was asked before count."""
    for number in itertools.count(1):
        with contextlib.suppress(OSError):  # an ICMP error about the question before
            sock.send(reset_message.question(who, session, number, int(time.time())))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGAIN):
                await _answer(sock, who, session)
                return


async def _answer(sock: socket.socket, who: reset_message.Asker, session: bytes) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            packet = await loop.sock_recv(sock, _LONGEST)
        except OSError:  # an ICMP error: no answer
            continue
        if reset_message.answers(packet, who, session):
            return
