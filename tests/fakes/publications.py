"""Elements of public rules as the kernel keeps them, with a connection table of flows that a test opens."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from causeway_agent.errors import BackendError
from causeway_agent.plan.filter import public_elements
from causeway_agent.plan.filter.public_elements import COUNTED, SETS, Cuts, Elements
from tests.fakes.firewall import FakeFirewall
from tests.fakes.fuse import Fuse


@dataclass(frozen=True)
class Flow:
    """An established flow: toward a public port, from this source, translated to this target."""

    key: bytes
    source: bytes
    target: bytes


@dataclass
class FakePublications:
    """Transactions succeed whole or not at all; there are no sets before a policy was loaded."""

    firewall: FakeFirewall | None = None
    fuse: Fuse = field(default_factory=Fuse)
    flows: set[Flow] = field(default_factory=set)
    observed: int = 0
    """How often everything was read."""
    refuse: bool = False
    """Whether no change succeeds."""

    def __post_init__(self) -> None:
        self.sets: Elements = public_elements.nothing()
        self.counts: dict[str, dict[bytes, tuple[int, int]]] = {name: {} for name in COUNTED}

    async def observe(self) -> Elements:
        """Everything."""
        self._check("read the public rules")
        self.observed += 1
        return {name: dict(held) for name, held in self.sets.items()}

    async def apply(self, delete: Elements, add: Elements) -> None:
        """Delete, then add."""
        self._check("change the public rules")
        self.fuse.enter("change the public rules")
        if self.refuse:
            raise BackendError("change the public rules", "Cannot allocate memory")
        sets = {name: dict(held) for name, held in self.sets.items()}
        for name, held in delete.items():
            for key in held:
                if key not in sets[name]:
                    raise BackendError("change the public rules", "no such element")
                del sets[name][key]
        for name, held in add.items():
            for key, data in held.items():
                if sets[name].get(key, data) != data or _overlaps(name, key, sets[name]):
                    raise BackendError("change the public rules", "File exists")
                sets[name][key] = data
        self.sets = sets
        for name in COUNTED:
            counts = self.counts[name]
            again = delete.get(name, {}).keys()
            self.counts[name] = {
                key: (0, 0) if key in again else counts.get(key, (0, 0)) for key in sets[name]
            }
        self.fuse.leave("change the public rules")

    async def cut(self, cuts: Cuts) -> int:
        """End flows."""
        gone = {
            flow
            for flow in self.flows
            if flow.key in cuts
            and not ((kept := cuts[flow.key]) and public_elements.permits(kept, flow.source, flow.target))
        }
        self.flows -= gone
        return len(gone)

    async def counters(
        self, wanted: Mapping[str, Collection[bytes]] | None
    ) -> dict[str, dict[bytes, tuple[int, int]]]:
        """As `count` left them."""
        self._check("read the counters of public rules")
        names = COUNTED if wanted is None else wanted
        return {name: dict(self.counts[name]) for name in names}

    def count(self, name: str, key: bytes, packets: int, octets: int) -> None:
        """Packets that an element let through."""
        assert key in self.sets[name]
        self.counts[name][key] = (packets, octets)

    def _check(self, doing: str) -> None:
        if self.firewall is not None and self.firewall.policy is None:
            raise BackendError(doing, "a policy must be loaded first")


def _overlaps(name: str, key: bytes, held: Mapping[bytes, bytes]) -> bool:
    """Whether an interval shares a point with another: every field of both would have to."""
    if not SETS[name].interval or key in held:
        return False
    return any(_meet(key, other) for other in held)


def _meet(one: bytes, other: bytes) -> bool:
    half = len(one) // 2
    octets = (half - 8) // 2
    fields = ((0, octets), (octets, octets + 4), (octets + 4, octets + 8), (octets + 8, half))
    return all(
        one[a:b] <= other[half + a : half + b] and other[a:b] <= one[half + a : half + b] for a, b in fields
    )
