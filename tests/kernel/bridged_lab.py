"""A production segment and a provider's VLAN, extended bridged by two appliances, with guests at both sides.

lan    10.1.0.0/24, fd10::/64: production host .10, the original of the replica .20 while it has not
       failed over, the tenant appliance's second vNIC
vlan   the same network at the provider: replica .20, another replica .21 that has not failed over
wan    192.0.2.0/24: provider appliance .1, tenant appliance .2
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from causeway_controller.trust import pki
from causeway_wire import codec
from causeway_wire.desired import (
    Desired,
    Extension,
    Management,
    Nic,
    Partial,
    ProductionNetwork,
    ProviderNetwork,
    ProviderRole,
    Remote,
    Replica,
    TenantRole,
    TunnelClient,
    TunnelServer,
)
from tests.kernel.processes_lab import CLIENT_NAME, GATEWAY_NAME, SERVER_NAME, Keys, make_keys, run, until

TUNNEL, PORT = "acme-web", 1195
HOST, REPLICA, OTHER = "10.1.0.10", "10.1.0.20", "10.1.0.21"
HOST6, REPLICA6, OTHER6 = "fd10::10", "fd10::20", "fd10::21"
MACS = {
    "host": "02:10:00:00:00:10",
    "original": "02:10:00:00:00:21",
    "replica": "02:10:00:00:00:20",
    "other": "02:10:00:00:00:22",
    "p-uplink": "02:10:00:00:01:01",
    "p-vlan": "02:10:00:00:01:02",
    "t-main": "02:10:00:00:02:01",
    "t-extension": "02:10:00:00:02:02",
}
GUESTS = {
    "host": ("lan", HOST, HOST6),
    "original": ("lan", None, None),
    "replica": ("vlan", REPLICA, REPLICA6),
    "other": ("vlan", OTHER, OTHER6),
}
PREFIXES = (ipaddress.ip_network("10.1.0.0/24"), ipaddress.ip_network("fd10::/64"))
_LABS = itertools.count()


class Appliance:
    """An appliance in its namespace."""

    def __init__(self, namespace: str, name: str, directory: Path, keys: Path) -> None:
        self.namespace = namespace
        self.directory = directory
        command = (sys.executable, "-m", "tests.kernel.bridged_appliance", name, str(directory), str(keys))
        self._log = (directory.parent / f"{name}.log").open("w")
        self._process = subprocess.Popen(
            ("ip", "netns", "exec", namespace, *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def apply(self, document: Desired) -> Any:
        return self.ask(f"apply {codec.encode(document).decode()}")

    def tunnel(self) -> Any:
        return self.ask("tunnels")[0]

    def drops(self, name: str) -> int:
        """Frames in a named counter."""
        return int(self.ask("counters")[name][0])

    def pid(self, name: str) -> int:
        record = json.loads((self.directory / "records" / name).read_text())
        return int(record["process"]["pid"])

    def ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, Path(self._log.name).read_text()
        return json.loads(answer)

    def kill(self) -> None:
        """The agent dies without a word; its processes stay."""
        self._process.kill()
        self._close()

    def end(self) -> None:
        """Stop everything."""
        if self._process.poll() is None:
            self._close()

    def _close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()
        self._log.close()


@dataclass
class Lab:
    """The segments, guests and appliances."""

    prefix: str
    directory: Path
    keys: Keys
    provider: Appliance = field(init=False)
    tenant: Appliance = field(init=False)

    def revive(self, name: str) -> None:
        """A new agent in the place of the one that died, if there was one."""
        place = name[0]
        namespace = f"{self.prefix}{place}"
        setattr(self, name, Appliance(namespace, name, self.directory / place, self.keys.directory))

    def inside(self, place: str, *command: str, check: bool = True) -> str:
        """Run a command in a namespace; what it printed."""
        full = ("ip", "netns", "exec", f"{self.prefix}{place}", *command)
        done = subprocess.run(full, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0 or not check, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout if done.returncode == 0 else ""

    def popen(self, place: str, *arguments: str) -> subprocess.Popen[str]:
        """Start `bridged_guest` in a namespace."""
        command = (sys.executable, "-m", "tests.kernel.bridged_guest", *arguments)
        return subprocess.Popen(
            ("ip", "netns", "exec", f"{self.prefix}{place}", *command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def guest(self, place: str, *arguments: str) -> Any:
        """Run `bridged_guest` in a namespace to its end; what it answered."""
        with self.popen(place, *arguments) as process:
            out, _ = process.communicate(timeout=20)
        return json.loads(out)

    def heard(self, place: str, ethertype: str, during: Callable[[], object]) -> Any:
        """What a guest hears of this EtherType while this is done, however long it takes."""
        with self.popen(place, "hear", ethertype, "on") as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert json.loads(process.stdout.readline()) == "ready"
            during()
            process.stdin.close()
            return json.loads(process.stdout.readline())

    def pings(self, place: str, address: str, *options: str) -> bool:
        """Whether one of three echo requests is answered."""
        command = ("ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", *options, address)
        return bool(self.inside(place, *command, check=False))

    def received(self, place: str) -> int:
        """Frames that a guest's adapter has received."""
        return int(
            json.loads(self.inside(place, "ip", "-s", "-j", "link", "show", "eth0"))[0]["stats64"]["rx"][
                "packets"
            ]
        )

    def begin(self, *replicas: str) -> None:
        """Fail these guests over and wait until the bridge is open."""
        assert self.provider.apply(provider_document(self.keys, *replicas)) == {"errors": [], "left": []}
        assert self.tenant.apply(tenant_document(self.keys, *replicas)) == {"errors": [], "left": []}

    def opened(self, seconds: float = 6.0) -> float:
        """Wait until production reaches the replica; how long that took."""
        return until(lambda: self.pings("host", REPLICA, "-c", "1", "-W", "0.2"), seconds)

    @contextmanager
    def second_path(self) -> Iterator[None]:
        """Join the two segments by a cable."""
        ends = (f"{self.prefix}x0", f"{self.prefix}x1")
        run("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        try:
            for end, segment in zip(ends, ("lan", "vlan"), strict=True):
                run("ip", "link", "set", end, "master", f"{self.prefix}{segment}", "up")
            yield
        finally:
            run("ip", "link", "delete", ends[0])

    @contextmanager
    def flooded(self, segment: str) -> Iterator[None]:
        """The segment's switch learns nobody and keeps nothing to itself: the appliance hears all that is
        said there, as in a port group that is promiscuous.
        """
        command = ("ip", "link", "set", f"{self.prefix}{segment}", "type", "bridge")
        run(*command, "ageing_time", "0", "group_fwd_mask", "0xfff8")
        try:
            yield
        finally:
            run(*command, "ageing_time", "30000", "group_fwd_mask", "0")


def replica(name: str) -> Replica:
    four, six = GUESTS[name][1:]
    addresses = tuple(ipaddress.ip_address(text) for text in (four, six) if text is not None)
    return Replica(vm=name, network="net-0", addresses=addresses, macs=(MACS[name],))


def _management(address: str, nic: str) -> Management:
    sources = (ipaddress.ip_network("192.0.2.0/24"),)
    return Management(nic=nic, address=ipaddress.ip_address(address), sources=sources)


def _nic(name: str, mac: str, *addresses: str) -> Nic:
    return Nic(name=name, mac=MACS[mac], addresses=tuple(map(ipaddress.ip_interface, addresses)))


def provider_document(keys: Keys, *replicas: str) -> Desired:
    """The provider's end, with these guests failed over."""
    tunnel = TunnelServer(
        id=TUNNEL,
        inner=(),
        listen=ipaddress.ip_address("192.0.2.1"),
        port=PORT,
        key=SERVER_NAME,
        certificate=keys.issue(keys.vpn, SERVER_NAME, pki.Usage.SERVER),
        ca=keys.vpn.pem,
        peer_name=CLIENT_NAME,
        tls_crypt=keys.server_key,
        extension=Extension.BRIDGED,
    )
    network = ProviderNetwork(id="net-0", nic="vlan", prefixes=PREFIXES, tunnel=tunnel)
    role = ProviderRole(
        tenant="acme",
        uplink="uplink",
        networks=(network,),
        failover=Partial(replicas=tuple(map(replica, replicas))),
    )
    nics = (_nic("uplink", "p-uplink", "192.0.2.1/24"), _nic("vlan", "p-vlan"))
    management = _management("192.0.2.1", "uplink")
    return Desired(appliance="provider", generation=1, epoch=1, management=management, nics=nics, role=role)


def tenant_document(keys: Keys, *replicas: str) -> Desired:
    """The tenant's end, with these guests failed over."""
    tunnel = TunnelClient(
        id=TUNNEL,
        inner=(),
        remotes=(Remote(address=ipaddress.ip_address("192.0.2.1"), port=PORT),),
        key=CLIENT_NAME,
        certificate=keys.issue(keys.vpn, CLIENT_NAME, pki.Usage.CLIENT),
        ca=keys.vpn.pem,
        peer_name=SERVER_NAME,
        tls_crypt=keys.client_key,
        gateway_ca=keys.gateways.pem,
        gateway_name=GATEWAY_NAME,
        extension=Extension.BRIDGED,
    )
    role = TenantRole(
        tenant="acme",
        network=ProductionNetwork(id="net-0", nic="extension", prefixes=PREFIXES),
        tunnel=tunnel,
        failover=Partial(replicas=tuple(map(replica, replicas))),
    )
    nics = (_nic("main", "t-main", "192.0.2.2/24"), _nic("extension", "t-extension"))
    management = _management("192.0.2.2", "main")
    return Desired(appliance="tenant", generation=1, epoch=1, management=management, nics=nics, role=role)


@contextmanager
def lab(directory: Path) -> Iterator[Lab]:
    """Everything wired; nothing failed over."""
    prefix = f"b{os.getpid() % 1000}{next(_LABS)}"
    with ExitStack() as stack:
        for segment in ("lan", "vlan", "wan"):
            run("ip", "link", "add", f"{prefix}{segment}", "type", "bridge", "mcast_snooping", "0")
            stack.callback(run, "ip", "link", "delete", f"{prefix}{segment}")
            run("sysctl", "-qw", f"net.ipv6.conf.{prefix}{segment}.disable_ipv6=1")
            run("ip", "link", "set", f"{prefix}{segment}", "up")
        for place in (*GUESTS, "p", "t"):
            run("ip", "netns", "add", f"{prefix}{place}")
            stack.callback(run, "ip", "netns", "delete", f"{prefix}{place}")
            run("ip", "-n", f"{prefix}{place}", "link", "set", "lo", "up")
        for name, (segment, four, six) in GUESTS.items():
            _plug(prefix, segment, name, "eth0", MACS[name])
            for address in (f"{four}/24" if four else None, f"{six}/64" if six else None):
                if address is not None:
                    run("ip", "-n", f"{prefix}{name}", "address", "add", address, "dev", "eth0", "nodad")
        _plug(prefix, "wan", "p", "eth0", MACS["p-uplink"])
        _plug(prefix, "vlan", "p", "eth1", MACS["p-vlan"])
        _plug(prefix, "wan", "t", "eth0", MACS["t-main"])
        _plug(prefix, "lan", "t", "eth1", MACS["t-extension"])
        made = Lab(prefix, directory, make_keys(directory / "keys"))
        for name in ("provider", "tenant"):
            made.revive(name)
        try:
            yield made
        finally:
            made.provider.end()
            made.tenant.end()


def _plug(prefix: str, segment: str, place: str, device: str, mac: str) -> None:
    port = f"{prefix}{place[:4]}{device[-1]}"
    peer = ("peer", "name", device, "address", mac, "netns", f"{prefix}{place}")
    run("ip", "link", "add", port, "type", "veth", *peer)
    run("ip", "link", "set", port, "master", f"{prefix}{segment}", "up")
    run("ip", "-n", f"{prefix}{place}", "link", "set", device, "up")
