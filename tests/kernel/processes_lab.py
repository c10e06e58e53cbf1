"""Five namespaces for the supervisor: a tenant appliance, two gateways, a provider appliance, an attacker.

pub 198.51.100.0/24: client .50, attacker .66, gateways .1 and .2; inside 10.99.0.0/24: gateways .1 and .2,
server .20. The tunnel's inner addresses are 100.64.0.2 (client) and 100.64.0.1 (server).
"""

from __future__ import annotations

import base64
import ipaddress
import itertools
import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from causeway_agent.plan.compile import haproxy_config, openvpn_config
from causeway_agent.plan.filter import ruleset
from causeway_agent.plan.model import processes
from causeway_agent.plan.model.policy import Listener, Policy, Relay
from causeway_agent.plan.model.processes import Endpoint, FirstPacketFilter, TlsProxy, VpnClient, VpnServer
from causeway_agent.plan.model.target import Facts
from causeway_controller.trust import pki, tls_crypt
from causeway_wire.desired import (
    GatewayRole,
    GatewayTenant,
    GatewayTunnel,
    InnerAddresses,
    Remote,
    TunnelClient,
    TunnelServer,
)
from causeway_wire.observed import Transport
from causeway_wire.types import Secret

TENANT, TUNNEL = "acme", "acme-web"
CLIENT_NAME, SERVER_NAME, GATEWAY_NAME = "acme-web.client", "acme-web.server", "gateway.example"
SERVER = ipaddress.IPv4Address("10.99.0.20")
GATEWAYS = tuple(ipaddress.IPv4Address(text) for text in ("198.51.100.1", "198.51.100.2"))
INNER = tuple(ipaddress.IPv4Address(text) for text in ("100.64.0.2", "100.64.0.1"))
DOOR, PORT = 6180, 1195

_SITES = itertools.count()


def run(*command: str, stdin: str | None = None) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Keys:
    """All secrets of one tenant and the gateways, made once."""

    vpn: pki.Authority
    gateways: pki.Authority
    server_key: Secret
    client_key: Secret
    directory: Path
    made: dict[str, str] = field(default_factory=dict)

    def issue(self, authority: pki.Authority, name: str, usage: pki.Usage) -> str:
        """A certificate of this name, the same each time; its key goes where the agents keep theirs."""
        if name not in self.made:
            key = pki.make_key()
            path = self.directory / f"{name}.key"
            path.write_bytes(pki.private_pem(key))
            path.chmod(0o600)
            now = datetime.now(UTC)
            issued = authority.issue(key.public_key(), common_name=name, usage=usage, now=now)
            self.made[name] = pki.pem(issued)
        return self.made[name]


def make_keys(directory: Path) -> Keys:
    now = datetime.now(UTC)
    server_key = tls_crypt.make_server_key()
    directory.mkdir(mode=0o700, exist_ok=True)
    return Keys(
        vpn=pki.make_vpn_authority(TENANT, now=now),
        gateways=pki.make_vpn_authority("gateways", now=now),
        server_key=server_key,
        client_key=tls_crypt.make_client_key(server_key, tls_crypt.Claim(tenant=TENANT, tunnel=TUNNEL)),
        directory=directory,
    )


def facts(keys: Keys) -> Facts:
    return Facts(appliance="", devices={}, vpn_uid=None, key_directory=str(keys.directory), run_directory="/")


def server(keys: Keys, transport: Transport, *, client_name: str = CLIENT_NAME) -> VpnServer:
    tunnel = TunnelServer(
        id=TUNNEL,
        inner=(InnerAddresses(local=INNER[1], peer=INNER[0]),),
        listen=SERVER,
        port=PORT,
        key=SERVER_NAME,
        certificate=keys.issue(keys.vpn, SERVER_NAME, pki.Usage.SERVER),
        ca=keys.vpn.pem,
        peer_name=client_name,
        tls_crypt=keys.server_key,
    )
    device = f"cw{transport.value[0]}{PORT}"
    name = f"vpn-{TUNNEL}-{transport.value}"
    text = openvpn_config.server(tunnel, transport=transport, device=device, name=name, facts=facts(keys))
    return VpnServer(
        tunnel=TUNNEL,
        transport=transport,
        device=device,
        configuration=text,
        files=openvpn_config.SERVER_FILES,
    )


def tunnel_client(keys: Keys, *, name: str, crypt: Secret | None) -> TunnelClient:
    return TunnelClient(
        id=TUNNEL,
        inner=(InnerAddresses(local=INNER[0], peer=INNER[1]),),
        remotes=tuple(Remote(address=address, port=DOOR) for address in GATEWAYS),
        key=name,
        certificate=keys.issue(keys.vpn, name, pki.Usage.CLIENT),
        ca=keys.vpn.pem,
        peer_name=SERVER_NAME,
        tls_crypt=crypt or keys.client_key,
        gateway_ca=keys.gateways.pem,
        gateway_name=GATEWAY_NAME,
    )


