"""Which first packets are believed: by the tag of their key at once, whatever the number of tenants.

A gateway's document names the tags of the client keys of each tunnel, so that a packet costs one look-up and
then one key. A wrapped key that was opened is kept: its tag authenticates it, so that another content behind
the same tag is a forgery without asking. Tunnels whose keys are not named share a budget of keys to try.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from causeway_agent.backends.gateway import wrapped_key
from causeway_agent.backends.gateway.wrapped_key import ClientKey, FirstPacket, Letter, Refusal, ServerKey
from causeway_agent.plan.model.processes import FirstPacketFilter
from causeway_wire.types import TenantId, TunnelId

WINDOW: Final = 300.0
"""Seconds by which the sender's clock may differ from ours."""
TRIES: Final = 5000.0
"""Keys that may be tried in a second for packets whose key the document does not name."""

_REMEMBERED: Final = 65536

Tunnel = tuple[TenantId, TunnelId]


class Seen:
    """Tags of the genuine packets of the last `WINDOW`, so that none counts twice."""

    def __init__(self) -> None:
        self._tags: OrderedDict[bytes, float] = OrderedDict()

    def add(self, tag: bytes, now: float) -> bool:
        """Remember a tag; False when it is known already."""
        while self._tags and (next(iter(self._tags.values())) < now or len(self._tags) >= _REMEMBERED):
            self._tags.popitem(last=False)
        if tag in self._tags:
            return False
        # The sender's clock may run ahead by WINDOW, so its packet stays fresh for twice that.
        self._tags[tag] = now + 2 * WINDOW
        return True

    def __contains__(self, tag: bytes) -> bool:
        return tag in self._tags


class Budget:
    """So much per second, saved up for one second."""

    def __init__(self, rate: float) -> None:
        self._rate = self._level = rate
        self._since = 0.0

    def take(self, cost: float, now: float) -> bool:
        """Whether this much is left now (monotonic seconds); it is spent then."""
        self._level = min(self._rate, self._level + (now - self._since) * self._rate)
        self._since = now
        if cost > self._level:
            return False
        self._level -= cost
        return True


class KnownKeys:
    """The keys of a gateway's document. Making it raises ValueError when one is none."""

    def __init__(self, spec: FirstPacketFilter) -> None:
        keys = {tenant: wrapped_key.server_key(tenant, pem.reveal()) for tenant, pem in spec.keys}
        self._named: dict[bytes, tuple[ServerKey, set[TunnelId]]] = {}
        for tag, tenant, tunnel in spec.tags:
            self._named.setdefault(bytes.fromhex(tag), (keys[tenant], set()))[1].add(tunnel)
        self._named_tunnels = {(tenant, tunnel) for _, tenant, tunnel in spec.tags}
        tunnels = {(tenant, tunnel) for tenant, tunnel, *_ in spec.servers}
        unnamed = {tenant for tenant, _ in tunnels - self._named_tunnels}
        self._others = tuple(key for tenant, key in keys.items() if tenant in unnamed)
        self._tries = Budget(TRIES)
        self._opened: OrderedDict[bytes, ClientKey] = OrderedDict()

    def judge(self, packet: bytes, time: float, now: float, seen: Seen) -> FirstPacket | str:
        """Whose first packet this is, or the reason why it is nobody's. The cheapest questions come first.

        `time` is the wall clock's, `now` the monotonic one's (seconds).
        """
        letter = wrapped_key.read(packet)
        if letter is None:
            return Refusal.NOT_A_FIRST_PACKET.value
        key = self._find(letter, now)
        if isinstance(key, Refusal):
            return key.value
        if abs(time - letter.time) > WINDOW:
            return "stale"
        if letter.tag in seen:
            return "replayed"
        if not wrapped_key.genuine(letter, key):
            return Refusal.FORGED.value
        seen.add(letter.tag, now)
        return FirstPacket(key.tenant, key.tunnel, letter.time, letter.tag)

    def hmac(self, wrapped: bytes, now: float) -> bytes | None:
        """What the holder of this wrapped key authenticates packets with; None when it is no tenant's."""
        found = self._find(Letter(b"", wrapped), now)
        return found.hmac if isinstance(found, ClientKey) else None

    def _find(self, letter: Letter, now: float) -> ClientKey | Refusal:
        opened = self._opened.get(letter.key_tag)
        if opened is not None:
            return opened if opened.wrapped == letter.wrapped else Refusal.FORGED
        if letter.key_tag in self._named:
            server_key, tunnels = self._named[letter.key_tag]
            key = wrapped_key.open_key(letter.wrapped, (server_key,))
            if key is Refusal.UNKNOWN_KEY:
                return Refusal.FORGED
            known = isinstance(key, ClientKey) and key.tunnel in tunnels
        else:
            key = self._try(letter, now)
            known = isinstance(key, ClientKey) and (key.tenant, key.tunnel) not in self._named_tunnels
        if isinstance(key, Refusal):
            return key
        if not known:
            return Refusal.UNKNOWN_KEY
        self._opened[letter.key_tag] = key
        if len(self._opened) > _REMEMBERED // 8:
            self._opened.popitem(last=False)
        return key

    def _try(self, letter: Letter, now: float) -> ClientKey | Refusal:
        if not self._others or not self._tries.take(len(self._others), now):
            return Refusal.UNKNOWN_KEY
        return wrapped_key.open_key(letter.wrapped, self._others)
