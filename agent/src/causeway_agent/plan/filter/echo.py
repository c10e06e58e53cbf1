"""Echo requests to the appliance: what its peers ask is answered, everybody else has a budget of their own.

The far end of a tunnel asks whether this end is alive (RFC 792, RFC 4443). Were that counted together with
what guests and strangers send, any of them could have every tunnel of the appliance taken for dead. So the
peer is named by device and both addresses and is not counted; it came through its own tunnel, where nobody
else has that address. Others are counted by device and source. Nothing else says yes to an echo request, so
that a connection table that remembers the first one does not let the rest past the budget.

Nor is heard what size a path is said to have (`path`), nor more errors than a few (`told_errors`).
"""

from __future__ import annotations

from typing import Final

from causeway_agent.plan.filter import path, told_errors

BUDGET: Final = "50/second burst 100 packets"
"""Echo requests answered per device and source address."""
_SOURCES: Final = 16_384
"""Sources counted at a time; of more, the later ones are not answered until others were silent."""
_FORGOTTEN: Final = "10s"

CHAINS: Final = ("echo", "budget")
"""Chains that exist once per family; their names end with the version."""
JUMP: Final = "meta l4proto vmap { 1 : jump echo4, 58 : jump echo6 }"
"""The question of chain `input`, before whatever else could accept an echo request."""


def _declared(version: int) -> str:
    kept = f"flags dynamic,timeout; size {_SOURCES}; timeout {_FORGOTTEN}"
    return f"  set echoing{version} {{ type ifname . ipv{version}_addr; {kept}; }}\n"


DECLARATIONS: Final = _declared(4) + _declared(6)


def _rules(ip: str, version: int, icmp: str) -> str:
    return f"""\
  chain budget{version} {{
    update @echoing{version} {{ iifname . {ip} saddr limit rate {BUDGET} }} accept
    counter name drop_flood drop
  }}
  chain echo{version} {{
    iifname @guarded {icmp} type echo-reply accept
    {path.TOLD[version]}
    {told_errors.question(version)}
    {icmp} type != echo-request return
    iifname . {ip} daddr . {ip} saddr @peers{version} accept
    iifname . {ip} daddr @echoes{version} goto budget{version}
    counter name drop_input drop
  }}
"""


RULES: Final = _rules("ip", 4, "icmp") + _rules("ip6", 6, "icmpv6")
"""A full set of sources refuses: `update` does not match where it finds no room."""