def client(
    keys: Keys, *ways: tuple[int, Transport], name: str = CLIENT_NAME, crypt: Secret | None = None
) -> VpnClient:
    """A client that knows these ways: a gateway's index and a transport each."""
    tunnel = tunnel_client(keys, name=name, crypt=crypt)
    endpoints = []
    for gateway, transport in ways:
        udp = transport is Transport.UDP
        text = openvpn_config.client(
            tunnel,
            transport=transport,
            address=GATEWAYS[gateway] if udp else haproxy_config.LOOPBACK,
            port=DOOR if udp else haproxy_config.local_port(gateway),
            device="cwtun0",
            name=f"vpn-{TUNNEL}",
            facts=facts(keys),
        )
        endpoints.append(
            Endpoint(address=GATEWAYS[gateway], port=DOOR, transport=transport, configuration=text)
        )
    return VpnClient(
        tunnel=TUNNEL,
        device="cwtun0",
        spare="cwtun1",
        endpoints=tuple(endpoints),
        probe=(INNER[0], INNER[1]),
        tls_crypt=tunnel.tls_crypt,
    )


def door(keys: Keys, gateway: int, *, named: bool = True) -> FirstPacketFilter:
    """The gateway's filter; `named`: its document names the tunnel's key."""
    return FirstPacketFilter(
        addresses=(GATEWAYS[gateway],),
        port=DOOR,
        inside="inside",
        keys=((TENANT, keys.server_key),),
        servers=((TENANT, TUNNEL, SERVER, PORT),),
        tags=((tls_crypt.read_tag(keys.client_key), TENANT, TUNNEL),) if named else (),
    )


def gateway_proxy(keys: Keys, gateway: int, *, more: tuple[GatewayTunnel, ...] = ()) -> TlsProxy:
    tunnel = GatewayTunnel(tenant=TENANT, tunnel=TUNNEL, server=SERVER, port=PORT, client_name=CLIENT_NAME)
    role = GatewayRole(
        public="pub",
        inside="inside",
        key=GATEWAY_NAME,
        certificate=keys.issue(keys.gateways, GATEWAY_NAME, pki.Usage.SERVER),
        tenants=(GatewayTenant(id=TENANT, tls_crypt=keys.server_key, ca=keys.vpn.pem),),
        tunnels=(tunnel, *more),
        port=DOOR,
    )
    return haproxy_config.gateway(role, addresses=(GATEWAYS[gateway],))


def wrapper(keys: Keys) -> TlsProxy:
    return haproxy_config.wrapper(tunnel_client(keys, name=CLIENT_NAME, crypt=None))


