"""The bridge table: which frames may pass between the ports of a bridge that extends a network.

Every bridged frame of the appliance passes here and is dropped unless a set names it. The loop guard fills
`open` with the indices of tunnel ports; no load of a policy empties it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from causeway_agent.plan.filter import load
from causeway_agent.plan.model import path_size
from causeway_agent.plan.model.policy import BridgedNetwork

TABLE: Final = "causeway"
COUNTERS: Final = (
    *("drop_tagged", "drop_loop", "drop_crowd", "drop_storm", "drop_closed", "drop_bridge"),
    *load.BRIDGE_COUNTERS,
)
"""Named counters: frames with a tag, frames whose sender lives on the other side, frames of senders that
nobody has heard above the ration, group frames above the limit, frames while the loop guard keeps the bridge
closed, and all others that no set names.
"""
GROUP_FRAMES: Final = "200/second burst 200 packets"
"""Broadcast and multicast per direction: a thousand hosts' ARP fits, a storm does not."""
GROUP_FRAMES_OF_ONE: Final = "100/second burst 150 packets"
"""Of one source: what is left of the direction's is for the others."""
GROUP_FRAMES_OF_NEWCOMERS: Final = "50/second burst 100 packets"
"""Per direction, of senders that had not been heard before: not out of what the others have."""
NEWCOMERS_BURST: Final = 8192
NEWCOMERS_A_SECOND: Final = 10
"""Senders of a port that nobody heard before: a large segment's at once, then so many a second. The bridge
remembers each for 300 seconds and sets itself no limit, the OpenVPN server for `HEARD_SECONDS`.
"""
HEARD_SECONDS: Final = 3600
"""After its last frame: a machine that says nothing at all for longer has no connection to lose."""
HEARD: Final = NEWCOMERS_BURST + NEWCOMERS_A_SECOND * HEARD_SECONDS
"""Senders remembered of each side: as many as one port lets in, whoever forges how many; the sets are for all
bridges, and of who finds no room each frame takes a place among the newcomers.
"""
TAGS: Final = ("0x8100", "0x88a8", "0x88e7", "0x893f", "0x8926", "0x9100", "0x9200", "0x9300")
"""EtherTypes after which comes the name of another network: customer, service and backbone tags (IEEE 802.1Q,
9.6 and 9.7), E-TAG (IEEE 802.1BR), VN-TAG, and what switches used for the outer tag before 802.1ad.
"""
GUARD: Final = "0x88b5"
"""EtherType of what the tunnel's ends say to each other (`guard_frames`)."""

DECLARATIONS: Final = (
    "".join(f"  counter {name} {{ }}\n" for name in COUNTERS)
    + f"""\
  set heard {{ type ether_addr; size {HEARD}; flags dynamic,timeout; timeout {HEARD_SECONDS}s; }}
  set met {{ type ether_addr; size {HEARD}; flags dynamic,timeout; timeout {HEARD_SECONDS}s; }}
"""
    + load.DECLARATIONS
    + """\
  set open { type iface_index; flags dynamic; }
  set newcomers { type ifname; size 1024; flags dynamic; }
  set groups { type ifname . ifname; size 1024; flags dynamic; }
  set new_groups { type ifname . ifname; size 1024; flags dynamic; }
  set group_sources { type ifname . ifname . ether_addr; size 4096; flags dynamic,timeout; timeout 10s; }
  chain limited { }
  chain newcomer { }
  chain from_replicas { }
  chain from_production { }
  chain screen { type filter hook prerouting priority -300; policy accept; }
  chain kept { type filter hook input priority 0; policy accept; }
  chain forward { type filter hook forward priority 0; policy drop; }
"""
)
"""Priorities by number: their names mean other numbers in this family, and not all are known to nft 1.0.6."""

SETS: Final = {
    "returned": "type ifname . ether_addr",
    "own": "type ifname . ether_addr",
    "beside": "type ifname",
    "behind": "type ifname",
    "leaving": "type ifname . ifname . ether_addr",
    "arriving": "type ifname . ifname . ether_addr",
    "shared": "type ifname . ifname",
}

_GROUP: Final = "ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00"
_NEWCOMERS: Final = f"{NEWCOMERS_A_SECOND}/second burst {NEWCOMERS_BURST} packets"
_PORTS: Final = "iifname . oifname"
_NEW: Final = "0x1"
"""Mark of a frame whose sender had not been heard before."""
_TELL, _FORGET = f"meta mark set {_NEW}", "meta mark set 0"

