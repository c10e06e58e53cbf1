"""What is the same in every ruleset: tables, chains, sets, counters and the rules that consult the sets.

Read it as the appliance's law of packets: nothing enters, is answered or passes unless a set names it.
Every drop is counted by its reason. Extended flows are not tracked, so that no amount of replica traffic can
fill the connection table, and no lost state can cut a failed-over VM off.
"""

from __future__ import annotations

from typing import Final

TABLE: Final = "causeway"

COUNTERS: Final = (
    "drop_spoofed",
    "drop_flood",
    "drop_management",
    "drop_unpublished",
    "drop_input",
    "drop_denied",
    "drop_forward",
)
"""Named counters of the inet table, one per reason. Names are stable: metrics and `explain` read them."""
ARP_COUNTER: Final = "drop_arp"
"""Named counter of the arp table."""

FLOW_TIMEOUT: Final = "5m"
"""An admitted flow that is silent this long is forgotten; OpenVPN pings every second."""
FLOW6_TIMEOUT: Final = "1h"
"""Lifetime of an IPv6 flow's translation. nft 1.0.6 has no registers left to refresh it from the packet; a
live flow does not need it, connection tracking keeps its translation.
"""
FIRST_PACKETS: Final = "10/second burst 20 packets"
"""First packets of unknown flows accepted per source address; many tenants may share one address (NAT)."""
ECHOES: Final = "50/second burst 100 packets"

PUBLIC_PORTS: Final = 131_072
"""Ports that all public rules of a family may have. A set that says its size is a table of fixed buckets: it
takes 100,000 elements in a third of the time, and a dump of it is whole, whatever was added a moment ago.
"""

FORWARD_SHAPES: Final = (
    "forward_source",
    "forward_destination",
    "forward_pair",
    "forward_any",
    "error_source",
    "error_destination",
    "error_pair",
    "error_any",
    "extended_source",
    "extended_destination",
)


def _family_sets(version: int) -> dict[str, str]:
    address = f"ipv{version}_addr"
    devices = "ifname . ifname"
    kinds = {
        "sources": f"type ifname . {address}; flags interval",
        "doors": f"type ifname . {address} . {address} . inet_service; flags interval",
        "listeners": f"type ifname . {address} . inet_proto . inet_service",
        "echoes": f"type ifname . {address}",
        "relay": f"type {address} . inet_service",
        "servers": f"type ifname . {address} . inet_service",
        **{f"{kind}_source": f"type {devices} . {address}" for kind in ("forward", "error")},
        **{f"{kind}_destination": f"type {devices} . {address}" for kind in ("forward", "error")},
        **{f"{kind}_pair": f"type {devices} . {address} . {address}" for kind in ("forward", "error")},
        **{f"{kind}_any": f"type {devices}" for kind in ("forward", "error")},
        "extended_source": f"type ifname . {address}",
        "extended_destination": f"type ifname . {address}",
        "owned": f"type {address}",
        "internet": f"type {devices}",
        "returning": f"type {devices}",
        "sourced": f"type {devices}",
        "denied": f"type ifname . {address}; flags interval",
        "foreign": f"type ifname . {address}; flags interval",
        "entrances": "type ifname : verdict",
        "ways": f"type {devices} : verdict",
    }
    return {f"{name}{version}": kind for name, kind in kinds.items()}


INET_SETS: Final = {
    "guarded": "type ifname",
    "inside": "type ifname",
    "management_ports": "type inet_service",
    "hairpins": "type ifname . ifname",
    **_family_sets(4),
    **_family_sets(6),
}
"""Static sets and maps by name: flushed and filled at every load."""

ARP_SETS: Final = {
    "guarded": "type ifname",
    "scopes": "type ifname . ipv4_addr; flags interval",
    "excluded": "type ifname . ipv4_addr",
    "askers": "type ifname . ipv4_addr",
    "held": "type ifname . ipv4_addr . ipv4_addr; flags interval",
}


