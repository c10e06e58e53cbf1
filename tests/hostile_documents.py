"""Documents that cannot be meant: one member of a document that can be, replaced."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from causeway_wire import codec
from causeway_wire.problem import ProblemType as P

PUBLIC = "198.51.100.10"
"""The tenant's allocation."""
NET, TUN, REPLICA = "/role/networks/0", "/role/networks/0/tunnel", "/role/failover/replicas/0"
REMOTE, RULE = "/role/tunnel/remotes/0/address", "/rules/0"
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@dataclass(frozen=True)
class Case:
    """What is put where the pointer `path` leads, and the problem it must be answered by."""

    name: str
    path: str
    value: Any
    kind: P = P.INVALID
    at: str | None = None
    """Where the problem points to; `path` unless given, and what is `below` it."""
    below: str | None = None

    @property
    def pointer(self) -> str:
        """Where the problem points to."""
        where = self.path if self.at is None else self.at
        return where if self.below is None else f"{where}/{self.below}"

    def wound(self, document: object) -> Any:
        """The document with its wound; of a whole object, several members."""
        made = json.loads(codec.encode(document))
        if self.path == RULE:
            made["rules"][0] |= self.value
        else:
            put(made, self.path, self.value)
        return made


def put(document: Any, pointer: str, value: Any) -> None:
    """Put something where the pointer leads."""
    *above, last = pointer.strip("/").split("/")
    for step in above:
        document = document[int(step)] if isinstance(document, list) else document[step]
    document[int(last) if isinstance(document, list) else last] = value


def cases(*listed: Case) -> dict[str, Case]:
    """By name, which each has for itself."""
    named = {case.name: case for case in listed}
    assert len(named) == len(listed)
    return named


