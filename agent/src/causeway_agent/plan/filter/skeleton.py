"""What is the same in every ruleset: tables, chains, sets, counters and the rules that consult the sets.

Read it as the appliance's law of packets: nothing enters, is answered or passes unless a set names it.
Every drop is counted by its reason. Extended flows are not tracked, so that no amount of replica traffic can
fill the connection table, and no lost state can cut a failed-over VM off.

Each packet is asked once, where it enters, whether it is of an extended flow; the answer is its mark, and
`forward` asks no more than the mark and the way out (`ruleset_passing`).
"""

from __future__ import annotations

from typing import Final

from causeway_agent.plan.filter import door, echo, fragments, load, neighbours, passing, shares, told_errors
from causeway_agent.plan.filter import path as ruleset_path
from causeway_wire.public_rules import PORTS, TARGETS

TABLE: Final = "causeway"

COUNTERS: Final = (
    "drop_spoofed",
    "drop_flood",
    "drop_stranger",
    "drop_management",
    "drop_unpublished",
    "drop_input",
    "drop_denied",
    "drop_forward",
    *neighbours.COUNTERS,
    *fragments.COUNTERS,
    *ruleset_path.COUNTERS,
    *told_errors.COUNTERS,
    *shares.COUNTERS,
    *load.COUNTERS,
)
"""Named counters of the inet table, one per reason. Names are stable: metrics and `explain` read them."""

PUBLIC_PORTS: Final = PORTS
"""Ports that all public rules of a family may have."""
_BUCKETED: Final = 24_576
"""What their sets are made for. A set that says its size is a table of fixed buckets, made at once: it takes
100,000 elements in a third of the time that one takes which grows, and a dump of it is whole, whatever was
added a moment ago. For this size the table has 32,768 buckets and 0.5 MiB, for `PUBLIC_PORTS` it had 4 MiB,
and four of those were an eighth of what a small appliance uses. What a set may hold is raised afterwards
(nf_tables_newset, Linux 6.6 and later; one before refuses elements beyond); buckets of a full one hold four.
"""

FORWARD_SHAPES: Final = (
    "forward_source",
    "forward_destination",
    "forward_any",
    "error_source",
    "error_destination",
    "error_any",
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
        "unnamed": f"type {address} . inet_service",
        "servers": f"type ifname . {address} . inet_service",
        "peers": f"type ifname . {address} . {address}",
        "forward_source": f"type ifname . {address}",
        "forward_destination": f"type ifname . {address}",
        "forward_any": f"type {devices}",
        "error_source": f"type {devices} . {address}",
        "error_destination": f"type {devices} . {address}",
        "error_any": f"type {devices}",
        "owned": f"type {address}",
        "internet": f"type {devices}",
        "returning": f"type {devices}",
        "sourced": f"type {devices}",
        "denied": f"type ifname . {address}; flags interval",
        "foreign": f"type {address}; flags interval",
        "entrances": "type ifname : verdict",
        "ways": f"type {devices} : verdict",
    }
    return {f"{name}{version}": kind for name, kind in kinds.items()}


INET_SETS: Final = {
    "guarded": "type ifname",
    "inside": "type ifname",
    "management_ports": "type inet_service",
    "hairpins": "type ifname . ifname",
    "exits": "type ifname . ifname : verdict",
    "key_tags": door.KEY_TAGS,
    "outside": "type ifname",
    **_family_sets(4),
    **_family_sets(6),
    **neighbours.SETS,
    **fragments.SETS,
    **ruleset_path.SETS,
    **shares.SETS,
}
"""Static sets and maps by name: flushed and filled at every load."""


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
    plain = "".join(
        f"""\
  map public{version} {{ type {key} : {to}; size {size}; }}
  set published{version} {{ type {key}; size {size}; counter; }}
"""
        for size in (_BUCKETED, PUBLIC_PORTS)
    )
    return f"""\
{plain}\
  map public_from{version} {{ type {key} . {address} : {to}; flags interval; }}
  set published_from{version} {{ type {key} . {address}; flags interval; counter; }}
  map source{version} {{ type {address} : {address}; size {TARGETS}; }}
"""


_CHAINS: Final = (
    *door.CHAINS,
    *("origin", "stranger", "by_source", "by_destination", "outside", "everything", "screen"),
    *("publish", *passing.CHAINS, *echo.CHAINS, *told_errors.CHAINS),
    *(*fragments.CHAINS, *ruleset_path.CHAINS),
)
"""Chains that exist once per family; their names end with the version."""

INET_DECLARATIONS: Final = (
    "".join(f"  counter {name} {{ }}\n" for name in COUNTERS)
    + neighbours.DECLARATIONS
    + door.declarations(4)
    + door.declarations(6)
    + door.DECLARATIONS
    + _rule_sets(4)
    + _rule_sets(6)
    + echo.DECLARATIONS
    + told_errors.DECLARATIONS
    + fragments.DECLARATIONS
    + ruleset_path.DECLARATIONS
    + shares.DECLARATIONS
    + load.DECLARATIONS
    + """\
  chain identity { }
"""
    + "".join(f"  chain {name} {{ }}\n" for name in (passing.THROUGH, passing.HEARD, passing.REPORTED))
    + "".join(f"  chain {name}{version} {{ }}\n" for name in _CHAINS for version in (4, 6))
    + """\
  chain screen { type filter hook prerouting priority raw; policy accept; }
  chain admit { type nat hook prerouting priority dstnat; policy accept; }
  chain input { type filter hook input priority filter; policy drop; }
  chain forward { type filter hook forward priority filter; policy drop; }
  chain say { type filter hook output priority raw; policy accept; }
  chain leave { type nat hook postrouting priority srcnat; policy accept; }
"""
)


