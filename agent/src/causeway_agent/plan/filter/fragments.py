"""Fragments: only those that a flow of ours needs are ever waited for; all others go before reassembly.

Whoever tracks connections puts datagrams together first (net/ipv4/netfilter/nf_defrag_ipv4.c, priority -400),
out of one store for the whole machine: a few incomplete datagrams a second, from anywhere to anywhere, would
fill it, and then everybody's large datagrams are lost. So this chain comes before.

Fragments of extended flows pass as they are, untracked: nothing waits for them here. Of the others the first
one, which carries the ports, decides: those of a tunnel's two ends are awaited, and where packets are
translated, or an echo may be answered, each sender has a ration. Later ones pass when their datagram is
awaited. An overlap inside an awaited datagram throws it away in the kernel (RFC 5722; RFC 1858 for IPv4).

A sender's name is a word: a machine that sends under many would take every place there is. So names that its
device may not send under are refused here already, each device has a ration for all names together, no device
can fill the places alone, and a tunnel's two ends have places that nobody else takes. Nor are the fragments
of one awaited datagram without number: each takes near 1 KiB of the kernel's store, were it of 8 octets.
"""

from __future__ import annotations

from typing import Final

from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.reassembly import AWAITED, AWAITED_OF_TUNNELS, WAIT

COUNTERS: Final = ("drop_fragment",)

RATION: Final = "1000/second burst 400 packets"
"""Fragmented datagrams per source address, where any source may send some: 65 Mbit/s of 8 KiB each."""
DEVICE_RATION: Final = "3000/second burst 1000 packets"
"""The same of all sources of one device: half of the places, in the time that they are kept."""
TUNNEL_RATION: Final = "7000/second burst 1000 packets"
"""The same between the ends of a tunnel: bridged frames of full size come in two, so these are 80 Mbit/s.
Less than half of the places, in the time that they are kept.
"""
PARTS: Final = "17500/second burst 3000 packets"
"""Fragments behind the first of all datagrams of one source: 200 Mbit/s of full size..."""
DEVICE_PARTS: Final = "20000/second burst 3000 packets"
"""...and of all sources of one device, but for the ends of tunnels: a flood of them does not fill the store
in the time that they are kept, were each of full size (2.3 KiB there).
"""

CHAINS: Final = ("fragments", "ration", "tunnel", "later", "part")
"""Chains that exist once per family; their names end with the version."""

SETS: Final = {
    "assembling": "type ifname",
    "remotes4": "type ipv4_addr . inet_service",
    "remotes6": "type ipv6_addr . inet_service",
}
"""Static sets: devices between which packets are translated, and the gateways of a tenant's tunnel."""

TAUGHT: Final = frozenset(
    f"{name}{version}"
    for name in ("awaited", "rationed", "crossing", "trailing", "parted", "relaying", "parts")
    for version in (4, 6)
)
"""Sets that packets fill: no load of a policy empties them."""


def _declared(version: int, key: str) -> str:
    kept = "flags dynamic,timeout; size"
    return f"""\
  set awaited{version} {{ typeof {key}; {kept} {AWAITED}; timeout {WAIT}s; }}
  set parted{version} {{ typeof {key}; {kept} {AWAITED_OF_TUNNELS}; timeout {WAIT}s; }}
  set rationed{version} {{ type ipv{version}_addr; {kept} 65536; timeout 10s; }}
  set crossing{version} {{ type ifname; {kept} 128; timeout 10s; }}
  set trailing{version} {{ type ifname; {kept} 128; timeout 10s; }}
  set parts{version} {{ type ipv{version}_addr; {kept} 16384; timeout 10s; }}
  set relaying{version} {{ type ipv{version}_addr; {kept} 65536; timeout 10s; }}
"""


_KEYS: Final = {4: "ip saddr . ip daddr . ip id", 6: "ip6 saddr . ip6 daddr . frag id"}

DECLARATIONS: Final = (
    _declared(4, _KEYS[4])
    + _declared(6, _KEYS[6])
    + "  chain fragments { type filter hook prerouting priority -450; policy accept; }\n"
)

_DROP: Final = "counter name drop_fragment drop"


def _rationed(whom: str, rate: str) -> str:
    return f"{{ {whom} limit rate over {rate} }} {_DROP}"


def _rules(version: int, *, suffix: str, whole: str, later: str) -> str:
    ip, icmp = ("ip6", "icmpv6") if suffix else ("ip", "icmp")
    key = _KEYS[version]
    return f"""\
  chain ration{version} {{
    iifname @guarded jump origin{version}
    update @rationed{version} {_rationed(f"{ip} saddr", RATION)}
    update @crossing{version} {_rationed("iifname", DEVICE_RATION)}
    update @awaited{version} {{ {key} }} accept
    {_DROP}
  }}
  chain tunnel{version} {{
    update @relaying{version} {_rationed(f"{ip} saddr", TUNNEL_RATION)}
    update @parted{version} {{ {key} }} accept
    {_DROP}
  }}
  chain later{version} {{
    update @parts{version} {_rationed(f"{ip} saddr", PARTS)}
    update @trailing{version} {_rationed("iifname", DEVICE_PARTS)}
    accept
  }}
  chain part{version} {{
    update @parts{version} {_rationed(f"{ip} saddr", PARTS)}
    accept
  }}
  chain fragments{version} {{
    {whole} return
    iifname "lo" return
    {key} @awaited{version} goto later{version}
    {key} @parted{version} goto part{version}
    iifname . {ip} daddr @forward_destination{version} notrack accept
    iifname . {ip} saddr @forward_source{version} fib daddr type != local notrack accept
    {later} {_DROP}
    {ip} daddr . udp dport @relay{version} {ip} saddr . udp sport @known{suffix} goto tunnel{version}
    {ip} daddr . udp dport @relay{version} {_DROP}
    iifname . {ip} saddr . udp sport @servers{version} goto tunnel{version}
    {ip} saddr . udp sport @remotes{version} goto tunnel{version}
    iifname . {ip} daddr . meta l4proto . udp dport @listeners{version} goto tunnel{version}
    iifname . {ip} daddr @echoes{version} {icmp} type echo-request goto ration{version}
    iifname @assembling goto ration{version}
    {_DROP}
  }}
"""


RULES: Final = (
    _rules(4, suffix="", whole="ip frag-off & 0x3fff == 0", later="ip frag-off & 0x1fff != 0")
    + _rules(6, suffix="6", whole="exthdr frag missing", later="frag frag-off != 0")
    + """\
  chain fragments {
    meta nfproto ipv4 goto fragments4
    meta nfproto ipv6 goto fragments6
  }
"""
)
"""A full set refuses: `update` does not match where it finds no room, and the next rule drops."""


def elements(policy: Policy) -> dict[str, list[str]]:
    """What the sets are filled with."""
    translating = {device for way in policy.ways for device in (way.input_device, way.output_device)}
    translating |= {device for way in policy.internet for device in (way.input_device, way.output_device)}
    translating |= {
        forward.input_device
        for forward in policy.forwards
        if forward.source is None and forward.destination is None and not forward.errors_only
    }
    remotes = {
        f"remotes{version}": [
            f"{address} . {port}" for address, port in policy.remotes if address.version == version
        ]
        for version in (4, 6)
    }
    return {"assembling": [f'"{device}"' for device in translating], **remotes}
