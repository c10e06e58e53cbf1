"""Token buckets: how often something may happen, on average and at once, for each of many."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass(slots=True)
class Bucket:
    """At most `burst` at once and `rate` per second."""

    rate: float
    burst: float
    filled: float
    """When it was last filled, by the clock that `take` is given."""
    _tokens: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def take(self, now: float) -> bool:
        """Whether one more is allowed."""
        self._tokens = min(self.burst, self._tokens + (now - self.filled) * self.rate)
        self.filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(slots=True)
class Buckets:
    """A bucket for each key; of more than `limit` keys the one that has been quiet longest is forgotten."""

    rate: float
    burst: float
    limit: int
    _by_key: OrderedDict[bytes, Bucket] = field(default_factory=OrderedDict)

    def take(self, key: bytes, now: float) -> bool:
        """Whether one more is allowed for this key."""
        bucket = self._by_key.pop(key, None) or Bucket(self.rate, self.burst, now)
        self._by_key[key] = bucket
        if len(self._by_key) > self.limit:
            self._by_key.popitem(last=False)
        return bucket.take(now)
