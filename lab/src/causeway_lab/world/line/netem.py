"""The kernel's netem as a line, where the kernel has it and it does what is wanted as a line does.

Between the two devices, a veth pair, netem delays, loses and doubles. It knows no MTU without ICMP, no pauses
that deliver late, no depth of reordering, no ports; its limits count packets, not octets; and its chance
cannot be seeded everywhere: such lines stay in user space. It meets neighbours' talk (ARP) like all else, and
takes a large segment that an adapter would have cut for one packet (tc-netem(8)).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from causeway_lab.world import namespaces
from causeway_lab.world.line.conditions import Conditions, Direction, Way
from causeway_lab.world.line.forwarder import Report
from causeway_lab.world.namespaces import WiringError

_LIMIT = 100_000
"""Packets under way."""
_KNOWN = ("delay", "jitter", "loss", "duplicate")


def available(namespace: str | None) -> bool:
    """Whether the kernel has it: tried on the loopback device of a namespace that is the lab's own."""
    try:
        namespaces.run(namespace, "tc", "qdisc", "add", "dev", "lo", "root", "netem", "limit", "1000")
    except (WiringError, FileNotFoundError):
        return False
    namespaces.run(namespace, "tc", "qdisc", "delete", "dev", "lo", "root")
    return True


def can(conditions: Conditions) -> bool:
    """Whether netem can make all of it."""
    if conditions.nat or conditions.seed is not None:
        return False
    return all(_plain(way) for way in (conditions.up, conditions.down))


def _plain(way: Way) -> bool:
    return Way(**{name: getattr(way, name) for name in _KNOWN}, icmp=way.icmp, queue=way.queue) == way


def discipline(way: Way) -> Iterator[tuple[str, ...]]:
    """The arguments of `tc qdisc replace dev DEVICE` that make it so.

    The queue inside keeps packets in order whatever the jitter (tc-netem(8), about reordering).
    """
    wanted = ["delay", f"{way.delay * 1e6:.0f}us", f"{way.jitter * 1e6:.0f}us"] if way.delay else []
    for name, share in (("loss", way.loss), ("duplicate", way.duplicate)):
        wanted += [name, f"{share * 100:g}%"] if share else []
    yield ("root", "handle", "1:", "netem", "limit", str(_LIMIT), *wanted)
    yield ("parent", "1:1", "handle", "10:", "pfifo", "limit", str(_LIMIT))


class Netem:
    """The kernel, between the ends of a veth pair; see `means.Means`."""

    name = "the kernel's netem"
    pid = None
    broken = False

    def __init__(self, namespace: str | None, near: str, far: str) -> None:
        self._namespace = namespace
        self._ends = {Direction.UP: near, Direction.DOWN: far}
        self._conditions = Conditions()

    def start(self) -> None:
        near, far = self._ends.values()
        namespaces.batch(self._namespace, [f"link add {near} type veth peer name {far}"])

    def change(self, conditions: Conditions) -> None:
        for direction, way in ((Direction.UP, conditions.up), (Direction.DOWN, conditions.down)):
            for arguments in discipline(way):
                self._tc("qdisc", "replace", "dev", self._ends[direction], *arguments)
        self._conditions = conditions

    def rebind(self) -> None:
        raise WiringError("netem translates no ports")

    def report(self) -> Report:
        found = {
            direction: json.loads(self._tc("-s", "-j", "qdisc", "show", "dev", end))[0]
            for direction, end in self._ends.items()
        }
        return Report(
            conditions=self._conditions,
            counters={
                direction.value: {"forwarded": one["packets"], "lost": one["drops"]}
                for direction, one in found.items()
            },
            waiting=sum(one["qlen"] for one in found.values()),
        )

    def stop(self) -> None:
        with contextlib.suppress(WiringError):  # never made
            namespaces.batch(self._namespace, [f"link delete {self._ends[Direction.UP]}"])

    def _tc(self, *arguments: str) -> str:
        return namespaces.run(self._namespace, "tc", *arguments)
