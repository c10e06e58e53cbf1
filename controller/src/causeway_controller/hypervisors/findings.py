"""What is said of a host that was looked at, in the same words for every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from causeway_controller.contract.hosts import Finding, Grade, Topic
from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors.base import HypervisorError


def good(topic: Topic, text: str) -> Finding:
    """Return that this is as it must be."""
    return Finding(topic=topic, grade=Grade.GOOD, text=text)


def warning(topic: Topic, text: str, advice: str) -> Finding:
    """Return that this works, and could be better."""
    return Finding(topic=topic, grade=Grade.WARNING, text=text, advice=advice)


def unknown(topic: Topic, text: str, advice: str) -> Finding:
    """Return that the host does not tell this, and where people see it."""
    return Finding(topic=topic, grade=Grade.UNKNOWN, text=text, advice=advice)


def trap(text: str, advice: str) -> Finding:
    """Return that the host does something that nobody expects of it."""
    return warning(Topic.TRAPS, text, advice)


def problem(topic: Topic, text: str, advice: str) -> Finding:
    """Return that a deployment or a failover would fail of this, and what to do next."""
    return Finding(topic=topic, grade=Grade.PROBLEM, text=text, advice=advice)


def room(where: str, *, left: int, each: int, missing: int, instead: str) -> Finding:
    """Return whether so many appliances have room for all that their disks may grow to.

    `left`, `each`: octets. `instead`: the other thing to do than making room.
    """
    text = f"{where} has {left >> 20} MiB left"
    if left >= each * missing:
        return good(Topic.STORAGE, text + (f", enough for {missing} more appliances" if missing else ""))
    text += f"; {missing} appliances are missing there, whose disks may grow to {each >> 20} MiB each"
    return problem(Topic.STORAGE, text, f"make room, or {instead}")


def room_beside(where: str, *, left: int, each: int, missing: int, image: int) -> Iterator[Finding]:
    """Yield a warning where so many appliances have room, and the image of which disks are copied has none.

    As of `room`; `image`: octets.
    """
    disks = each * missing
    if disks and disks <= left < disks + image:
        text = f"{where} has no room for the image beside those disks: it is sent for each of the last ones"
        yield warning(Topic.STORAGE, text, f"make room for another {-(-image >> 20)} MiB")


def too_full(where: str, *, left: int, needed: int, in_place: bool, instead: str) -> Iterator[str]:
    """Yield why an appliance has no room there, if it has none.

    `left`, `needed`: octets. `in_place`: as of `MachineSpec`. `instead`: as of `room`.
    """
    if left < needed and not in_place:
        yield (
            f"{where} has {left >> 20} MiB left, and an appliance's disk may grow to "
            f"{-(-needed >> 20)} MiB; make room, or {instead}"
        )


def known_by(host: Host) -> str:
    """Return in words by what a host over TLS is known."""
    return "its pinned key" if isinstance(host.pin, str) else "the operating system's authorities"


def missing(wanted: Iterable[str], ours: Callable[[str], object | None]) -> int:
    """Return how many machines of these owner ids are not there, which `ours` looks for."""
    return sum(_absent(one, ours) for one in wanted)


def _absent(owner_id: str, ours: Callable[[str], object | None]) -> bool:
    try:
        return ours(owner_id) is None
    except HypervisorError:
        return False  # another VM is in its place, which a deployment will name


def masked(findings: Iterable[Finding], hide: Callable[[str], str]) -> tuple[Finding, ...]:
    """Return them with what the host said hidden as `hide` does; advice is our own."""
    return tuple(replace(one, text=hide(one.text)) for one in findings)
