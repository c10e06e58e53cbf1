"""Questions about packets: the query of a request as a packet, and the explanation as a document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

from causeway_agent.engine.service import Engine
from causeway_agent.plan.explain.packet import Explanation, Hop, Kind, Packet
from causeway_wire.explanation import PacketPath, PathStage
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import IPAddress

_WHOLE: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_MOST: Final = 65535
"""Of a port, and of an IP packet's octets."""
_DEVICE: Final = re.compile(r"[!-.0-~]{1,15}", re.ASCII)
"""IFNAMSIZ without its NUL, no slash (dev_valid_name)."""


async def explain(engine: Engine, query: Mapping[str, str]) -> PacketPath:
    """Return the way of the packet that this query asks about. Raises ProblemError (`invalid`)."""
    found = await engine.explain(packet(query), entry=_entry(query))
    counters = {one.name: one.packets for one in await engine.counters()}
    return PacketPath(
        stages=tuple(_stage(hop) for hop in found.hops),
        verdict=found.verdict,
        passes=found.passes,
        works=found.works,
        reply=None if found.reply is None else _stage(found.reply),
        packets=_packets(found, counters),
    )


def packet(query: Mapping[str, str]) -> Packet:
    """Return the packet that is asked about. Raises ProblemError (`invalid`)."""
    kind = query.get("kind")
    if kind is not None and kind not in set(Kind):
        raise _invalid(f"kind is one of {', '.join(Kind)}")
    return Packet(
        _address(query, "source"),
        _address(query, "destination"),
        None if kind is None else Kind(kind),
        _whole(query, "port"),
        _whole(query, "size"),
    )


def _packets(found: Explanation, counters: Mapping[str, int]) -> int | None:
    return counters.get(found.stopped_by) if found.stopped_by else None


def _stage(hop: Hop) -> PathStage:
    return PathStage(
        stage=hop.stage, text=hop.text, passes=hop.passes, advice=hop.advice, counter=hop.counter
    )


def _entry(query: Mapping[str, str]) -> str | None:
    entry = query.get("entry")
    if entry is not None and _DEVICE.fullmatch(entry) is None:
        raise _invalid("entry is the name of a network device, such as eth1")
    return entry


def _whole(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if _WHOLE.fullmatch(text) is None or int(text) > _MOST:
        raise _invalid(f"{name} is a whole number from 0 to {_MOST}")
    return int(text)


def _address(query: Mapping[str, str], name: str) -> IPAddress:
    try:
        return ip_address(query.get(name, ""))
    except ValueError as error:
        raise _invalid(f"{name} is an IP address, such as 192.0.2.1 or 2001:db8::1") from error


def _invalid(detail: str) -> ProblemError:
    return ProblemError(problem(ProblemType.INVALID, detail))
