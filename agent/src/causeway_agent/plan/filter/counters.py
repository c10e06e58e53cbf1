"""What each counter of the packet filter counts, in words: for `status`, metrics and documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MEANINGS: Final[Mapping[str, str]] = {
    "drop_arp": "ARP questions from or about machines that are not failed over here, or above a ration",
    "drop_bridge": "frames that a bridge lets nobody send or receive",
    "drop_closed": "frames while the loop guard keeps the bridge closed",
    "drop_crowd": "frames of machines that a bridge had not heard before, above their port's ration",
    "drop_denied": "packets to networks that replicas never reach",
    "drop_error": "ICMP about packets that did not arrive, more than names the cause; much of it is forged",
    "drop_excess": "packets into a tunnel without room, of machines that send more than their share",
    "drop_excess_frames": "the same of frames into a bridged tunnel",
    "drop_flood": "unknown flows at the gateway's door and echo requests above their budgets",
    "drop_forward": "packets that no failover, network or rule lets pass",
    "drop_fragment": "fragments that no flow needs, or above the ration of their sender or device",
    "drop_input": "packets to this appliance that nothing answers",
    "drop_loop": "frames that came back, or whose sender lives on the bridge's other side",
    "drop_management": "management ports, asked from elsewhere than management.sources",
    "drop_scan": "packets to neighbours that nobody has heard, above their sender's ration",
    "drop_share": "new connections of machines that hold more than their share of all",
    "drop_size": "ICMP that tells this appliance the size of a path, which is found out by trying",
    "drop_solicitation": "IPv6 solicitations from machines that are not answered here, or above a ration",
    "drop_spoofed": "sources that do not belong to the adapter they came from",
    "drop_storm": "broadcast and multicast frames above the limit",
    "drop_stranger": "packets to the gateway's door of no known flow, with no known key",
    "drop_tagged": "frames that guests tagged for another network",
    "drop_unpublished": "public ports without a rule for their source",
}
"""By counter."""
