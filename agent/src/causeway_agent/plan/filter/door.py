"""The gateway's UDP door in the packet filter: which datagrams of unknown flows its first-packet filter sees.

A first packet (OpenVPN's P_CONTROL_HARD_RESET_CLIENT_V3) carries its wrapped tls-crypt-v2 key in clear behind
54 octets: opcode (1), session (8), number and time (8), tag (32), an empty acknowledgement list (1) and a
message number (4). The key starts with its own tag, 32 octets that nobody guesses. The kernel compares half
of it with the keys that the document names: what a stranger makes up ends here, whatever its rate.

Sources can be forged, so a budget per source may not be what keeps the owner of a key out: beyond it packets
compete with others of the same key only. Every rule lets through what is within a budget and never what is
not above one: where a set is full, strangers wait. Known flows are asked for first and need none of this.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

from causeway_agent.plan.filter.public_elements import Kind

FLOW_TIMEOUT: Final = "5m"
"""An admitted flow that is silent this long is forgotten; OpenVPN pings every second."""
FIRST_PACKETS: Final = "10/second burst 20 packets"
"""First packets per source, an IPv4 address or an IPv6 /64; many tenants may share one address (NAT)."""
OF_ONE_KEY: Final = "4000/second burst 200 packets"
"""First packets with one key, from sources within their budget; as many again from the others together."""
QUESTIONS: Final = "200/second burst 200 packets"
"""Questions with one key whether the line is good."""
UNNAMED: Final = "100/second burst 100 packets"
"""First packets with keys that the document does not name, where it names none for some tunnel."""
OF_ONE_FLOW: Final = "20/second burst 10 packets"
"""Data packets of one unknown flow, from near an address that has a tunnel."""
NEAR_A_TUNNEL: Final = "1000/second burst 500 packets"
"""Data packets of unknown flows from one neighbourhood."""
IN_ALL: Final = "16000/second burst 1000 packets"
"""Packets of each kind, as many as the agent can look at beside its other work."""

HOMES: Final = {4: 24, 6: 56}
"""Bits of an address that tell a neighbourhood: a provider's NAT and a site's leases move within it."""

_TAG: Final = "@th,496,128"
_OPCODE: Final = "@th,64,5"
_FIRST_PACKET, _DATA = 10, 9
"""P_CONTROL_HARD_RESET_CLIENT_V3 and P_DATA_V2 (openvpn/src/openvpn/ssl_pkt.h)."""
_QUESTION: Final = 31
"""Whether the line is good (`echo_message`); the wrapped key lies where a first packet has it."""
_BUDGETED: Final = "flags dynamic,timeout; size 65536; timeout 3s"
"""A budget that was left alone for 3 s is whole again: forgetting it changes nothing."""

KEY_TAGS: Final = f"typeof {_TAG}"
"""Kind of the set of known keys."""

ELEMENTS: Final[Mapping[str, Kind]] = {
    "flows": Kind(4 + 4, 4 + 4),
    "flows6": Kind(16 + 4, 16 + 4),
    "known": Kind(4 + 4, 0),
    "known6": Kind(16 + 4, 0),
    "homes": Kind(4, 0),
    "homes6": Kind(16, 0),
}
"""The sets that the first-packet filter fills, octets of their elements."""

CHAINS: Final = ("door", "knock", "stray", "near")
"""Once per family."""

DECLARATIONS: Final = f"""\
  set named {{ typeof {_TAG}; {_BUDGETED}; }}
  set crowded {{ typeof {_TAG}; {_BUDGETED}; }}
  set asking {{ typeof {_TAG}; {_BUDGETED}; }}
  chain named {{ }}
  chain asked {{ }}
  chain crowded {{ }}
"""

RULES: Final = f"""\
  chain named {{
    update @named {{ {_TAG} limit rate {OF_ONE_KEY} }} limit rate {IN_ALL} notrack return
    counter name drop_flood drop
  }}
  chain asked {{
    update @asking {{ {_TAG} limit rate {QUESTIONS} }} limit rate {IN_ALL} notrack return
    counter name drop_flood drop
  }}
  chain crowded {{
    update @crowded {{ {_TAG} limit rate {OF_ONE_KEY} }} limit rate {IN_ALL} notrack return
    counter name drop_flood drop
  }}
"""


def declarations(version: int) -> str:
    """Sets and maps of one family that packets and the first-packet filter fill.

    `known` forgets flows that are silent. `flows` and `homes` are kept by the filter: nft 1.0.6 has too few
    registers to refresh a map of IPv6 flows from the packet path, and a map that forgets a flow which `known`
    still holds would hand it to the filter, for ever, as connection tracking then remembers it.
    """
    suffix = suffix_of(version)
    address = f"ipv{version}_addr"
    flow = f"{address} . inet_service"
    return f"""\
  set known{suffix} {{ type {flow}; flags dynamic,timeout; size 65536; timeout {FLOW_TIMEOUT}; }}
  map flows{suffix} {{ type {flow} : {flow}; flags dynamic; size 65536; }}
  set homes{suffix} {{ type {address}; flags dynamic; size 65536; }}
  set tries{suffix} {{ type {address}; {_BUDGETED}; }}
  set strays{suffix} {{ type {flow}; {_BUDGETED}; }}
  set quarters{suffix} {{ type {address}; {_BUDGETED}; }}
"""


def rules(version: int) -> str:
    """Known flows stay known while they speak; of others, what can be meant and is within its budget."""
    suffix, ip = suffix_of(version), "ip" if version == 4 else "ip6"  # noqa: PLR2004
    flow = f"{ip} saddr . udp sport"
    home = f"{ip} saddr and {_mask(version, HOMES[version])}"
    source = f"{ip} saddr" if version == 4 else f"{ip} saddr and {_mask(version, 64)}"  # noqa: PLR2004
    return f"""\
  chain door{version} {{
    {flow} @known{suffix} update @known{suffix} {{ {flow} timeout {FLOW_TIMEOUT} }} return
    {_OPCODE} {_FIRST_PACKET} {_TAG} @key_tags goto knock{version}
    {_OPCODE} {_FIRST_PACKET} {ip} daddr . udp dport @unnamed{version} limit rate {UNNAMED} notrack return
    {_OPCODE} {_QUESTION} {_TAG} @key_tags goto asked
    {_OPCODE} {_QUESTION} {ip} daddr . udp dport @unnamed{version} limit rate {UNNAMED} notrack return
    {_OPCODE} {_DATA} {home} @homes{suffix} goto stray{version}
    counter name drop_stranger drop
  }}
  chain knock{version} {{
    update @tries{suffix} {{ {source} limit rate {FIRST_PACKETS} }} goto named
    goto crowded
  }}
  chain stray{version} {{
    update @strays{suffix} {{ {flow} limit rate {OF_ONE_FLOW} }} goto near{version}
    counter name drop_flood drop
  }}
  chain near{version} {{
    update @quarters{suffix} {{ {home} limit rate {NEAR_A_TUNNEL} }} limit rate {IN_ALL} notrack return
    counter name drop_flood drop
  }}
"""


def suffix_of(version: int) -> str:
    """What the names of this family's sets of flows end with."""
    return "" if version == 4 else "6"  # noqa: PLR2004


def key_tag(tag: str) -> str:
    """The element of `key_tags` for the tag of a wrapped key (hexadecimal)."""
    return f"0x{tag[:32]}"


def _mask(version: int, bits: int) -> str:
    if version == 4:  # noqa: PLR2004
        return str(ipaddress.ip_network((0, bits)).netmask)
    return str(ipaddress.IPv6Network((0, bits)).netmask)
