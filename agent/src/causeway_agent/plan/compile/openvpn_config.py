"""OpenVPN configurations: one option set, measured as a whole; do not vary options one by one.

The agent owns the tun device, its addresses and all routes, so OpenVPN gets a device by name, runs no script
and needs no privilege. `mode server` with a pulling client starts in one round trip more than the handshake
and survives a change of the client's address (research: p2p starts take up to a second). `ifconfig` is left
out on purpose: nothing here would use it, IPv6 included.
Sockets: 1 MiB buffers and a queue of 2000 packets on the tun device belong together. OpenVPN has no rights to
pass the machine's limit (net.core.rmem_max, wmem_max); the image raises it to what is asked for here.
"""

from __future__ import annotations

from typing import Final

from causeway_agent.plan.compile import kernel_carried
from causeway_agent.plan.model import path_size
from causeway_agent.plan.model.processes import BEHIND_CLIENT
from causeway_agent.plan.model.target import Facts
from causeway_wire.desired import Extension, TunnelClient, TunnelServer
from causeway_wire.observed import Transport
from causeway_wire.types import IPAddress, Secret

TUNNEL_MTU: Final = path_size.INSIDE
"""Octets inside the tunnel; what of it the path carries is found out."""
QUEUE_LENGTH: Final = 2000
SOCKET_BUFFER: Final = 1024 * 1024
"""Octets each way."""

SERVER_FILES: Final = ((BEHIND_CLIENT, "iroute 0.0.0.0 0.0.0.0\niroute-ipv6 ::/0\n"),)
"""Everything behind the one client is reached through it; without this its inner packets are dropped."""

_REVOKED: Final = "revoked"
"""Directory with a file for each revoked certificate, its name the serial number in decimal (openvpn(8),
`--crl-verify DIR dir`): nothing that is signed, and nothing that expires.
"""

REPLAY_WINDOW: Final = 2048
"""Packets by which one may be overtaken on the way and still be taken: lines that spread packets over several
ways reorder by hundreds at speed, and OpenVPN's default of 64 drops those. Costs 16 KiB per key.
"""
REPLAY_SECONDS: Final = 15
RETRANSMIT_SECONDS: Final = 1
"""Until a lost datagram of the handshake is sent again; doubles each time. OpenVPN's default of 2 would let a
single loss outlast the client's patience (`remotes`).
"""

MAX_HOSTS: Final = 49_152
"""MAC addresses that a bridged server remembers: more than the packet filter lets get there in that time
(`filter.bridge.HEARD`), for of one that it has no place for it takes no frame. Its default is 256.
"""
HOST_SECONDS: Final = 3600
"""That it remembers one that says nothing and is sent nothing; by default it is for ever."""
_HASHES: Final = 4096
"""Buckets that it looks for them in; 256 by default."""

_COMMON: Final = (
    f"tun-mtu {TUNNEL_MTU}",
    "persist-tun",
    "persist-key",
    "ifconfig-noexec",
    "script-security 0",
    "tls-version-min 1.2",
    "auth SHA256",
    "data-ciphers AES-256-GCM",
    "cipher AES-256-GCM",
    f"sndbuf {SOCKET_BUFFER}",
    f"rcvbuf {SOCKET_BUFFER}",
    f"replay-window {REPLAY_WINDOW} {REPLAY_SECONDS}",
    f"tls-timeout {RETRANSMIT_SECONDS}",
    "verb 3",
)


def listens(tunnel: TunnelServer, transport: Transport) -> tuple[IPAddress, ...]:
    """The addresses at which the provider's end answers over this transport."""
    if transport is Transport.TCP or tunnel.second_listen is None:
        return (tunnel.listen,)
    return tunnel.listen, tunnel.second_listen


def server(tunnel: TunnelServer, *, transport: Transport, device: str, name: str, facts: Facts) -> Secret:
    """The provider's end; `name` is the process's. It refers to `server_files`."""
    suffix = "-server" if transport is Transport.TCP else ""
    lines = (
        f"dev {device}",
        *_kind(tunnel),
        *_COMMON,
        "mode server",
        "tls-server",
        "dh none",
        *_places(tunnel, transport, suffix),
        f"lport {tunnel.port}",
        "remote-cert-tls client",
        f"verify-x509-name {tunnel.peer_name} name",
        *_reach(tunnel),
        "keepalive 1 4",
        *_socket_options(transport, tunnel.extension),
        *_carried(tunnel, transport, facts),
        *_identity(tunnel, name=name, facts=facts),
    )
    return Secret("\n".join(lines) + "\n")


def server_files(tunnel: TunnelServer, transport: Transport, facts: Facts) -> tuple[tuple[str, str], ...]:
    """What the server's configuration refers to."""
    if tunnel.extension is Extension.BRIDGED:
        return revoked_files(tunnel)
    by_kernel = ((BEHIND_CLIENT, kernel_carried.CLIENT_FILE),)
    behind = by_kernel if kernel_carried.carries(tunnel, transport, facts) else SERVER_FILES
    return (*behind, *revoked_files(tunnel))


