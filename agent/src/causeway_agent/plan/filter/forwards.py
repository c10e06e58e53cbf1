"""Elements of the sets that forwards fill: thousands for a large tenant, so each forward is looked at once.

What was made of the last forwards is kept: the policy between two others has those of one of them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from causeway_agent.plan.filter import element, skeleton
from causeway_agent.plan.model.policy import Forward
from causeway_wire.types import IPAddress

VERSIONS = (4, 6)
KEPT = 2
"""Policies whose elements are kept: the one in force and the next one."""

_SHAPES = {
    (errors, any_source, any_destination): f"{'error' if errors else 'forward'}_{end}"
    for errors in (False, True)
    for any_source, any_destination, end in (
        (False, True, "source"),
        (True, False, "destination"),
        (True, True, "any"),
    )
}

ByDevice = Mapping[str, frozenset[IPAddress]]


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What forwards say."""

    elements: Mapping[str, list[str]]
    """By set: those of `skeleton.FORWARD_SHAPES`. Exact sets are hash tables, one lookup each."""
    exits: frozenset[tuple[str, str]]
    """Pairs of devices that marked packets may pass between: the ways out that all extended addresses of a
    device have in common. Those of one device are all extended alike (`Forward`), or what differs is shut.
    """
    sources: Mapping[int, ByDevice]
    """Extended sources by version and input device..."""
    destinations: Mapping[int, ByDevice]
    """...and extended destinations."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What forwards have in common that differ in their address alone."""

    input_device: str
    output_device: str
    version: int
    shape: str

    @property
    def extends(self) -> bool:
        return self.shape in {"forward_source", "forward_destination"}

    def elements(self, addresses: Iterable[IPAddress | None]) -> list[str]:
        """For the set of this shape."""
        devices = (self.input_device,) if self.extends else (self.input_device, self.output_device)
        named = element.join(*map(element.quote, devices))
        return [named if each is None else f"{named} . {element.written(each)}" for each in addresses]


@functools.lru_cache(maxsize=KEPT)
def forwarded(forwards: frozenset[Forward]) -> Forwarded:
    """The elements, and what other sets of the policy depend on."""
    kinds = _by_kind(forwards)
    elements = {f"{shape}{version}": list[str]() for shape in skeleton.FORWARD_SHAPES for version in VERSIONS}
    for kind, addresses in kinds.items():
        elements[f"{kind.shape}{kind.version}"] += kind.elements(addresses)
    extended = {
        kind: frozenset(each for each in addresses if each is not None)
        for kind, addresses in kinds.items()
        if kind.extends
    }
    sources, destinations = (
        {version: _ends(extended, f"forward_{end}", version) for version in VERSIONS}
        for end in ("source", "destination")
    )
    return Forwarded(elements, _exits(extended), sources, destinations)


def _by_kind(forwards: Iterable[Forward]) -> Mapping[_Kind, list[IPAddress | None]]:
    found: dict[tuple[str, str, int, str], list[IPAddress | None]] = {}
    for forward in forwards:
        source, destination = forward.source, forward.destination
        address = destination if source is None else source
        version = forward.version if address is None else address.version
        shape = _SHAPES[forward.errors_only, source is None, destination is None]
        kind = forward.input_device, forward.output_device, version, shape
        if (listed := found.get(kind)) is None:
            found[kind] = listed = []
        listed.append(address)
    return {_Kind(*kind): addresses for kind, addresses in found.items()}


def _ends(extended: Mapping[_Kind, frozenset[IPAddress]], shape: str, version: int) -> ByDevice:
    found: dict[str, frozenset[IPAddress]] = {}
    for kind, addresses in extended.items():
        if kind.shape == shape and kind.version == version:
            found[kind.input_device] = found.get(kind.input_device, frozenset()) | addresses
    return found


def _exits(extended: Mapping[_Kind, frozenset[IPAddress]]) -> frozenset[tuple[str, str]]:
    ways: dict[str, dict[str, frozenset[IPAddress]]] = {}
    for kind, addresses in extended.items():
        outs = ways.setdefault(kind.input_device, {})
        outs[kind.output_device] = outs.get(kind.output_device, frozenset()) | addresses
    return frozenset(
        (device, out)
        for device, outs in ways.items()
        for out, addresses in outs.items()
        if len(addresses) == len(frozenset[IPAddress]().union(*outs.values()))
    )
