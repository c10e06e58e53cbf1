"""What passes from one device to another: chain `forward` and those that it asks.

Extended flows first: where they enter, their address is looked up and the answer is a mark, so that here only
the way out is left to ask. The mark alone opens nothing: `exits` names pairs of devices, so it counts only
between the device that set it and those that the policy lets its packets leave by. Marks end with the packet:
the tun device hands octets to OpenVPN, an adapter puts them on a wire.
"""

from __future__ import annotations

from typing import Final

from causeway_agent.plan.filter import element, load
from causeway_agent.plan.filter.told_errors import ERRORS4, ERRORS6
from causeway_agent.plan.model.objects import TUN_PREFIXES

BY_SOURCE: Final = "0x1"
"""Mark of a packet whose source is extended on the device it entered."""
BY_DESTINATION: Final = "0x3"
"""The same of its destination: a VM that the document names."""
MARKED: Final = "meta mark != 0 iifname . oifname vmap @exits"
"""Of chain `forward`, before anything else is asked. A packet has one of these marks or none."""
THROUGH: Final = "through"
"""The chain to which everything comes that passes; into a tunnel by way of `load.CHAIN`. What is asked there
is asked of no packet that is refused, and costs no hook of its own.
"""
HEARD: Final = "heard"
"""The chain for what neighbours send into a tunnel, at whose other end there is nobody to look for."""
REPORTED: Final = "reported"
"""The chain for ICMP errors of an extension, which leave by a tunnel or toward neighbours."""

_FAMILIES: Final = {4: ("ip", f"icmp type {{ {ERRORS4} }}"), 6: ("ip6", f"icmpv6 type {{ {ERRORS6} }}")}

CHAINS: Final = ("service", "inward", "outward", "translated", "opened", "answered", "relayed", "pass")
"""Chains that exist once per family; their names end with the version."""


def exit_element(entry: str, out: str, *, neighbouring: bool) -> str:
    """The element of `exits` that lets marked packets pass from one device to another; whether the first has
    neighbours that are remembered is known here, so that no packet into a tunnel is asked.
    """
    into_tunnel = HEARD if neighbouring else load.CHAIN
    chain = into_tunnel if out.startswith(TUN_PREFIXES) else THROUGH
    return f"{element.join(element.quote(entry), element.quote(out))} : goto {chain}"


def _services(ip: str, version: int) -> str:
    """Flows that public rules have translated, both directions, as long as their rule and address stand.

    `ways` leads to `outward` where the policy denies networks behind the output device, else to `inward`.
    """
    key = f"ct original {ip} daddr . ct original protocol . ct original proto-dst"
    return f"""\
  chain service{version} {{
    meta l4proto {{ 6, 17 }} {key} @published{version} goto {THROUGH}
    meta l4proto {{ 6, 17 }} {key} . ct original {ip} saddr @published_from{version} goto {THROUGH}
    ct state related meta l4proto {{ 1, 58 }} goto {THROUGH}
  }}
  chain inward{version} {{
    ct original {ip} daddr @owned{version} jump service{version}
  }}
  chain outward{version} {{
    {_denied(ip, version)}
    goto inward{version}
  }}
"""


def _denied(ip: str, version: int) -> str:
    return f"ct direction original oifname . {ip} daddr @denied{version} counter name drop_denied drop"


def rules(version: int) -> str:
    """Flows translated toward a server that the policy still names, and their way back; routed networks, the
    internet, public services. Conntrack translates, it never permits: a packet of an established flow passes
    only as long as the sets still name what let it in.

    Servers of tunnels and who comes to them are nobody's neighbours (`Policy.neighbours`).
    """
    ip, errors = _FAMILIES[version]
    devices = "iifname . oifname"
    there = f"oifname . {ip} daddr . udp dport @servers{version}"
    back = f"iifname . {ip} saddr . udp sport @servers{version}"
    related = f"ct status snat ct state related meta l4proto {{ 1, 58 }} goto {THROUGH}"
    return f"""\
{_services(ip, version)}\
  chain translated{version} {{
    {devices} vmap @ways{version}
    ct direction original {there} accept
    ct direction reply {back} accept
  }}
  chain opened{version} {{
    ct direction original ct status snat goto {THROUGH}
    ct state new goto {THROUGH}
    {related}
  }}
  chain answered{version} {{
    ct direction reply ct status snat goto {THROUGH}
    {related}
  }}
  chain relayed{version} {{
    iifname != @inside oifname != @inside return
    jump error{version}
    goto {THROUGH}
  }}
  chain pass{version} {{
    ct status dnat jump translated{version}
    {_denied(ip, version)}
    {devices} @forward_any{version} goto {THROUGH}
    {devices} @internet{version} jump opened{version}
    {devices} @returning{version} jump answered{version}
    {errors} {devices} . {ip} saddr @error_source{version} goto {REPORTED}
    {errors} {devices} . {ip} daddr @error_destination{version} goto {REPORTED}
    {errors} {devices} @error_any{version} goto {REPORTED}
    ct status dnat ct state related meta l4proto {{ 1, 58 }} goto relayed{version}
  }}
"""