_TCP: Final = "meta l4proto 6"


def carried(digest: str) -> str:
    """The rule by which the inet table carries the digest of its policy, in chain `identity`."""
    return f'return comment "policy {digest}"'


def inet_rules(identity: str) -> str:
    """The rules of the inet table; `identity` is the digest that the table carries.

    Link-local and unspecified sources are never forwarded (RFC 4291, 2.5.2 and 2.5.6): what they may say is
    for `input` to decide. A mark that a packet brings along counts for nothing. Families part at once, then
    devices by what is to be asked of them (`entrances`), then extended packets, which are untracked, from
    translated ones: each lookup that a packet is spared is throughput.
    """
    return f"""\
  chain identity {{
    {carried(identity)}
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
{door.RULES}{door.rules(4)}{door.rules(6)}{_screen("ip", 4)}{_screen("ip6", 6)}\
{_publish("ip", 4)}{_publish("ip6", 6)}{echo.RULES}{told_errors.RULES}{neighbours.RULES}\
{fragments.RULES}{ruleset_path.RULES}{shares.RULES}{load.rules(load.COUNTERS[0])}\
  chain screen {{
    meta mark set 0
    meta nfproto ipv4 goto screen4
    meta nfproto ipv6 goto screen6
  }}
  chain admit {{
    {shares.ADMIT}
    {neighbours.ADMIT}
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
    {echo.JUMP}
    iifname != @guarded ct state established,related accept
{neighbours.INPUT}{ruleset_path.INPUT}\
    iifname @guarded icmp type {{ {told_errors.ERRORS4} }} accept
    iifname @guarded icmpv6 type {{ {told_errors.ERRORS6} }} accept
    iifname . ip daddr . meta l4proto . th dport @listeners4 accept
    iifname . ip6 daddr . meta l4proto . th dport @listeners6 accept
    meta l4proto {{ 6, 17 }} ip daddr @owned4 counter name drop_unpublished drop
    meta l4proto {{ 6, 17 }} ip6 daddr @owned6 counter name drop_unpublished drop
    counter name drop_input
  }}
{passing.rules(4)}{passing.rules(6)}\
  chain {passing.THROUGH} {{
{neighbours.THROUGH}\
    accept
  }}
  chain {passing.HEARD} {{
    {neighbours.HEARD}
    goto {load.CHAIN}
  }}
  chain {passing.REPORTED} {{
    oifname @neighbouring goto {passing.THROUGH}
    iifname @neighbouring goto {passing.HEARD}
    goto {load.CHAIN}
  }}
  chain forward {{
    {ruleset_path.SEGMENT}
    {passing.MARKED}
    meta nfproto ipv4 jump pass4
    meta nfproto ipv6 jump pass6
    counter name drop_forward
  }}
  chain say {{
    {neighbours.SAY}
    ip saddr . udp sport @relay4 notrack
    ip6 saddr . udp sport @relay6 notrack
    {_TCP} oifname . ip saddr . meta l4proto . tcp sport @listeners4 notrack
    {_TCP} oifname . ip6 saddr . meta l4proto . tcp sport @listeners6 notrack
{ruleset_path.SAY}\
  }}
  chain leave {{
    {shares.LEAVE}
    oifname @inside ct status dnat masquerade
    iifname . oifname @hairpins ct status dnat masquerade
    iifname . oifname @sourced4 snat ip to ip saddr map @source4
    iifname . oifname @sourced6 snat ip6 to ip6 saddr map @source6
    meta nfproto ipv4 iifname . oifname @internet4 masquerade
    meta nfproto ipv6 iifname . oifname @internet6 masquerade
  }}
"""


def _screen(ip: str, version: int) -> str:
    """Sources that are lies, flows that are not tracked; `ruleset` decides which of it a device is asked.

    A replica's address is one that its device may send from, so whoever has one is not asked further. A
    controller may live in a network that production has too; it is no stranger at its door.

    Connections to our own services are let in packet by packet (`input`), so they are not tracked either:
    whoever completes a handshake and falls silent would keep a place in the table for five days, whatever the
    service behind thinks of it, and at a gateway a full table lets in no new tunnel.
    """
    by_source = f"notrack meta mark set {passing.BY_SOURCE} accept"
    by_destination = f"notrack meta mark set {passing.BY_DESTINATION} accept"
    listened = f"{_TCP} iifname . {ip} daddr . meta l4proto . tcp dport @listeners{version} notrack"
    return f"""\
  chain stranger{version} {{
    iifname . {ip} daddr . {ip} saddr . tcp dport @doors{version} return
    counter name drop_spoofed drop
  }}
  chain by_source{version} {{
    iifname . {ip} saddr @forward_source{version} {by_source}
    goto origin{version}
  }}
  chain by_destination{version} {{
    iifname . {ip} daddr @forward_destination{version} {by_destination}
  }}
  chain outside{version} {{
    {ip} saddr @foreign{version} goto stranger{version}
  }}
  chain everything{version} {{
    iifname @guarded jump origin{version}
    iifname . {ip} saddr @forward_source{version} {by_source}
    iifname . {ip} daddr @forward_destination{version} {by_destination}
    iifname @outside {ip} saddr @foreign{version} goto stranger{version}
    {ip} daddr . udp dport @relay{version} goto door{version}
    {listened}
  }}
  chain screen{version} {{
    iifname vmap @entrances{version}
    {ip} daddr . udp dport @relay{version} goto door{version}
    {listened}
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