def revoked_files(tunnel: TunnelServer | TunnelClient) -> tuple[tuple[str, str], ...]:
    """A file for each certificate that the far end must not show."""
    return tuple((f"{_REVOKED}/{int(serial, 16)}", "") for serial in tunnel.revoked or ())


def client(
    tunnel: TunnelClient,
    *,
    transport: Transport,
    address: IPAddress,
    port: int,
    device: str,
    name: str,
    facts: Facts,
) -> Secret:
    """The tenant's end toward one address and port; `name` is the process's."""
    suffix = "-client" if transport is Transport.TCP else ""
    # A parting word lets the server forget the client at once; over TCP the closed connection says it.
    parting = ("explicit-exit-notify 1",) if transport is Transport.UDP else ()
    lines = (
        f"dev {device}",
        *_kind(tunnel),
        *_COMMON,
        "tls-client",
        "pull",
        "route-nopull",
        "nobind",
        f"proto {_protocol(transport, address)}{suffix}",
        f"remote {address} {port}",
        "remote-cert-tls server",
        f"verify-x509-name {tunnel.peer_name} name",
        "ping 1",
        *_patience(tunnel, transport, facts),
        "connect-retry 1 2",
        "connect-timeout 5",
        *parting,
        *_socket_options(transport, tunnel.extension),
        *_carried(tunnel, transport, facts),
        *_identity(tunnel, name=name, facts=facts),
    )
    return Secret("\n".join(lines) + "\n")


def _carried(tunnel: TunnelServer | TunnelClient, transport: Transport, facts: Facts) -> tuple[str, ...]:
    """By whom the packets are carried. Where the kernel can, OpenVPN must be told when it is not to: it would
    leave them to it whenever it finds no tun device, on one of its own that is no part of any target.
    """
    if facts.no_offload is not None:
        return ()
    if not kernel_carried.carries(tunnel, transport, facts):
        return ("disable-dco",)
    return ("topology subnet",) if isinstance(tunnel, TunnelServer) else ()


def _patience(tunnel: TunnelClient, transport: Transport, facts: Facts) -> tuple[str, ...]:
    """When a client gives its connection up because nothing comes: its agent counts that, on a clock that
    nobody sets. OpenVPN counts on the time of day, so that a step of it ended a tunnel; a server tells its
    clients to, which is not heard. Where the kernel carries the packets it alone can say.
    """
    if kernel_carried.carries(tunnel, transport, facts):
        return ("ping-restart 4",)
    return ("ping-restart 0", "pull-filter ignore ping-restart")


def _kind(tunnel: TunnelServer | TunnelClient) -> tuple[str, ...]:
    return ("dev-type tap",) if tunnel.extension is Extension.BRIDGED else ("dev-type tun",)


def _places(tunnel: TunnelServer, transport: Transport, suffix: str) -> tuple[str, ...]:
    """Where it listens. For both IP versions one socket without an address takes all of the machine's, as
    OpenVPN 2.6 knows no list; it answers from the address that was asked, and the packet filter names two.
    """
    addresses = listens(tunnel, transport)
    if len(addresses) > 1:
        return (f"proto {transport.value}6", "multihome")
    return (f"proto {_protocol(transport, addresses[0])}{suffix}", f"local {addresses[0]}")


def _reach(tunnel: TunnelServer) -> tuple[str, ...]:
    """How the server knows what is behind its client: told, or learned from frames as a switch does."""
    if tunnel.extension is Extension.BRIDGED:
        return (
            f"max-routes-per-client {MAX_HOSTS}",
            f"stale-routes-check {HOST_SECONDS} 60",
            f"hash-size 256 {_HASHES}",
        )
    return ("client-config-dir ccd",)


def _protocol(transport: Transport, address: IPAddress) -> str:
    return f"{transport.value}{address.version}"


def _socket_options(transport: Transport, extension: Extension) -> tuple[str, ...]:
    """Without TCP_NODELAY on both sides a ping takes 12 ms.

    A routed tunnel's packets are never fragmented outside: what they carry is cut to the path before
    (`path_size`). A bridge cannot cut frames, so the packet filter lets those that are larger than the line
    be fragmented, but for the questions about its size, told by their type of service (`ruleset_path`).
    """
    if transport is Transport.TCP:
        return ("socket-flags TCP_NODELAY",)
    return ("fast-io", "passtos" if extension is Extension.BRIDGED else "mtu-disc yes")


def _identity(tunnel: TunnelServer | TunnelClient, *, name: str, facts: Facts) -> tuple[str, ...]:
    return (
        f"management {facts.run_directory}/{name}.sock unix",
        f"key {facts.key_directory}/{tunnel.key}.key",
        *((f"crl-verify {_REVOKED} dir",) if tunnel.revoked else ()),
        *_inline("cert", tunnel.certificate),
        *_inline("ca", tunnel.ca),
        *_inline("tls-crypt-v2", tunnel.tls_crypt.reveal()),
    )


def _inline(tag: str, text: str) -> tuple[str, str, str]:
    return f"<{tag}>", text.strip(), f"</{tag}>"
