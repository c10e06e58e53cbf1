"""Packets into a tunnel that is offered more than it carries: whose they are, and how many of each pass.

While tunnels have room this costs each packet a look into an empty set. When one has none (`plan.steer.load`
judges), the agent names its device in `pressed`; from then on it is counted who sends into it, and who is in
`slowed` gets no more through than the rate that is beside it there. A machine is its MAC address: it may
speak under many others, and under its neighbours'.

The chain that decides what passes sends it here: what is refused takes no room in the tunnel. Else who may
not send into it at all would lower what all are held to. It has no hook of its own: that would cost packets
as much as two rules which no tunnel carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from causeway_agent.plan.filter import element
from causeway_agent.plan.steer.load import Sender

COUNTERS: Final = ("drop_excess",)
BRIDGE_COUNTERS: Final = ("drop_excess_frames",)

PRESSED: Final = "pressed"
"""Devices of tunnels whose senders are counted."""
SENT: Final = "sent"
"""Packets by device and sender."""
SLOWED: Final = "slowed"
"""Senders that get no more through than the rate of their element: of some thirty tunnels at once, each with
as many as can be held (`steer.load.HELD_AT_ONCE`).
"""
CHAIN: Final = "demand"
"""Where everything goes that may pass into a tunnel."""
TAUGHT: Final = frozenset({PRESSED, SENT, SLOWED})
"""Sets that packets and the agent fill: no load of a policy empties them."""
LASTING: Final = 30
"""Seconds that what the agent has filled in stays when it does not say it again."""
_BURST: Final = 0.1
"""Seconds of its rate that a sender may send at once."""

_KEY: Final = "type ifname . ether_addr"
_SENDER: Final = "oifname . ether saddr"
DECLARATIONS: Final = f"""\
  set {PRESSED} {{ type ifname; size 1024; flags dynamic,timeout; timeout {LASTING}s; }}
  set {SENT} {{ {_KEY}; size 4096; flags dynamic,timeout; timeout 10s; counter; }}
  set {SLOWED} {{ {_KEY}; size 4096; flags dynamic,timeout; timeout {LASTING}s; limit rate over 1/second; }}
  chain {CHAIN} {{ }}
"""


def rules(counter: str) -> str:
    """The chain, in the table that has this counter."""
    return f"""\
  chain {CHAIN} {{
    oifname != @{PRESSED} accept
    update @{SENT} {{ {_SENDER} }}
    {_SENDER} @{SLOWED} counter name {counter} drop
    accept
  }}
"""


def commands(table: str, pressed: Iterable[str], slowed: Mapping[Sender, int]) -> str:
    """The nft commands that put this into the sets of a table (`inet causeway`), in place of what was there;
    rates in packets per second.
    """
    named = [element.quote(device) for device in sorted(pressed)]
    limited = [
        f"{element.quote(sender.device)} . {sender.mac.hex(':')} limit rate over {rate}/second "
        f"burst {max(20, int(rate * _BURST))} packets"
        for sender, rate in sorted(slowed.items(), key=lambda each: (each[0].device, each[0].mac))
    ]
    return element.refilled(f"{table} {PRESSED}", named) + element.refilled(f"{table} {SLOWED}", limited)