class Agent:
    """A supervisor in its namespace."""

    def __init__(self, namespace: str, directory: Path, keys: Path, user: str | None = None) -> None:
        self.namespace = namespace
        self.directory = directory
        command = ("ip", "netns", "exec", namespace, sys.executable, "-m", "tests.kernel.processes_agent")
        arguments = ("agent", str(directory), str(keys), *((user,) if user else ()))
        self._process = subprocess.Popen(
            (*command, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.adopted: list[str] = self._answer()["adopted"]

    def start(self, process: processes.Process) -> Any:
        return self._ask("start", process)

    def stop(self, process: processes.Process) -> Any:
        return self._ask("stop", process)

    def report(self) -> Any:
        return self._ask("report")[0]

    def admissions(self) -> Any:
        return self._ask("admissions")

    def pid(self, name: str) -> int:
        return int(json.loads((self.directory / "records" / name).read_text())["process"]["pid"])

    def kill(self) -> None:
        """The agent dies without a word; its processes stay."""
        self._process.kill()
        self._close()

    def end(self) -> None:
        """Stop everything, then the agent."""
        if self._process.poll() is None:
            self._ask("stop_all")
        self._close()

    def _close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def _ask(self, verb: str, process: processes.Process | None = None) -> Any:
        argument = base64.b64encode(pickle.dumps(process)).decode()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([verb, argument]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the agent in {self.namespace} died"
        return json.loads(line)


@dataclass
class Site:
    """The namespaces and what runs in them."""

    prefix: str
    directory: Path
    keys: Keys
    stack: ExitStack
    agents: dict[str, Agent] = field(default_factory=dict)

    def agent(self, place: str, user: str | None = None) -> Agent:
        """A new agent for this place, the previous one having gone."""
        agent = Agent(f"{self.prefix}{place}", self.directory / place, self.keys.directory, user)
        self.agents[place] = agent
        self.stack.callback(agent.end)
        return agent

    def inside(self, place: str, *command: str) -> str:
        return run("ip", "netns", "exec", f"{self.prefix}{place}", *command)

    def block(self, gateway: int, protocol: str = "") -> None:
        """Drop what arrives at a gateway's public side: of one protocol, or all."""
        match = f"meta l4proto {protocol}" if protocol else ""
        text = (
            "table netdev blocked\ndelete table netdev blocked\n"
            "table netdev blocked {\nchain door {\ntype filter hook ingress device pub priority 0;\n"
            f"{match} drop\n}}\n}}\n"
        )
        self.load(f"g{gateway}", text)

    def unblock(self, gateway: int) -> None:
        self.load(f"g{gateway}", "table netdev blocked\ndelete table netdev blocked\n")

    def load(self, place: str, text: str) -> None:
        run("ip", "netns", "exec", f"{self.prefix}{place}", "nft", "-f", "-", stdin=text)

    def popen(self, place: str, *arguments: str) -> subprocess.Popen[str]:
        command = ("ip", "netns", "exec", f"{self.prefix}{place}", sys.executable)
        return subprocess.Popen((*command, *arguments), stdout=subprocess.PIPE, text=True)

    def up(self, *ways: tuple[int, Transport]) -> None:
        """Everything started, the client connected."""
        for place in ("s", "g0", "g1", "c"):
            self.agent(place)
        for transport in Transport:
            assert self.agents["s"].start(server(self.keys, transport)) == {}
        for index in range(len(GATEWAYS)):
            assert self.agents[f"g{index}"].start(door(self.keys, index)) == {}
            assert self.agents[f"g{index}"].start(gateway_proxy(self.keys, index)) == {}
        assert self.agents["c"].start(wrapper(self.keys)) == {}
        assert self.agents["c"].start(client(self.keys, *ways)) == {}
        until(lambda: self.agents["c"].report()["state"] == "connected")

    @contextmanager
    def probing(self, amount: float, what: str = "probe") -> Iterator[dict[str, float]]:
        """Probe end to end, so many seconds (`flood`: packets); the numbers are filled in when it is over."""
        found: dict[str, float] = {}
        module = ("-m", "tests.kernel.processes_agent", what, *map(str, INNER), str(amount))
        with self.popen("c", *module) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.3)
            yield found
            found.update(json.loads(process.stdout.readline()))


def until(condition: Callable[[], Any], seconds: float = 5.0) -> float:
    """Wait until it holds; how long that took. Fails when it takes too long."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - began


@contextmanager
def site(directory: Path, *, owner: int | None = None, named: bool = True) -> Iterator[Site]:
    """All namespaces, wired, with tun devices, packet rules of the gateways and an echo server."""
    # The kernel takes devices of a deleted namespace apart later: the next site needs names of its own.
    prefix = f"pr{os.getpid() % 1000}{next(_SITES)}-"
    with ExitStack() as stack:
        for place in ("c", "a", "g0", "g1", "s"):
            run("ip", "netns", "add", f"{prefix}{place}")
            stack.callback(run, "ip", "netns", "delete", f"{prefix}{place}")
            run("ip", "-n", f"{prefix}{place}", "link", "set", "lo", "up")
        _wire(stack, prefix)
        made = Site(prefix, directory, make_keys(directory / "keys"), stack)
        for place, device in (*(("c", f"cwtun{n}") for n in (1, 0)), *(("s", f"cw{t}{PORT}") for t in "ut")):
            _tun(made, place, device, owner=owner)
        for index, address in enumerate(GATEWAYS):
            made.inside(
                f"g{index}", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0"
            )
            tags = frozenset({tls_crypt.read_tag(made.keys.client_key)} if named else ())
            servers = frozenset({(SERVER, PORT)})
            relay = Relay("pub", "inside", address, DOOR, servers, tags=tags, unnamed=not named)
            tcp = Listener(device="pub", address=address, protocol="tcp", port=DOOR)
            text = ruleset.render(Policy(relays=frozenset({relay}), listeners=frozenset({tcp})))
            made.load(f"g{index}", text)
        stack.callback(_finish, made.popen("s", "-m", "tests.kernel.processes_agent", "echo", str(INNER[1])))
        yield made


def _finish(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def _wire(stack: ExitStack, prefix: str) -> None:
    plugs = {
        "pub": {"c": "198.51.100.50", "a": "198.51.100.66", "g0": "198.51.100.1", "g1": "198.51.100.2"},
        "inside": {"g0": "10.99.0.1", "g1": "10.99.0.2", "s": str(SERVER)},
    }
    for segment, places in plugs.items():
        bridge = f"{prefix}{segment[:3]}"
        run("ip", "link", "add", bridge, "type", "bridge")
        stack.callback(run, "ip", "link", "delete", bridge)
        run("ip", "link", "set", bridge, "up")
        for place, address in places.items():
            port = f"{prefix}{place}{segment[0]}"
            peer = ("peer", "name", segment, "netns", f"{prefix}{place}")
            run("ip", "link", "add", port, "type", "veth", *peer)
            stack.callback(run, "ip", "link", "delete", port)  # with its namespace it would go later
            run("ip", "link", "set", port, "master", bridge, "up")
            run("ip", "-n", f"{prefix}{place}", "address", "add", f"{address}/24", "dev", segment)
            run("ip", "-n", f"{prefix}{place}", "link", "set", segment, "up")


def _tun(made: Site, place: str, device: str, *, owner: int | None) -> None:
    local, peer = INNER if place == "c" else reversed(INNER)
    user = () if owner is None else ("user", str(owner))
    made.inside(place, "ip", "tuntap", "add", device, "mode", "tun", *user)
    made.inside(place, "ip", "address", "add", f"{local}/32", "dev", device)
    made.inside(place, "ip", "link", "set", device, "up", "txqueuelen", "2000")
    made.inside(place, "ip", "route", "replace", f"{peer}/32", "dev", device, "src", str(local))
