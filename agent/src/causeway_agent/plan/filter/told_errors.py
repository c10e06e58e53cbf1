"""ICMP that says that a packet did not arrive: a few are heard, for the cause that they name; a flood is not.

Whoever knows or guesses the ports of a tunnel can forge it (RFC 5927), and a connection table finds the flow
that it quotes and lets it in. Each costs OpenVPN a datagram: it asks to be told of errors (IP_RECVERR), and
then Linux refuses the next packet that the socket would send (net/core/sock.c, sock_alloc_send_pskb). Nothing
that an appliance does waits for such an error; one is enough to tell the cause (`connection refused`). So
each of our own addresses has a ration, and at a gateway each server and each client of a relayed flow. What
tells those behind an appliance about their own connections is not counted.
"""

from __future__ import annotations

from typing import Final

COUNTERS: Final = ("drop_error",)

ERRORS4: Final = "destination-unreachable, time-exceeded, parameter-problem"
ERRORS6: Final = "destination-unreachable, packet-too-big, time-exceeded, parameter-problem"

RATION: Final = "2/second burst 10 packets"
"""Errors that one address is told of."""

CHAINS: Final = ("error",)
"""Chains that exist once per family; their names end with the version."""
TAUGHT: Final = frozenset({"erring4", "erring6"})
"""Sets that packets fill: no load of a policy empties them."""


def _declared(version: int) -> str:
    kept = "flags dynamic,timeout; size 4096; timeout 10s"
    return f"  set erring{version} {{ type ipv{version}_addr; {kept}; }}\n"


DECLARATIONS: Final = _declared(4) + _declared(6)


def question(version: int) -> str:
    """The rule of a chain that returns for all that may be heard, and for whatever is no such error."""
    kinds = f"icmp type {{ {ERRORS4} }}" if version == 4 else f"icmpv6 type {{ {ERRORS6} }}"  # noqa: PLR2004
    return f"{kinds} goto error{version}"


def _rules(ip: str, version: int) -> str:
    return f"""\
  chain error{version} {{
    update @erring{version} {{ {ip} daddr limit rate {RATION} }} return
    counter name drop_error drop
  }}
"""


RULES: Final = _rules("ip", 4) + _rules("ip6", 6)
"""A full set refuses: `update` does not match where it finds no room."""
