"""Who carries a tunnel's packets, as it is told; what makes it so is in `kernel_carried`."""

from __future__ import annotations

from causeway_agent.plan.model.processes import VpnClient, VpnServer
from causeway_wire.observed import Transport


def carried(process: VpnServer | VpnClient, transport: Transport) -> bool:
    """Whether the kernel carries what this process brings up over this transport."""
    if isinstance(process, VpnServer):
        return process.makes_device and process.transport is transport
    return bool(process.made) and transport is Transport.UDP


def why_not(machine: str | None, transport: Transport, declined: str | None) -> str:
    """Why the process carries them itself, given why this machine's kernel cannot (None: it can) and why
    OpenVPN would not leave them to it.
    """
    if machine is not None:
        return machine
    if declined is not None and transport is Transport.UDP:
        return declined
    return "the transport is TCP" if transport is Transport.TCP else "the extension is bridged"
