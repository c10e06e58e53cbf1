"""Why a tunnel's packets are carried by OpenVPN's process and not by the kernel (decision 46)."""

from __future__ import annotations

from causeway_agent.plan.model.processes import FrameProbe, VpnClient, VpnServer
from causeway_wire.observed import Transport


def why_not(machine: str | None, process: VpnServer | VpnClient, transport: Transport) -> str:
    """The reason for a tunnel of this process over this transport; `machine`: why its kernel cannot at all
    (None: it could).
    """
    if machine is not None:
        return machine
    if transport is Transport.TCP:
        return "the transport is TCP"
    if _bridged(process):
        return "the extension is bridged"
    return "tunnels are not left to the kernel yet"


def _bridged(process: VpnServer | VpnClient) -> bool:
    if isinstance(process, VpnClient):
        return isinstance(process.probe, FrameProbe)
    return "dev-type tap" in process.configuration.reveal().splitlines()
