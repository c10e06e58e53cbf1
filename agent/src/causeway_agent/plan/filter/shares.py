"""New connections of machines that hold more than their share of the kernel's table of connections.

One table, of a fixed size, serves all networks of a full failover, and an open connection keeps its place for
days. So where a connection is opened (chains of type `nat` see its first packet and no other) it is noted who
opened it, for the agent to count, and asked whether that machine holds more than its share already; where it
is taken, the same is asked of the machine that takes it. A machine is its MAC address where it opens: it may
speak under thousands of addresses of its network, and under its neighbours'. How fast a network's connections
may come in all is bounded, so that the agent's next look (`plan.steer.shares`) is in time.

`ct count` of nftables is not used: it walks all connections of a machine for each new one, and many kernels
forget no more than eight ended ones a tick (net/netfilter/nf_conncount.c), so that they count those as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from causeway_agent.plan.filter import element
from causeway_agent.plan.model.policy import Policy
from causeway_wire.types import IPNetwork

COUNTERS: Final = ("drop_share",)

PER_NETWORK: Final = "10000/second burst 4000 packets"
"""New connections that the machines of one network open together, and as many that they take."""
REFUSED_SECONDS: Final = 30
"""How long a machine is refused after it was last seen above its share."""

OPENERS: Final = "over_share"
"""Set of marks: machines that open no more connections; those that take none are in one set per version."""
TAUGHT: Final = frozenset({OPENERS, f"{OPENERS}4", f"{OPENERS}6", "opened", "taken"})
"""Sets that packets and the agent fill: no load of a policy empties them."""

SETS: Final = {"sharing": "type ifname"}
"""Devices of networks whose connections are followed."""

LISTED: Final = 4096
"""Machines that are refused at once; of more, libnftables takes none."""
_LISTED: Final = f"flags dynamic,timeout; size {LISTED}; timeout {REFUSED_SECONDS}s"
_RATION: Final = "flags dynamic,timeout; size 1024; timeout 1m"
DECLARATIONS: Final = f"""\
  set {OPENERS} {{ type mark; {_LISTED}; }}
  set {OPENERS}4 {{ type ipv4_addr; {_LISTED}; }}
  set {OPENERS}6 {{ type ipv6_addr; {_LISTED}; }}
  set opened {{ type ifname; {_RATION}; }}
  set taken {{ type ifname; {_RATION}; }}
  chain opening {{ }}
  chain taking {{ }}
"""

_DROP: Final = "counter name drop_share drop"
_OPENER: Final = "@ll,64,32"
"""The last four octets of an Ethernet frame's source."""

ADMIT: Final = "iifname @sharing jump opening"
LEAVE: Final = "oifname @sharing iifname != @sharing jump taking"
RULES: Final = f"""\
  chain opening {{
    ct mark set {_OPENER}
    ct mark @{OPENERS} {_DROP}
    update @opened {{ iifname limit rate over {PER_NETWORK} }} {_DROP}
  }}
  chain taking {{
    ip daddr @{OPENERS}4 {_DROP}
    ip6 daddr @{OPENERS}6 {_DROP}
    update @taken {{ oifname limit rate over {PER_NETWORK} }} {_DROP}
  }}
"""


def networks(policy: Policy) -> Mapping[IPNetwork, str]:
    """The device by network, of those whose machines' connections are followed."""
    following = {way.input_device for way in policy.ways}
    following |= {way.input_device for way in policy.internet}
    following |= {
        forward.input_device
        for forward in policy.forwards
        if forward.source is None and forward.destination is None and not forward.errors_only
    }
    return {guard.network: guard.device for guard in policy.neighbours if guard.device in following}


def elements(policy: Policy) -> dict[str, list[str]]:
    """What the set is filled with."""
    return {"sharing": sorted({element.quote(device) for device in networks(policy).values()})}
