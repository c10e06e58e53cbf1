"""How many fragments wait, and how long: the packet filter's rations and the kernel's limits, together."""

from __future__ import annotations

from typing import Final

from causeway_agent.plan.model.objects import Sysctl

AWAITED: Final = 8192
"""Datagrams awaited at a time and family; of more, the first fragment is dropped..."""
AWAITED_OF_TUNNELS: Final = 16_384
"""...and between the ends of tunnels, beside the others."""
WAIT: Final = 1
"""Seconds in which all fragments of a datagram must come in. They leave one behind the other: 64 KiB take
half of it on a line of 1 Mbit/s. The shorter, the more datagrams pass through the same places.
"""
MEMORY: Final = 64 * 1024 * 1024
"""Octets for fragments that wait: all incomplete datagrams that are awaited have room for a first fragment of
full size, 2.3 KiB with what the kernel adds. Only a flood takes it.
"""
PATIENCE: Final = WAIT
"""Seconds until the kernel gives an incomplete datagram up (its defaults are 30 and 60): the filter lets no
later fragment in anyway.
"""


def settings() -> frozenset[Sysctl]:
    """What reassembly may take, of either family: for this machine and, apart, for connection tracking of
    IPv6 (its keys exist as soon as a packet filter of ours was loaded).
    """
    places = {
        "net/ipv4/ipfrag_high_thresh": MEMORY,
        "net/ipv4/ipfrag_time": PATIENCE,
        "net/ipv6/ip6frag_high_thresh": MEMORY,
        "net/ipv6/ip6frag_time": PATIENCE,
        "net/netfilter/nf_conntrack_frag6_high_thresh": MEMORY,
        "net/netfilter/nf_conntrack_frag6_timeout": PATIENCE,
    }
    return frozenset(Sysctl(key, str(value)) for key, value in places.items())
