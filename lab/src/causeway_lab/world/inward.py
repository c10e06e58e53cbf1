"""Whether anybody opens a connection into a site: new flows that enter by its router's outer adapter."""

from __future__ import annotations

import json
from typing import Final, Self

from causeway_lab.world import namespaces
from causeway_lab.world.topology import Machine

_TABLE: Final = "inward"


class Inward:
    """Counts at one router, beside what it does. Use as a context manager.

    A flow that was opened from inside is connection tracking's, so its answers are not counted. Neighbour
    discovery, which is not tracked, is none.
    """

    def __init__(self, router: Machine) -> None:
        """`router`: as the topology has it, its last adapter outside."""
        self._name = router.name
        self._outside = f"eth{len(router.ports) - 1}"

    def __enter__(self) -> Self:
        # After connection tracking (-200), before the translation of destinations (-100): nft(8), priorities.
        text = (
            f"table inet {_TABLE} {{ counter opened {{ }}; chain before {{ "
            "type filter hook prerouting priority -150; "
            f'iifname "{self._outside}" ct state new counter name opened; }}; }}'
        )
        namespaces.run(self._name, "nft", "-f", "-", text=text)
        return self

    def __exit__(self, *_: object) -> None:
        namespaces.run(self._name, "nft", "delete", "table", "inet", _TABLE)

    @property
    def opened(self) -> int:
        """How many packets so far opened a flow from outside."""
        said = json.loads(
            namespaces.run(self._name, "nft", "-j", "list", "counters", "table", "inet", _TABLE)
        )
        return sum(int(one["counter"]["packets"]) for one in said["nftables"] if "counter" in one)