def _dynamic_sets(version: int, suffix: str, *, mapped: str) -> str:
    flow = f"ipv{version}_addr . inet_service"
    kept = "flags dynamic,timeout; size 65536; timeout"
    return f"""\
  set known{suffix} {{ type {flow}; {kept} {FLOW_TIMEOUT}; }}
  map flows{suffix} {{ type {flow} : {flow}; {kept} {mapped}; }}
  set tries{suffix} {{ type ipv{version}_addr; {kept} 1m; }}
"""


FILLED_BY_RULES: Final = frozenset(
    f"{name}{version}"
    for name in ("public", "public_from", "published", "published_from", "source")
    for version in (4, 6)
)
"""Maps and sets of the inet table that the table of public rules fills; no load of a policy touches them."""


def _rule_sets(version: int) -> str:
    """What the table of public rules fills. The `from` ones hold rules with sources; `source` an internal
    address's own public one.
    """
    address = f"ipv{version}_addr"
    key = f"{address} . inet_proto . inet_service"
    to = f"{address} . inet_service"
    return f"""\
  map public{version} {{ type {key} : {to}; size {PUBLIC_PORTS}; }}
  map public_from{version} {{ type {key} . {address} : {to}; flags interval; }}
  set published{version} {{ type {key}; size {PUBLIC_PORTS}; counter; }}
  set published_from{version} {{ type {key} . {address}; flags interval; counter; }}
  map source{version} {{ type {address} : {address}; size {PUBLIC_PORTS}; }}
"""


_CHAINS: Final = (
    *("origin", "door", "stranger", "untrack", "inside", "outside", "everything", "screen"),
    *("publish", "service", "inward", "outward", "translated", "extended", "opened", "answered", "pass"),
)
"""Chains that exist once per family; their names end with the version."""

INET_DECLARATIONS: Final = (
    "".join(f"  counter {name} {{ }}\n" for name in COUNTERS)
    + _dynamic_sets(4, "", mapped=FLOW_TIMEOUT)
    + _dynamic_sets(6, "6", mapped=FLOW6_TIMEOUT)
    + _rule_sets(4)
    + _rule_sets(6)
    + """\
  chain identity { }
"""
    + "".join(f"  chain {name}{version} {{ }}\n" for name in _CHAINS for version in (4, 6))
    + """\
  chain screen { type filter hook prerouting priority raw; policy accept; }
  chain admit { type nat hook prerouting priority dstnat; policy accept; }
  chain input { type filter hook input priority filter; policy drop; }
  chain forward { type filter hook forward priority filter; policy drop; }
  chain leave { type nat hook postrouting priority srcnat; policy accept; }
"""
)

ARP_DECLARATIONS: Final = f"""\
  counter {ARP_COUNTER} {{ }}
  chain answer {{ }}
  chain input {{ type filter hook input priority filter; policy accept; }}
"""

ARP_RULES: Final = f"""\
  chain answer {{
    iifname . arp saddr ip . arp daddr ip @held return
    iifname . arp saddr ip @askers iifname . arp daddr ip @scopes iifname . arp daddr ip != @excluded return
    counter name {ARP_COUNTER} drop
  }}
  chain input {{
    iifname @guarded arp operation request jump answer
  }}
"""

_ERRORS4: Final = "destination-unreachable, time-exceeded, parameter-problem"
_ERRORS6: Final = "destination-unreachable, packet-too-big, time-exceeded, parameter-problem"
_FLOW4: Final = f"ip saddr . udp sport timeout {FLOW_TIMEOUT} : ip daddr . udp dport"
_NEIGHBOURS: Final = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255"


