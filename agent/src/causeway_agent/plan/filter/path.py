"""What the size of a tunnel's path means for the filter: TCP is told it, ICMP about the tunnel is not heard.

A connection's two ends tell each other in their first packets what they can receive (RFC 9293, 3.7.1). What
goes into a tunnel is lowered to what the tunnel brings from there, what comes out to what it takes there;
the kernel never raises it. Established connections learn it from the MTU of the tunnel's routes.

A bridge cannot tell senders of datagrams, so what a bridged tunnel sends may be fragmented on the way, and
only the questions about the path are kept whole: OpenVPN copies the type of service of what is inside to the
outside (openvpn(8), `--passtos`), and it ends here, so that guests' stays inside. It ends first: a kernel may
refuse to write the field about fragments (Linux 7.3 does), and a rule ends where it is refused.

Anyone can forge ICMP that makes a path small (RFC 5927, 7), and what is true in it is found out by trying
anyway (`path_size`), up as well as down. So nothing that tells the appliance itself a size is heard, whatever
it quotes: of an echo's answer the kernel believes it without asking who sent that (net/ipv4/icmp.c, icmp_err;
net/ipv6/icmp.c, icmpv6_err), and from then on has every packet to that destination so small. What tells
those behind the appliance passes by on its way to them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from causeway_agent.plan.model.path_size import PORT, WHOLE
from causeway_agent.plan.model.policy import Clamp, Policy

_TCP: Final = {4: 40, 6: 60}
"""Octets of the IP and TCP headers by IP version."""
_DONT_FRAGMENT: Final = 0x4000
_SIDES: Final = ("entering", "leaving")

SETS: Final = {
    **{
        f"segment_{side}{version}": f"typeof {key} : tcp option maxseg size"
        for side, key in zip(_SIDES, ("iifname", "oifname"), strict=True)
        for version in (4, 6)
    },
    "fragmented_ports": "type inet_service",
    **{f"path_peers{version}": f"type ifname . ipv{version}_addr . ipv{version}_addr" for version in (4, 6)},
}
BRIDGE_SETS: Final = {name: kind for name, kind in SETS.items() if name.startswith("segment_")}

COUNTERS: Final = ("drop_size",)
CHAINS: Final = ("clamp",)
"""Chains that exist once per family; their names end with the version."""

DECLARATIONS: Final = """\
  chain segment { }
  chain whole { }
"""

TOLD: Final = {
    version: f"{kind} counter name drop_size drop"
    for version, kind in (
        (4, "icmp type destination-unreachable icmp code frag-needed"),
        (6, "icmpv6 type packet-too-big"),
    )
}
"""By IP version: of ICMP to the appliance itself."""

INPUT: Final = f"""\
    udp dport {PORT} iifname . ip daddr . ip saddr @path_peers4 accept
    udp dport {PORT} iifname . ip6 daddr . ip6 saddr @path_peers6 accept
"""
"""The far end's question, in chain `input`."""

SAY: Final = "".join(
    f"    meta nfproto ipv4 udp {end} @fragmented_ports goto whole\n" for end in ("sport", "dport")
)
"""Of chain `say`: what bridged tunnels send over IPv4, not yet in fragments. In IPv6 no router makes any."""

BRIDGE_DECLARATIONS: Final = """\
  chain clamp4 { }
  chain clamp6 { }
  chain segment { type filter hook forward priority -150; policy accept; }
"""

_OPENING: Final = "tcp flags & (syn | rst) == syn"
SEGMENT: Final = f"{_OPENING} jump segment"
"""Of chain `forward`, before anything is accepted."""


def _clamps(version: int) -> str:
    return f"""\
  chain clamp{version} {{
    tcp option maxseg size set iifname map @segment_entering{version}
    tcp option maxseg size set oifname map @segment_leaving{version}
  }}
"""


BRIDGE_RULES: Final = f"""\
{_clamps(4)}{_clamps(6)}\
  chain segment {{
    ether type ip {_OPENING} goto clamp4
    ether type ip6 {_OPENING} goto clamp6
  }}
"""


RULES: Final = f"""\
{_clamps(4)}{_clamps(6)}\
  chain segment {{
    meta nfproto ipv4 goto clamp4
    goto clamp6
  }}
  chain whole {{
    ip dscp {WHOLE >> 2} ip ecn {WHOLE & 3} ip dscp set 0 ip ecn set 0 ip frag-off set {_DONT_FRAGMENT} return
    ip dscp set 0 ip ecn set 0 ip frag-off set 0
  }}
"""


def elements(policy: Policy) -> dict[str, list[str]]:
    """What the sets of the inet table are filled with."""
    peers = {
        f"path_peers{version}": [
            f'"{one.device}" . {one.local} . {one.peer}'
            for one in policy.path_peers
            if one.local.version == version
        ]
        for version in (4, 6)
    }
    return {
        **segments(policy.clamps),
        "fragmented_ports": [str(port) for port in policy.fragmented],
        **peers,
    }


def segments(clamps: Iterable[Clamp]) -> dict[str, list[str]]:
    """Segment sizes by device and side."""
    filled: dict[str, list[str]] = {name: [] for name in BRIDGE_SETS}
    for clamp in clamps:
        for version, headers in _TCP.items():
            filled[f"segment_entering{version}"].append(f'"{clamp.device}" : {clamp.sends - headers}')
            filled[f"segment_leaving{version}"].append(f'"{clamp.device}" : {clamp.receives - headers}')
    return filled