PROVIDER = cases(
    Case("for another appliance", "/appliance", "other", P.WRONG_APPLIANCE),
    Case("an appliance called ..", "/appliance", ".."),
    Case("a path as key", f"{TUN}/key", "../agent"),
    Case("the agent's own key", f"{TUN}/key", "agent"),
    Case("the agent's next key", f"{TUN}/key", "agent-2"),
    Case("a line feed in a tunnel's name", f"{TUN}/id", "a\nplugin x"),
    Case("a peer with an option", f"{TUN}/peer_name", "a subject"),
    Case("an option behind a certificate", f"{TUN}/ca", PEM + "</ca>\nup x\n"),
    Case("an option before a certificate", f"{TUN}/ca", "up x\n" + PEM),
    Case("an option inside a certificate", f"{TUN}/ca", PEM.replace("AAAA", "AA\nup x")),
    Case("line ends that only some know", f"{TUN}/ca", PEM.replace("\n", "\u2028")),
    Case("vertical tabs as line ends", f"{TUN}/ca", PEM.replace("\n", "\x0b")),
    Case("a NUL in a certificate", f"{TUN}/ca", PEM.replace("AAAA", "AA\x00A")),
    Case("a certificate of 64 KiB and one", f"{TUN}/ca", "A" * 65537),
    Case("a private key as certificate", f"{TUN}/certificate", PEM.replace("CERTIFICATE", "PRIVATE KEY")),
    Case("port 22 for the VPN", f"{TUN}/port", 22),
    Case("the agent's port for the VPN", f"{TUN}/port", 8443, P.DUPLICATE),
    Case("the VPN listening everywhere", f"{TUN}/listen", "0.0.0.0", P.UNKNOWN_REFERENCE),
    Case("a zone in an address", f"{TUN}/listen", "fe80::1%eth0"),
    Case("a line in a zone", f"{TUN}/listen", "2001:db8::1%x\nup x"),
    Case("an IPv4-mapped address", f"{TUN}/listen", "::ffff:10.9.0.2"),
    Case("an address with a leading zero", f"{TUN}/listen", "010.9.0.2"),
    Case("an address in another script", f"{TUN}/listen", "\u0661.9.0.2"),
    Case("an address as a number", f"{TUN}/listen", 168361986),
    Case("an address of three parts", f"{TUN}/listen", "10.9.2"),
    Case("a tunnel end on loopback", f"{TUN}/inner/0/local", "127.0.0.1"),
    Case("a tunnel end for all", f"{TUN}/inner/0/peer", "224.0.0.1"),
    Case("every address as a network", f"{NET}/prefixes/0", "0.0.0.0/0"),
    Case("half of all addresses", f"{NET}/prefixes/0", "128.0.0.0/1"),
    Case("a multicast network", f"{NET}/prefixes/0", "239.0.0.0/8"),
    Case("a loopback network", f"{NET}/prefixes/0", "127.1.0.0/16"),
    Case("a link-local network", f"{NET}/prefixes/0", "fe80::/64"),
    Case("a network of two", f"{NET}/prefixes/0", "192.168.7.4/31"),
    Case("a network of one", f"{NET}/prefixes/0", "192.168.7.5/32"),
    Case("an IPv6 network of two", f"{NET}/prefixes/0", "2001:db8::/127"),
    Case("an IPv6 network of one", f"{NET}/prefixes/0", "2001:db8::1/128"),
    Case("host bits in a network", f"{NET}/prefixes/0", "192.168.7.1/24"),
    Case("a network with a host mask", f"{NET}/prefixes/0", "192.168.7.0/0.0.0.255"),
    Case("a network without length", f"{NET}/prefixes/0", "192.168.7.0"),
    Case("the uplink's network", f"{NET}/prefixes/0", "10.9.0.0/24", P.OVERLAP),
    Case("nine prefixes", f"{NET}/prefixes", ["192.168.7.0/24"] * 9),
    Case("one prefix twice", f"{NET}/prefixes", ["192.168.7.0/24"] * 2, P.OVERLAP, below="1"),
    Case("a gateway that is a network", f"{NET}/gateways/0", "192.168.7.0"),
    Case("a gateway for everyone", f"{NET}/gateways/0", "192.168.7.255"),
    Case("our own address as gateway", f"{NET}/gateways/0", "192.168.7.5", P.DUPLICATE),
    Case("a gateway elsewhere", f"{NET}/gateways/0", "10.9.0.2", P.OUTSIDE_NETWORK),
    Case("hosts elsewhere", f"{NET}/hosts", ["10.9.0.9"], P.OUTSIDE_NETWORK, below="0"),
    Case("the management adapter as VLAN", f"{NET}/nic", "management", P.DUPLICATE),
    Case("management on a VLAN", "/management/nic", "production", P.DUPLICATE, at=f"{NET}/nic"),
    Case("management on a gateway", "/management/address", "192.168.7.1", P.UNKNOWN_REFERENCE),
    Case("management on a group", "/management/address", "224.0.0.1", P.UNKNOWN_REFERENCE),
    Case("management for nobody", "/management/sources", [], P.CUTS_MANAGEMENT),
    Case("management on SSH's port", "/management/port", 22, P.DUPLICATE, at="/management/ssh_port"),
    Case("management on the VPN's port", "/management/port", 1195, P.DUPLICATE, at=f"{TUN}/port"),
    Case("SSH on the VPN's port", "/management/ssh_port", 1195, P.DUPLICATE, at=f"{TUN}/port"),
    Case("port 0", "/management/port", 0),
    Case("true as a port", "/management/port", value=True),
    Case("a group's MAC address", "/nics/1/mac", "01:00:5e:00:00:01"),
    Case("everyone's MAC address", "/nics/1/mac", "ff:ff:ff:ff:ff:ff"),
    Case("nobody's MAC address", "/nics/1/mac", "00:00:00:00:00:00"),
    Case("a MAC address with hyphens", "/nics/1/mac", "02-00-00-00-00-02"),
    Case("an adapter's name as a path", "/nics/1/name", "../eth0"),
    Case("an adapter's name as a rule", "/nics/1/name", "eth0 accept"),
    Case("a network as own address", "/nics/1/addresses/0", "192.168.7.0/24"),
    Case("everyone as own address", "/nics/1/addresses/0", "192.168.7.255/24"),
    Case("a group as own address", "/nics/1/addresses/0", "224.0.0.1/24"),
    Case("loopback as own address", "/nics/1/addresses/0", "127.0.0.1/8"),
    Case("nothing as own address", "/nics/1/addresses/0", "0.0.0.0/24"),
    Case("link-local as own address", "/nics/1/addresses/0", "169.254.1.1/16"),
    Case("the routers' anycast address", "/nics/1/addresses/0", "2001:db8::/64"),
    Case("one address on two adapters", "/nics/1/addresses/0", "10.9.0.2/24", P.DUPLICATE),
    Case("an MTU below IPv6's", "/nics/1/mtu", 1279),
    Case("65 adapters", "/nics", [{"name": "a", "mac": "02:00:00:00:00:01"}] * 65),
    Case(
        "ourselves as default gateway", "/nics/0/gateways", ["10.9.0.2"], P.DUPLICATE, at="/nics/0/gateways/0"
    ),
    Case("everyone as default gateway", "/nics/0/gateways", ["10.9.0.255"], below="0"),
    Case("a group as default gateway", "/nics/0/gateways", ["224.0.0.1"], below="0"),
    Case("loopback as default gateway", "/nics/0/gateways", ["127.0.0.1"], below="0"),
    Case(
        "a public address for a group", "/role/public_addresses", ["224.0.0.1"], at="/role/public_addresses/0"
    ),
    Case(
        "a public address for everyone",
        "/role/public_addresses",
        ["255.255.255.255"],
        at="/role/public_addresses/0",
    ),
    Case("a public address on loopback", "/role/public_addresses", ["::1"], below="0"),
    Case(
        "a public address of production",
        "/role/public_addresses",
        ["192.168.7.9"],
        P.OVERLAP,
        at="/role/public_addresses/0",
    ),
    Case(
        "one address public and for tests",
        "/role/test_addresses",
        [PUBLIC],
        P.DUPLICATE,
        at="/role/test_addresses/0",
    ),
    Case("257 public addresses", "/role/public_addresses", [PUBLIC] * 257),
    Case("everything denied", "/role/denied", ["0.0.0.0/0"], below="0"),
    Case("another role", "/role/kind", "router"),
    Case("another mode", "/role/failover/mode", "both"),
    Case("two modes in one", "/role/failover/replicas", []),
    Case(
        "routing to a network alone",
        "/role/failover",
        {"mode": "full", "networks": [{"network": "net-0"}], "routed": ["net-0"]},
        at="/role/failover/routed",
    ),
)
"""At a provider appliance."""
REPLICAS = cases(
    Case("a group as a replica", f"{REPLICA}/addresses/0", "224.0.0.1", P.OUTSIDE_NETWORK),
    Case("a network as a replica", f"{REPLICA}/addresses/0", "192.168.7.0"),
    Case("everyone as a replica", f"{REPLICA}/addresses/0", "192.168.7.255"),
    Case("the gateway as a replica", f"{REPLICA}/addresses/0", "192.168.7.1", P.DUPLICATE),
    Case("ourselves as a replica", f"{REPLICA}/addresses/0", "192.168.7.5", P.DUPLICATE),
    Case("the controller's way as a replica", f"{REPLICA}/addresses/0", "10.9.0.2", P.OUTSIDE_NETWORK),
    Case("a tunnel end as a replica", f"{REPLICA}/addresses/0", "100.64.0.2", P.OUTSIDE_NETWORK),
    Case("65 addresses", f"{REPLICA}/addresses", ["192.168.7.20"] * 65),
    Case(
        "one address twice",
        f"{REPLICA}/addresses",
        ["192.168.7.20"] * 2,
        P.DUPLICATE,
        at=f"{REPLICA}/addresses/1",
    ),
    Case("a group's MAC address", f"{REPLICA}/macs", ["33:33:00:00:00:01"], below="0"),
    Case("nobody's MAC address", f"{REPLICA}/macs", ["00:00:00:00:00:00"], below="0"),
    Case("a path as a VM", f"{REPLICA}/vm", "../../etc"),
    Case("a VM in no network", f"{REPLICA}/network", "net-9", P.UNKNOWN_REFERENCE),
)
"""In partial failover, at both ends."""
TENANT = cases(
    Case("a gateway in a zone of lines", REMOTE, "2001:db8::1%x\nup x"),
    Case("a group as cloud gateway", REMOTE, "224.0.0.1"),
    Case("loopback as cloud gateway", REMOTE, "127.0.0.1"),
    Case("ourselves as cloud gateway", REMOTE, "192.168.7.5", P.DUPLICATE),
    Case("17 cloud gateways", "/role/tunnel/remotes", [{"address": "203.0.113.1"}] * 17),
    Case("a gateway's name with a directive", "/role/tunnel/gateway_name", "a) check"),
    Case("ourselves as production's gateway", "/role/network/gateways/0", "192.168.7.5", P.DUPLICATE),
    Case("full failover of a tenant", "/role/failover", {"mode": "full"}, below="mode"),
    Case("a switch of role", "/role/kind", "gateway", at="/role/tenant"),
)
"""At a tenant appliance."""
RULES = cases(
    Case("port 22", f"{RULE}/public_port", 22, P.RESERVED_PORT),
    Case(
        "port 22 in a range",
        RULE,
        {"public_port": 20, "public_port_end": 25},
        P.RESERVED_PORT,
        at=f"{RULE}/public_port",
    ),
    Case("a range that ends first", f"{RULE}/public_port_end", 442),
    Case(
        "a range past the last port",
        RULE,
        {"public_port_end": 500, "internal_port": 65500},
        at=f"{RULE}/internal_port",
    ),
    Case("port 65536", f"{RULE}/public_port", 65536),
    Case("port 0", f"{RULE}/internal_port", 0),
    Case("an address of another", f"{RULE}/public_address", "198.51.100.11", P.OUTSIDE_ALLOCATION),
    Case("an IPv4-mapped address", f"{RULE}/public_address", "::ffff:198.51.100.10"),
    Case("a target outside", f"{RULE}/internal_address", "10.9.0.2", P.OUTSIDE_NETWORK),
    Case("a network as target", f"{RULE}/internal_address", "192.168.7.0"),
    Case("everyone as target", f"{RULE}/internal_address", "192.168.7.255"),
    Case("the gateway as target", f"{RULE}/internal_address", "192.168.7.1", P.DUPLICATE),
    Case("ourselves as target", f"{RULE}/internal_address", "192.168.7.5", P.DUPLICATE),
    Case("the other family as target", f"{RULE}/internal_address", "2001:db8::1"),
    Case("the other family as source", f"{RULE}/sources", ["2001:db8::/32"], below="0"),
    Case("a source with host bits", f"{RULE}/sources", ["192.0.2.1/24"], below="0"),
    Case("another protocol", f"{RULE}/protocol", "sctp"),
    Case("a rule's name as a path", f"{RULE}/id", "../x"),
    Case("a description of two lines", f"{RULE}/description", "a\nb"),
    Case("a line feed at its end", f"{RULE}/description", "a\n"),
    Case("a description for terminals", f"{RULE}/description", "\u001b[2Jx"),
    Case("a description written backwards", f"{RULE}/description", "a\u202eb"),
    Case("a long description", f"{RULE}/description", "a" * 201),
    Case("a revision of 2^53", "/revision", 2**53),
)
"""In the table of public rules."""