def inet_rules(identity: str) -> str:
    """The rules of the inet table; `identity` is the digest that the table carries.

    Link-local and unspecified sources are never forwarded (RFC 4291, 2.5.2 and 2.5.6): what they may say is
    for `input` to decide. Families part at once, then devices by what is to be asked of them (`entrances`),
    then extended packets, which are untracked, from translated ones: each lookup that a packet is spared is
    throughput.
    """
    return f"""\
  chain identity {{
    return comment "policy {identity}"
  }}
  chain origin4 {{
    iifname . ip saddr @sources4 return
    counter name drop_spoofed drop
  }}
  chain origin6 {{
    iifname . ip6 saddr @sources6 return
    ip6 saddr {{ ::, fe80::/10 }} return
    counter name drop_spoofed drop
  }}
{_door("ip", 4, "")}{_door("ip6", 6, "6")}{_screen("ip", 4)}{_screen("ip6", 6)}\
{_publish("ip", 4)}{_publish("ip6", 6)}\
  chain screen {{
    meta nfproto ipv4 goto screen4
    meta nfproto ipv6 goto screen6
  }}
  chain admit {{
    ip daddr . udp dport @relay4 dnat ip to ip saddr . udp sport map @flows
    ip6 daddr . udp dport @relay6 dnat ip6 to ip6 saddr . udp sport map @flows6
    ip daddr @owned4 goto publish4
    ip6 daddr @owned6 goto publish6
  }}
  chain input {{
    iifname "lo" accept
    iifname . ip daddr . ip saddr . tcp dport @doors4 accept
    iifname . ip6 daddr . ip6 saddr . tcp dport @doors6 accept
    tcp dport @management_ports counter name drop_management drop
    iifname != @guarded ct state established,related accept
    {_NEIGHBOURS} accept
    iifname @guarded icmp type {{ echo-reply, {_ERRORS4} }} accept
    iifname @guarded icmpv6 type {{ echo-reply, {_ERRORS6} }} accept
    iifname . ip daddr . meta l4proto . th dport @listeners4 accept
    iifname . ip6 daddr . meta l4proto . th dport @listeners6 accept
    iifname . ip daddr @echoes4 icmp type echo-request limit rate {ECHOES} accept
    iifname . ip6 daddr @echoes6 icmpv6 type echo-request limit rate {ECHOES} accept
    meta l4proto {{ 6, 17 }} ip daddr @owned4 counter name drop_unpublished drop
    meta l4proto {{ 6, 17 }} ip6 daddr @owned6 counter name drop_unpublished drop
    counter name drop_input
  }}
{_passes("ip", 4, errors=f"icmp type {{ {_ERRORS4} }}", refresh=f"update @flows {{ {_FLOW4} }} ")}\
{_passes("ip6", 6, errors=f"icmpv6 type {{ {_ERRORS6} }}", refresh="")}\
  chain forward {{
    meta nfproto ipv4 jump pass4
    meta nfproto ipv6 jump pass6
    counter name drop_forward
  }}
  chain leave {{
    oifname @inside ct status dnat masquerade
    iifname . oifname @hairpins ct status dnat masquerade
    iifname . oifname @sourced4 snat ip to ip saddr map @source4
    iifname . oifname @sourced6 snat ip6 to ip6 saddr map @source6
    meta nfproto ipv4 iifname . oifname @internet4 masquerade
    meta nfproto ipv6 iifname . oifname @internet6 masquerade
  }}
"""


def _door(ip: str, version: int, suffix: str) -> str:
    """Known flows stay known while they speak; of others, only so many per source reach the filter."""
    flow = f"{ip} saddr . udp sport"
    return f"""\
  chain door{version} {{
    {flow} @known{suffix} update @known{suffix} {{ {flow} timeout {FLOW_TIMEOUT} }} return
    update @tries{suffix} {{ {ip} saddr limit rate over {FIRST_PACKETS} }} counter name drop_flood drop
    notrack
  }}
"""


