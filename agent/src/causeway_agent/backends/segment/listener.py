"""One family of one adapter's segment: a packet socket that is kept open, and what it hears of addresses.

Closing a packet socket blocks for an RCU grace period (net/packet/af_packet.c, packet_release): 16 ms in
which the event loop would do nothing else. It is therefore opened once, and closed in a thread.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import weakref
from collections.abc import Callable, Iterable

from causeway_agent.backends.host.token_bucket import Bucket
from causeway_agent.backends.segment import claim_filter, frames, packet_socket
from causeway_agent.backends.segment.frames import Claim, Probe
from causeway_wire.types import IPAddress

_FRAME = 2048
_AT_ONCE = 64
"""Frames taken before others have their turn."""
_RATE, _BURST = 500.0, 500.0
"""Frames looked at; whoever floods the segment with claims must not have the agent's time."""
_PAUSE = 0.25
"""Seconds that nothing is read after that; one claim in a flood says as much as all."""
_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.EBADF})
_DOWN = frozenset({errno.ENETDOWN, errno.ENOBUFS})
IPV4 = 4

Heard = Callable[["Segment", Claim | Probe], None]


class Segment:
    """Hears claims of, and probes for, the addresses it is told to listen for. Lives in one event loop."""

    def __init__(self, device: str, version: int, heard: Heard, *, port: bool) -> None:
        """`port`: the device may be a bridge's, which takes its frames before any protocol does.

        Raises OSError when the device cannot be listened on.
        """
        self.device, self.version, self.port = device, version, port
        self._index = socket.if_nametoindex(device)
        self._heard = heard
        self._sock = packet_socket.open_kept(device, version, port=port)
        self._loop = asyncio.get_running_loop()
        self._bucket = Bucket(_RATE, _BURST, self._loop.time())
        self._listening = frozenset[IPAddress]()
        self._closed = weakref.finalize(self, self._sock.close)
        self._loop.add_reader(self._sock, _reader(weakref.ref(self)))

    @property
    def mac(self) -> bytes:
        """The adapter's MAC address."""
        return packet_socket.mac_of(self._sock)

    @property
    def listening(self) -> frozenset[IPAddress]:
        """The addresses that are listened for."""
        return self._listening

    def fits(self) -> bool:
        """Whether the socket is still one of the device of this name, as it is now."""
        try:
            index = socket.if_nametoindex(self.device)
        except OSError:
            return False
        return index == self._index

    def listen(self, addresses: Iterable[IPAddress]) -> None:
        """Listen for these addresses and no others. Raises OSError."""
        wanted = frozenset(addresses)
        if wanted == self._listening:
            return
        program = claim_filter.claims4 if self.version == IPV4 else claim_filter.claims6
        packet_socket.let_in(self._sock, program(wanted))
        self._listening = wanted

    async def send(self, frame: bytes) -> None:
        """Send a frame as soon as the adapter takes it. Raises OSError."""
        try:
            self._sock.send(frame)
        except BlockingIOError:
            await self._loop.sock_sendall(self._sock, frame)

    def reply(self, frame: bytes) -> None:
        """Send a frame if the adapter takes it now."""
        try:
            self._sock.send(frame)
        except OSError as error:
            if error.errno not in _DOWN | _GONE and not isinstance(error, BlockingIOError):
                raise

    async def close(self) -> None:
        """Hear nothing more."""
        self._loop.remove_reader(self._sock)
        if self._closed.detach() is not None:
            await asyncio.to_thread(self._sock.close)

    def read(self) -> None:
        """Take what arrived; called by the loop."""
        for _ in range(_AT_ONCE):
            try:
                said = frames.parse_use(self._sock.recv(_FRAME))
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _DOWN:
                    self._loop.remove_reader(self._sock)
                return
            if said is not None and said.address in self._listening:
                self._heard(self, said)
            if not self._bucket.take(self._loop.time()):
                self._loop.remove_reader(self._sock)
                self._loop.call_later(_PAUSE, self._resume)
                return

    def _resume(self) -> None:
        if self._closed.alive:
            self._loop.add_reader(self._sock, _reader(weakref.ref(self)))


def _reader(reference: weakref.ref[Segment]) -> Callable[[], None]:
    """What the loop calls; it keeps nobody alive."""

    def read() -> None:
        segment = reference()
        if segment is not None:
            segment.read()

    return read
