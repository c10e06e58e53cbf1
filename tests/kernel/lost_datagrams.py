"""One datagram of a tunnel's handshake that gets lost where it arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from causeway_lab.assembly.lab import Lab
from causeway_lab.world import namespaces

_NONE = "table netdev lossy\ndelete table netdev lossy\n"
# 30 and 31 are the opcodes of our own questions and answers.
_RULE = """
table netdev lossy {{
  chain door {{
    type filter hook ingress device {device} priority 0;
    meta protocol {protocol} udp {direction} 6180 @th,64,5 != {{ 30, 31 }} numgen inc mod 65536 {before} drop
  }}
}}
"""


@contextmanager
def losing(
    nth: int, *, protocol: str, direction: str, device: str, load: Callable[[str], object]
) -> Iterator[None]:
    """The so-and-so-many-th datagram of `ip` or `ip6` that is no question or answer of ours gets lost.

    `direction`: `dport` on the way to the gateway, else `sport`; `load` has nft load a text there.
    """
    rule = _RULE.format(device=device, protocol=protocol, direction=direction, before=nth - 1)
    load(_NONE + rule)
    try:
        yield
    finally:
        load(_NONE)


def load(machine: str, text: str) -> None:
    """Have nft load a text on a machine of the lab."""
    namespaces.run(machine, "nft", "-f", "-", text=text)


def doors(lab: Lab) -> list[tuple[str, str]]:
    """Each gateway's machine, and its device at the internet."""
    found = []
    for gateway in lab.topology.gateways:
        ports = lab.topology.machines[gateway.id].ports
        own = next(n for n, port in enumerate(ports) if port.mac == gateway.public.mac)
        found.append((gateway.id, f"eth{own}"))
    return found
