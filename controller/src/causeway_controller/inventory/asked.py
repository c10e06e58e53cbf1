"""Names that both controllers know of what the provider asks the tenant's for, before it is begun. Pure."""

from __future__ import annotations

import hashlib

from causeway_controller.contract.runs import RunId
from causeway_wire.types import Name, NetworkId


def run(asking: RunId, network: NetworkId) -> RunId:
    """Return the name of the tenant's run of this network that the provider's run asks for."""
    return "a-" + hashlib.sha256(f"{asking}\n{network}".encode()).hexdigest()[:24]


def half(asking: RunId, network: NetworkId, *, end: bool) -> Name:
    """Return the name of the half that this run has the provider do: of an end, see `peers.half`."""
    name = run(asking, network)
    return f"{name}-end" if end else name
