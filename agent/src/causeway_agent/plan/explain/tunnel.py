"""How the tunnel behind a device is, and whether its path carries packets of that size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from causeway_agent.plan.explain.packet import Hop, Packet
from causeway_agent.plan.model.processes import VpnClient, VpnServer
from causeway_agent.plan.model.target import Observation
from causeway_wire.observed import TunnelReport, TunnelState


def tunnel(
    seen: Observation,
    device: str,
    tunnels: Sequence[TunnelReport] | None,
    packet: Packet,
    *,
    comes: bool = False,
    framed: bool = False,
) -> Hop:
    """The tunnel end on this device; without reports its state is not known and stops nothing.

    `comes`: the packet leaves the tunnel here, others enter it. `framed`: it crosses in an Ethernet frame.
    """
    ends = [p for p in seen.processes if isinstance(p, VpnServer | VpnClient) and device in p.devices]
    if not ends:
        advice = f"Nothing runs on {device}; look at the journal for why its VPN process is not started."
        return Hop("tunnel", f"no VPN process on {device}", passes=False, advice=advice)
    end = ends[0]
    if tunnels is None:
        return Hop("tunnel", f"{end.tunnel} on {device}; only a running agent knows its state")
    report = next((report for report in tunnels if report.id == end.tunnel), None)
    if report is not None and report.state is TunnelState.CONNECTED:
        hop = _connected(end, report)
        return _sized(hop, report, packet, comes=comes, framed=framed) if hop.passes else hop
    error = f": {report.last_error}" if report is not None and report.last_error else ""
    advice = (
        f"Tunnel {end.tunnel} is not connected{error}. Check the other end's appliance and the cloud "
        "gateways between; the client tries all of them by itself."
    )
    return Hop("tunnel", f"{end.tunnel} on {device} is not connected{error}", passes=False, advice=advice)


def _sized(hop: Hop, report: TunnelReport, packet: Packet, *, comes: bool, framed: bool) -> Hop:
    """What the path carries, and whether that is enough: `path_size` finds it out."""
    path = report.path
    if path is None:
        return hop
    carries = path.receives if comes else path.sends
    text = f"{hop.text}; its path carries packets of {carries} octets"
    if packet.size is None or packet.size <= carries:
        return replace(hop, text=text)
    if framed and path.problem is None:
        return replace(hop, text=f"{text}, and larger frames in fragments")
    why = path.problem if framed else _told(packet, carries)
    advice = f"{packet.size} octets are too large for the path of tunnel {report.id}: {why}."
    return Hop(hop.stage, text, passes=False, advice=advice)


def _told(packet: Packet, carries: int) -> str:
    """What becomes of a packet that is too large for a routed tunnel."""
    told = f"{packet.source} is told {carries} by ICMP and must send smaller ones; let that ICMP reach it"
    return told if packet.source.version == 6 else f"without DF it crosses in fragments, with DF {told}"  # noqa: PLR2004


def _connected(end: VpnServer | VpnClient, report: TunnelReport) -> Hop:
    carrier = "" if report.transport is None else f" over {report.transport.value}"
    if isinstance(end, VpnServer) and report.transport not in {None, end.transport}:
        advice = f"The client is connected{carrier}; routes follow within a moment, ask again."
        text = f"{end.tunnel} is connected{carrier}, not on {end.device}"
        return Hop("tunnel", text, passes=False, advice=advice)
    where = "" if report.remote is None else f" with {report.remote}"
    return Hop("tunnel", f"{end.tunnel} is connected{carrier}{where}")