RULES: Final = f"""\
{load.rules(load.BRIDGE_COUNTERS[0])}\
  chain limited {{
    meta mark {_NEW} update @new_groups {{ {_PORTS} limit rate over {GROUP_FRAMES_OF_NEWCOMERS} }} \
counter name drop_storm drop
    meta mark {_NEW} goto {load.CHAIN}
    update @group_sources {{ {_PORTS} . ether saddr limit rate over {GROUP_FRAMES_OF_ONE} }} \
counter name drop_storm drop
    update @groups {{ {_PORTS} limit rate over {GROUP_FRAMES} }} counter name drop_storm drop
    goto {load.CHAIN}
  }}
  chain newcomer {{
    update @newcomers {{ iifname limit rate over {_NEWCOMERS} }} \
counter name drop_crowd drop
    {_TELL}
  }}
  chain from_replicas {{
    ether saddr @heard counter name drop_loop drop
    ether saddr @met update @met {{ ether saddr }} accept
    jump newcomer
    add @met {{ ether saddr }}
  }}
  chain from_production {{
    ether saddr @heard update @heard {{ ether saddr }} accept
    jump newcomer
    add @heard {{ ether saddr }}
  }}
  chain screen {{
    {_FORGET}
    ether type {{ {", ".join(TAGS)} }} counter name drop_tagged drop
    iifname . ether saddr @returned counter name drop_loop drop
    iifname . ether saddr @own accept
    iifname @beside goto from_replicas
    iifname @behind goto from_production
  }}
  chain kept {{
    ether daddr 01:80:c2:00:00:02 counter name drop_bridge drop
  }}
  chain forward {{
    ether daddr 01:80:c2:00:00:00 ip protocol {path_size.PROTOCOL} return
    ether daddr 01:80:c2:00:00:0e ether type {GUARD} return
    ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 counter name drop_bridge drop
    iif != @open oif != @open counter name drop_closed drop
    {_PORTS} . ether saddr @leaving {_GROUP} goto limited
    {_PORTS} . ether saddr @leaving goto {load.CHAIN}
    {_PORTS} . ether daddr @arriving goto {load.CHAIN}
    {_PORTS} @shared {_GROUP} goto limited
    counter name drop_bridge
  }}
"""
"""A replica's frame that comes from production is dropped before the bridge could learn from it, and so is
one with a tag: the switch at the other end would take it for another network's. The kernel keeps the outer
tag beside the frame; the link layer is matched as it was on the wire (net/netfilter/nft_payload.c).

So is a frame that comes from the replicas' side under the address of a machine that was heard from
production's, be it forged or one of ours that a host reflects: it would pass nowhere, but the bridge would
look for that machine beside the replicas, and their frames to it would not cross until it speaks again. Other
machines beside the replicas are learned: else what a replica sends them would be flooded into the tunnel. Who
was heard is not told apart by network: what an address of another one loses is to be learned.

Who forges ever new senders fills the bridge and the OpenVPN server with them, and what there is for group
frames. So senders that had not been heard are rationed for each port before the bridge learns from them, and
have a budget of group frames of their own; those who had been heard lose nothing, newcomers have to speak
again.

The questions of the tunnel's ends about its path and what their guards say arrive on a port; the chain's
policy ends them there, and nobody counts them: a counter that grows while all is well would hide what it is
for.

A full set of sources leaves the limit of the direction.

Addresses that bridges must not forward (IEEE 802.1Q, 8.6.3) are dropped here, because without a spanning tree
protocol the kernel does forward that of the protocol itself (net/bridge/br_input.c, br_handle_frame). From
frames to others of them it would learn without asking the filter, so our bridges hand them on like any frame
(`rtnl_l2`); of the one that may not be handed on (LACP's, :02) it learns unless they are dropped on their way
to the machine itself.
"""


def elements(networks: Iterable[BridgedNetwork]) -> dict[str, list[str]]:
    """What the sets are filled with."""
    filled: dict[str, list[str]] = {name: [] for name in SETS}
    for network in networks:
        inward = [_join(one, two) for one in network.production for two in network.replicas]
        outward = [_join(two, one) for one in network.production for two in network.replicas]
        filled["shared"] += inward
        filled["leaving"] += [f"{pair} . {mac}" for pair in outward for mac in network.macs]
        filled["arriving"] += [f"{pair} . {mac}" for pair in inward for mac in network.macs]
        filled["returned"] += [f'"{port}" . {mac}' for port in network.production for mac in network.macs]
        filled["own"] += [f'"{port}" . {mac}' for port in network.replicas for mac in network.macs]
        filled["beside"] += [f'"{port}"' for port in network.replicas]
        filled["behind"] += [f'"{port}"' for port in network.production]
    return filled


def open_ports(indices: Iterable[int]) -> str:
    """The nft command that lets frames pass through these tunnel ports; repeating it is harmless."""
    return f"add element bridge {TABLE} open {{ {_listed(indices)} }}\n"


def close_ports(indices: Iterable[int]) -> str:
    """The nft commands that let no frame pass through these tunnel ports; repeating them is harmless."""
    listed = _listed(indices)
    # What is not there cannot be deleted: added first, it always is.
    return open_ports(indices) + f"delete element bridge {TABLE} open {{ {listed} }}\n"


def _listed(indices: Iterable[int]) -> str:
    return ", ".join(map(str, indices))


def _join(one: str, two: str) -> str:
    return f'"{one}" . "{two}"'
