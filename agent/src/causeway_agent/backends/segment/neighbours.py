"""The neighbours port: probes for addresses before they are claimed, announces them, hears who else has them.

RFC 5227 waits up to seven seconds for answers, for networks of any kind. On the data-centre segments that an
appliance sits on an answer takes well under a millisecond, and a failover waits for the result: three probes
within 120 ms are a compromise. What answers later is heard all the same, for as long as the address is held.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from dataclasses import dataclass, field

import structlog

from causeway_agent import errors
from causeway_agent.backends.host.token_bucket import Bucket
from causeway_agent.backends.kernel import neighbour_tables
from causeway_agent.backends.segment import frames
from causeway_agent.backends.segment.listener import IPV4, Segment
from causeway_agent.engine.ports import NeighbourTable, Sighting
from causeway_agent.plan.model.objects import Claim
from causeway_agent.plan.steer.holdings import Holding
from causeway_wire.types import IPAddress, MacAddress

_EVENTS_KEPT = 1024
_AT_ONCE = 64
"""Frames sent before others have their turn; a segment's storm control counts broadcasts too."""
_BREATH = 0.05
"""Seconds after that."""
_DEFENCES = 50.0
"""Probes answered per second, and at once."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class PacketNeighbours:
    """Implements `engine.ports.Neighbours` with one packet socket per adapter and family, kept open."""

    probes: int = 3
    interval: float = 0.04
    """Seconds that answers to each probe are waited for."""
    _segments: dict[tuple[str, int], Segment] = field(default_factory=dict)
    _searches: list[_Search] = field(default_factory=list)
    _held: dict[Claim, Holding] = field(default_factory=dict)
    _own: frozenset[bytes] = frozenset()
    _sightings: asyncio.Queue[Sighting] = field(default_factory=lambda: asyncio.Queue(_EVENTS_KEPT))
    _bucket: Bucket = field(default_factory=lambda: Bucket(_DEFENCES, _DEFENCES, 0.0))

    async def probe(self, claims: Iterable[Claim]) -> dict[Claim, MacAddress]:
        by_segment = itertools.groupby(sorted(claims, key=_key), key=_key)
        searches = [_Search(await self._segment(*key), frozenset(members)) for key, members in by_segment]
        self._searches += searches
        try:
            # Every search ends by itself within the same time, so a failed one need not cancel the others.
            results = await asyncio.gather(*map(self._search, searches), return_exceptions=True)
        finally:
            self._searches = [each for each in self._searches if each not in searches]
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return {claim: mac for search in searches for claim, mac in search.found.items()}

    async def announce(self, claim: Claim) -> None:
        segment = await self._segment(*_key(claim))
        with _failures(f"announce {claim.address} on {claim.device}"):
            for frame in frames.announcements(claim.address, segment.mac):
                await segment.send(frame)

    async def ask(self, claims: Iterable[Claim]) -> None:
        for number, claim in enumerate(claims, 1):
            try:
                segment = await self._segment(*_key(claim))
                with _failures(f"ask for {claim.address} on {claim.device}"):
                    await segment.send(frames.probe(claim.address, segment.mac))
            except errors.BackendError as error:
                _log.debug("not_asked", device=claim.device, reason=str(error))
            if number % _AT_ONCE == 0:
                await asyncio.sleep(_BREATH)

    async def hold(self, holdings: Iterable[Holding], *, own: Collection[MacAddress]) -> None:
        self._held = {holding.claim: holding for holding in holdings}
        self._own = frozenset(bytes.fromhex(mac.replace(":", "")) for mac in own)
        wanted: dict[tuple[str, int], set[IPAddress]] = {}
        searched = (claim for search in self._searches for claim in search.wanted)
        for claim in itertools.chain(self._held, searched):
            wanted.setdefault(_key(claim), set()).add(claim.address)
        ports = {_key(holding.claim) for holding in self._held.values() if holding.port}
        for key in self._segments.keys() - wanted.keys():
            await self._segments.pop(key).close()
        for key, addresses in wanted.items():
            try:
                segment = await self._settled(*key, port=key in ports)
                with _failures(f"listen on {key[0]}"):
                    segment.listen(addresses)
            except errors.BackendError as error:
                _log.debug("not_listening", device=key[0], reason=str(error))

    async def sightings(self) -> AsyncIterator[Sighting]:
        while True:
            yield await self._sightings.get()

    async def tables(self) -> tuple[NeighbourTable, ...]:
        return neighbour_tables.read()

    async def aclose(self) -> None:
        """Hear nothing more."""
        segments, self._segments = list(self._segments.values()), {}
        for segment in segments:
            await segment.close()

    async def _segment(self, device: str, version: int) -> Segment:
        """The segment, listened on; raises BackendError when that is not possible."""
        segment = self._segments.get((device, version))
        if segment is not None and not segment.fits():
            await self._segments.pop((device, version)).close()
            segment = None
        if segment is None:
            with _failures(f"speak on {device}"):
                segment = Segment(device, version, self._hear, port=True)
                segment.listen(claim.address for claim in self._held if _key(claim) == (device, version))
            self._segments[device, version] = segment
        return segment

    async def _settled(self, device: str, version: int, *, port: bool) -> Segment:
        """The segment, listened on for long. Looking at every frame costs each packet of the adapter, and is
        done only where it must be; the old socket hears until the new one does.
        """
        segment = await self._segment(device, version)
        if segment.port == port:
            return segment
        with _failures(f"listen on {device}"):
            successor = Segment(device, version, self._hear, port=port)
            successor.listen(segment.listening)
        self._segments[device, version] = successor
        for search in self._searches:
            if search.segment is segment:
                search.segment = successor
        await segment.close()
        return successor

    async def _search(self, search: _Search) -> None:
        """Ask until everybody was found, or often enough."""
        with _failures(f"probe for addresses on {search.segment.device}"):
            search.segment.listen(search.segment.listening | {claim.address for claim in search.wanted})
            for _ in range(self.probes):
                for claim in sorted(search.missing, key=lambda claim: int(claim.address)):
                    # The segment may have got another socket meanwhile.
                    await search.segment.send(frames.probe(claim.address, search.segment.mac))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.interval):
                        await search.complete.wait()
                if not search.missing:
                    return

    def _hear(self, segment: Segment, said: frames.Claim | frames.Probe) -> None:
        if said.mac == segment.mac or said.mac in self._own:
            return
        claim = Claim(segment.device, said.address)
        if isinstance(said, frames.Probe):
            self._defend(segment, claim, said)
            return
        for search in self._searches:
            search.tell(claim, said.mac.hex(":"))
        if claim in self._held:
            with contextlib.suppress(asyncio.QueueFull):  # the same is said again
                self._sightings.put_nowait(Sighting(claim, said.mac.hex(":")))

    def _defend(self, segment: Segment, claim: Claim, probe: frames.Probe) -> None:
        holding = self._held.get(claim)
        if holding is None or not holding.defended or segment.version != IPV4:
            return
        if self._bucket.take(asyncio.get_running_loop().time()):
            segment.reply(frames.defence(probe, segment.mac))


@dataclass(eq=False, slots=True)
class _Search:
    """Who answers for these claims of one segment."""

    segment: Segment
    wanted: frozenset[Claim]
    found: dict[Claim, MacAddress] = field(default_factory=dict)
    complete: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def missing(self) -> frozenset[Claim]:
        """Those nobody answered for yet."""
        return self.wanted - self.found.keys()

    def tell(self, claim: Claim, mac: MacAddress) -> None:
        """Somebody claims it."""
        if claim in self.wanted:
            self.found[claim] = mac
            if not self.missing:
                self.complete.set()


@contextlib.contextmanager
def _failures(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise errors.BackendError(doing, error.strerror or str(error)) from error


def _key(claim: Claim) -> tuple[str, int]:
    return claim.device, claim.address.version
