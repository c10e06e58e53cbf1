"""How the tunnel behind a device is."""

from __future__ import annotations

from collections.abc import Sequence

from causeway_agent.plan.explain_packet import Hop
from causeway_agent.plan.processes import VpnClient, VpnServer
from causeway_agent.plan.target import Observation
from causeway_wire.observed import TunnelReport, TunnelState


def tunnel(seen: Observation, device: str, tunnels: Sequence[TunnelReport] | None) -> Hop:
    """The tunnel end on this device; without reports its state is not known and stops nothing."""
    ends = [p for p in seen.processes if isinstance(p, VpnServer | VpnClient) and device in p.devices]
    if not ends:
        advice = f"Nothing runs on {device}; look at the journal for why its VPN process is not started."
        return Hop("tunnel", f"no VPN process on {device}", passes=False, advice=advice)
    end = ends[0]
    if tunnels is None:
        return Hop("tunnel", f"{end.tunnel} on {device}; only a running agent knows its state")
    report = next((report for report in tunnels if report.id == end.tunnel), None)
    if report is not None and report.state is TunnelState.CONNECTED:
        return _connected(end, report)
    error = f": {report.last_error}" if report is not None and report.last_error else ""
    advice = (
        f"Tunnel {end.tunnel} is not connected{error}. Check the other end's appliance and the cloud "
        "gateways between; the client tries all of them by itself."
    )
    return Hop("tunnel", f"{end.tunnel} on {device} is not connected{error}", passes=False, advice=advice)


def _connected(end: VpnServer | VpnClient, report: TunnelReport) -> Hop:
    carrier = "" if report.transport is None else f" over {report.transport.value}"
    if isinstance(end, VpnServer) and report.transport not in {None, end.transport}:
        advice = f"The client is connected{carrier}; routes follow within a moment, ask again."
        text = f"{end.tunnel} is connected{carrier}, not on {end.device}"
        return Hop("tunnel", text, passes=False, advice=advice)
    where = "" if report.remote is None else f" with {report.remote}"
    return Hop("tunnel", f"{end.tunnel} is connected{carrier}{where}")
