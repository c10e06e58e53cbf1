"""What is wrong with a tunnel that works, or has not worked for a while: told as one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from causeway_agent.plan.model.processes import Endpoint
from causeway_wire.observed import Transport

PATIENCE: Final = timedelta(seconds=10)
"""A tunnel that is not connected for longer is told; sooner it is about to be."""

_NO_ANSWER: Final = "no answer"
_LOOK: Final = "see that UDP or TCP to the gateways passes on the way, and that the provider appliance runs"


def on_tcp(endpoints: Sequence[Endpoint], answering: frozenset[int], since: datetime) -> str | None:
    """Why a tunnel goes over TCP, given the endpoints whose gateways answer over UDP; None where it may.

    `since`: when UDP was last found not to carry it.
    """
    udp = {index: one for index, one in enumerate(endpoints) if one.transport is Transport.UDP}
    if not udp:
        return None
    moment = f"{since:%Y-%m-%d %H:%M:%S} UTC"
    heard = sorted(answering & udp.keys())
    names = ", ".join(place(udp[index]) for index in heard or udp)
    if heard:
        why = f"gateway {names} answers over UDP, but no VPN server behind it since {moment}"
        return f"the tunnel goes over TCP: {why}; look at the provider appliance"
    return f"the tunnel goes over TCP: UDP of gateway {names} does not answer since {moment}; let UDP pass"


def disconnected(since: datetime | None, now: datetime, why: str | None) -> str | None:
    """Why there is no connection; None while that is new."""
    if since is None or now - since < PATIENCE:
        return None
    told = f"the tunnel is not connected since {since:%Y-%m-%d %H:%M:%S} UTC: {why or _NO_ANSWER}"
    return f"{told}; {_LOOK}" if why in {None, _NO_ANSWER} else told


def place(endpoint: Endpoint) -> str:
    """Address and port, as people write them."""
    address = f"[{endpoint.address}]" if endpoint.address.version == 6 else str(endpoint.address)  # noqa: PLR2004
    return f"{address}:{endpoint.port}"