def _screen(ip: str, version: int) -> str:
    """Sources that are lies, flows that are not tracked; `ruleset` decides which of it a device is asked.

    A controller may live in a network that production has too; it is no stranger at its door.
    """
    return f"""\
  chain stranger{version} {{
    iifname . {ip} daddr . {ip} saddr . tcp dport @doors{version} return
    counter name drop_spoofed drop
  }}
  chain untrack{version} {{
    iifname . {ip} daddr @extended_destination{version} notrack accept
    iifname . {ip} saddr @extended_source{version} notrack accept
  }}
  chain inside{version} {{
    jump origin{version}
    goto untrack{version}
  }}
  chain outside{version} {{
    iifname . {ip} saddr @foreign{version} goto stranger{version}
  }}
  chain everything{version} {{
    iifname @guarded jump origin{version}
    jump untrack{version}
    iifname . {ip} saddr @foreign{version} goto stranger{version}
    {ip} daddr . udp dport @relay{version} goto door{version}
  }}
  chain screen{version} {{
    iifname vmap @entrances{version}
    {ip} daddr . udp dport @relay{version} goto door{version}
  }}
"""


def _publish(ip: str, version: int) -> str:
    """Public rules, for packets to an address that is owned. What a management door takes is never
    translated, nor is SSH's port, whatever the table of rules says: no rule can lock the appliance up.
    """
    key = f"{ip} daddr . meta l4proto . th dport"
    return f"""\
  chain publish{version} {{
    tcp dport 22 return
    iifname . {ip} daddr . {ip} saddr . tcp dport @doors{version} return
    meta l4proto {{ 6, 17 }} dnat {ip} to {key} map @public{version}
    meta l4proto {{ 6, 17 }} dnat {ip} to {key} . {ip} saddr map @public_from{version}
  }}
"""


def _services(ip: str, version: int) -> str:
    """Flows that public rules have translated, both directions, as long as their rule and address stand.

    `ways` leads to `outward` where the policy denies networks behind the output device, else to `inward`.
    """
    key = f"ct original {ip} daddr . ct original protocol . ct original proto-dst"
    return f"""\
  chain service{version} {{
    meta l4proto {{ 6, 17 }} {key} @published{version} accept
    meta l4proto {{ 6, 17 }} {key} . ct original {ip} saddr @published_from{version} accept
    ct state related meta l4proto {{ 1, 58 }} accept
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


def _passes(ip: str, version: int, *, errors: str, refresh: str) -> str:
    """Extended flows; flows translated toward a server that the policy still names, and their way back;
    routed networks, the internet, public services. Conntrack translates, it never permits: a packet of an
    established flow passes only as long as the sets still name what let it in.
    """
    devices = "iifname . oifname"
    shapes = {
        "source": f"{devices} . {ip} saddr",
        "destination": f"{devices} . {ip} daddr",
        "pair": f"{devices} . {ip} saddr . {ip} daddr",
    }
    extended = "".join(f"    {key} @forward_{shape}{version} accept\n" for shape, key in shapes.items())
    said = "".join(
        f"    {errors} {key} @error_{shape}{version} accept\n"
        for shape, key in {**shapes, "any": devices}.items()
    )
    there = f"oifname . {ip} daddr . udp dport @servers{version}"
    back = f"iifname . {ip} saddr . udp sport @servers{version}"
    related = "ct status snat ct state related meta l4proto { 1, 58 } accept"
    return f"""\
{_services(ip, version)}\
  chain extended{version} {{
{extended}\
  }}
  chain translated{version} {{
    {devices} vmap @ways{version}
    ct direction original {there} {refresh}accept
    ct direction reply {back} accept
  }}
  chain opened{version} {{
    ct direction original ct status snat accept
    ct state new accept
    {related}
  }}
  chain answered{version} {{
    ct direction reply ct status snat accept
    {related}
  }}
  chain pass{version} {{
    ct state untracked jump extended{version}
    ct status dnat jump translated{version}
    {_denied(ip, version)}
    {devices} @forward_any{version} accept
    {devices} @internet{version} jump opened{version}
    {devices} @returning{version} jump answered{version}
{said}\
    ct status dnat ct state related meta l4proto {{ 1, 58 }} iifname @inside accept
    ct status dnat ct state related meta l4proto {{ 1, 58 }} oifname @inside accept
  }}
"""
