"""A machine that floods its segment with questions, and others that ask meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.wired import beside, python

ASKS = 18
"""Questions of the others, each asked once: a machine would ask again after a second."""
_FLOOD = """
    import itertools, socket, sys, time
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((sys.argv[1], 0))
    frame, varied = bytes.fromhex(sys.argv[2]), sys.argv[3] == "varied"
    print("ready", flush=True)
    until = time.monotonic() + float(sys.argv[4])
    for number in itertools.count():
        if time.monotonic() > until:
            break
        mac = b"\\6" + number.to_bytes(5, "big") if varied else frame[6:12]
        try:
            sock.send(frame[:6] + mac + frame[12:])
        except OSError:
            pass
"""
_ASK = """
    import ctypes, socket, struct, sys, time
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    patience, asked = float(sys.argv[2]), [bytes.fromhex(text) for text in sys.argv[3:]]
    first = int.from_bytes(asked[0][6:10], "big")
    steps = (0x20, 0, 0, 0), (0x15, 0, 1, first), (6, 0, 0, 0xFFFF), (6, 0, 0, 0)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    sock.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HP", len(steps), ctypes.addressof(code)))
    sock.bind((sys.argv[1], int.from_bytes(asked[0][12:14], "big")))
    answered = 0
    for frame in asked:
        sock.send(frame)
        began, found = time.monotonic(), False
        while not found and (left := began + patience - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                found = sock.recv(2048)[:6] == frame[6:12]
            except TimeoutError:
                break
        time.sleep(max(0.0, began + 0.1 - time.monotonic()))
        answered += found
    print(answered)
"""
"""Of what comes only answers to the others are let in: those to who floods would fill the socket."""


def ask(space: str, asked: Sequence[bytes], *, patience: float = 0.1) -> int:
    """Send these questions one after another; how many are answered, each within so many seconds."""
    return int(python(space, _ASK, "host", str(patience), *(frame.hex() for frame in asked)))


async def answered(space: str, asked: Sequence[bytes], *, flood: bytes, varied: bool) -> int:
    """How many of these questions are answered while another machine floods the segment with its own,
    under one MAC address or under ever new ones.
    """
    seconds = 0.1 * len(asked) + 3.0
    with beside(space, _FLOOD, "host", flood.hex(), "varied" if varied else "one", str(seconds)):
        await asyncio.sleep(0.3)
        return await asyncio.to_thread(ask, space, asked)
