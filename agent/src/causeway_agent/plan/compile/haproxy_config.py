"""HAProxy configurations for the TCP fallback: the gateway's door and the tenant appliance's wrapper.

OpenVPN's own TLS runs inside this one, end to end. The outer one decides who reaches which tunnel: a client
certificate counts only together with its issuer, so a name under tenant B's authority never opens tenant A's
tunnel. A tenant's VPN authority carries the tenant's id as its organisation and signs end entities only.
File names are relative to the process's directory.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

from causeway_agent.plan.model.processes import TlsProxy
from causeway_wire.desired import GatewayRole, GatewayTunnel, TunnelClient
from causeway_wire.types import IPAddress, Secret, SerialNumber

LOOPBACK: Final = ipaddress.IPv4Address("127.0.0.1")
FIRST_LOCAL_PORT: Final = 16180
"""The wrapper of remote n listens on the loopback address, on this port plus n."""

SEGMENT: Final = 1220
"""Octets of TCP over the lines outside, both ways: what a path of 1280 carries over IPv6 (RFC 8200, 5)."""

_GLOBAL: Final = """\
global
  log stderr format raw local0 notice
  maxconn 4096
  default-path config
  ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets
  ssl-default-server-options ssl-min-ver TLSv1.3 no-tls-tickets

defaults
  mode tcp
  log global
  timeout connect 3s
  timeout client 5s
  timeout server 5s
  timeout tunnel 15s
"""
# A handshake gets 5 s. OpenVPN pings every second: 15 s of silence is a dead peer, not an idle one.

CONNECTIONS: Final = 16
"""A tunnel may have at once: those that a NAT has forgotten linger for 15 s."""

NEIGHBOURS: Final = 300
"""Connections that one network may open in ten seconds, an IPv4 /24 or an IPv6 /48: who has one machine often
has 256 or 65,536 prefixes of 64 bits, each a source of its own, and all handshakes of all tenants share
`maxconn`. In the 5 s that a silent one lasts, this is less than a tenth of them.
"""

_DOOR_RULES: Final = f"""\
  tcp-request connection track-sc0 src,ipmask(32,64) table sources
  tcp-request connection reject if {{ sc0_conn_rate(sources) gt 30 }} || {{ sc0_conn_cur(sources) gt 128 }}
  tcp-request connection track-sc2 src,ipmask(24,48) table networks
  tcp-request connection reject if {{ sc2_conn_rate(networks) gt {NEIGHBOURS} }}
  tcp-request session set-var(sess.name) ssl_c_s_dn(cn)
  tcp-request session set-var(sess.tunnel) ssl_c_i_dn(o),concat(:,sess.name),map_str(tunnels.map,nobody)
  tcp-request session set-var(sess.serial) ssl_c_serial,hex
  tcp-request session reject if {{ var(sess.tunnel),concat(:,sess.serial) -m str -f revoked.lst }}
  tcp-request session track-sc1 var(sess.tunnel) table tunnels
  tcp-request session reject if {{ sc1_conn_cur(tunnels) gt {CONNECTIONS} }}
  tcp-request content set-dst var(sess.tunnel),map_str_ip(servers.map)
  tcp-request content set-dst-port var(sess.tunnel),map_str_int(ports.map)
  use_backend servers if {{ var(sess.tunnel),map_str_int(ports.map) -m found }}
  default_backend nobody

backend sources
  stick-table type ipv6 size 64k expire 30s store conn_rate(10s),conn_cur

backend networks
  stick-table type ipv6 size 64k expire 30s store conn_rate(10s)

backend tunnels
  stick-table type string len 32 size 8k expire 30s store conn_cur

backend servers
  server tunnel 0.0.0.0:0

backend nobody
  tcp-request content reject
"""
# A server without an address and a port is the one that the connection is meant for, and that is set above:
# what a tenant adds is lines of maps. A backend for each tunnel would cost 11 kB of memory and, at a thousand
# tenants, a fifth of the time that a new process takes to listen.


def gateway(role: GatewayRole, *, addresses: Iterable[IPAddress]) -> TlsProxy:
    """The gateway's public TCP port: mutual TLS, then the tunnel's server.

    `ca-verify-file` and not `ca-file`: the names of the authorities are not sent to whoever connects. They
    are the tenants', and a hundred kilobytes of a thousand.
    """
    sockets = ",".join(_socket(address, role.port) for address in addresses)
    bind = f"  bind {sockets} mss {SEGMENT} ssl crt server.pem ca-verify-file tenants.pem verify required\n"
    names = [(f"tunnel-{index}", tunnel) for index, tunnel in enumerate(role.tunnels)]
    refused = [f"{name}:{_serial(serial)}\n" for name, tunnel in names for serial in tunnel.revoked or ()]
    authorities = "".join(tenant.ca.strip() + "\n" for tenant in role.tenants)
    return TlsProxy(
        name="gateway-tls",
        configuration=Secret(f"{_GLOBAL}\nfrontend door\n{bind}{_DOOR_RULES}"),
        files=(
            ("server.pem", Secret(role.certificate)),
            ("tenants.pem", Secret(authorities)),
            ("tunnels.map", _map((_peer(tunnel), name) for name, tunnel in names)),
            ("servers.map", _map((name, tunnel.server) for name, tunnel in names)),
            ("ports.map", _map((name, tunnel.port) for name, tunnel in names)),
            ("revoked.lst", Secret("".join(refused))),
        ),
        key=role.key,
    )


def wrapper(tunnel: TunnelClient) -> TlsProxy:
    """The tenant appliance's local TCP ports, one per remote, each leading to that gateway through TLS."""
    check = f"verify required verifyhost {tunnel.gateway_name} sni str({tunnel.gateway_name})"
    sections = [
        f"\nlisten remote-{index}\n"
        f"  bind {_socket(LOOPBACK, local_port(index))}\n"
        f"  tcp-response content reject if {{ ssl_s_serial,hex -m str -f revoked.lst }}\n"
        f"  server gateway {_socket(remote.address, remote.port)}"
        f" ssl crt client.pem ca-file gateway.pem {check}\n"
        for index, remote in enumerate(tunnel.remotes)
    ]
    return TlsProxy(
        name=f"tls-{tunnel.id}",
        configuration=Secret("".join((_GLOBAL, *sections))),
        files=(
            ("client.pem", Secret(tunnel.certificate)),
            ("gateway.pem", Secret(tunnel.gateway_ca)),
            ("revoked.lst", Secret("".join(f"{_serial(each)}\n" for each in tunnel.gateway_revoked or ()))),
        ),
        key=tunnel.key,
    )


def local_port(index: int) -> int:
    """Where the wrapper of this remote listens."""
    return FIRST_LOCAL_PORT + index


def _map(rows: Iterable[tuple[str, object]]) -> Secret:
    return Secret("".join(f"{key} {value}\n" for key, value in rows))


def _serial(serial: SerialNumber) -> str:
    """As HAProxy's `hex` writes it: whole octets, upper case."""
    return serial.upper().zfill(len(serial) + len(serial) % 2)


def _peer(tunnel: GatewayTunnel) -> str:
    return f"{tunnel.tenant}:{tunnel.client_name}"


def _socket(address: IPAddress, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"  # noqa: PLR2004
