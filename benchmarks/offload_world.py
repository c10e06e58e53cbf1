"""The machines of bench-offload as namespaces inside a booted appliance, and traffic between two of them.

    vm - tapp - gw (DNAT) - sapp - rep

Packets are as large as the segments of the wires, never more: offloads that hand whole batches through would
hide what a packet costs. Wires outside take the tunnel's packets whole. Nothing but Python's standard library
is there.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

MACHINES = ("vm", "tapp", "gw", "sapp", "rep")
OUTSIDE_MTU = 1700
FAR = {4: "192.168.20.12", 6: "fd00:20::12"}
NEAR = {4: "192.168.10.0/24", 6: "fd00:10::/64"}
BEHIND = {4: "192.168.20.0/24", 6: "fd00:20::/64"}
PORT = 5201
TABLE = "1195"
"""Of the provider's end, for what enters by the tunnel or by the replica's network."""
_CHOICES = ("1000", "1002", "1003")
"""What is asked before the main table there."""
ADDRESSES = (
    ("vm", "eth0", "192.168.10.11/24", "fd00:10::11/64"),
    ("tapp", "lan", "192.168.10.250/24", "fd00:10::250/64"),
    ("tapp", "wan", "203.0.113.2/24", "fd00:1::2/64"),
    ("gw", "pub", "203.0.113.10/24", "fd00:1::10/64"),
    ("gw", "inside", "10.10.0.5/24", "fd00:2::5/64"),
    ("sapp", "upl", "10.10.0.20/24", "fd00:2::20/64"),
    ("sapp", "vlan", "192.168.20.251/24", "fd00:20::251/64"),
    ("rep", "eth0", f"{FAR[4]}/24", f"{FAR[6]}/64"),
)
"""Of the machines, by device."""
DEFAULTS = (
    ("vm", "192.168.10.250"),
    ("vm", "fd00:10::250"),
    ("rep", "192.168.20.251"),
    ("rep", "fd00:20::251"),
)
Rows = tuple[tuple[str, ...], ...]
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_BUFFER = 1 << 17
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
"""sched.h; os.setns is in later versions of Python than this project's oldest."""
_RELAY = """\
table ip relay {
  chain pre { type nat hook prerouting priority dstnat; udp dport 6180 dnat to 10.10.0.20:@PORT@; }
  chain post { type nat hook postrouting priority srcnat; ct status dnat masquerade; }
}
"""


def ip(machine: str | None, *words: str, check: bool = True) -> str:
    """Configure a machine with iproute2; what that prints."""
    place = () if machine is None else ("-n", machine)
    done = subprocess.run(("ip", *place, *words), check=False, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join((*place, *words))}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def inside(machine: str) -> Iterator[None]:
    """This thread in the machine's network namespace while the block runs."""
    with Path("/proc/self/ns/net").open() as home, Path(f"/run/netns/{machine}").open() as place:
        _enter(place.fileno())
        try:
            yield
        finally:
            _enter(home.fileno())


def _enter(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def build(addresses: Rows = ADDRESSES, defaults: Rows = DEFAULTS, *, server_port: int = 1194) -> None:
    """Machines, wires, addresses, the relay to the port of sapp's VPN server."""
    for module in ("veth", "tun", "ovpn"):
        subprocess.run(("modprobe", module), check=True)
    for machine in MACHINES:
        ip(None, "netns", "add", machine)
        ip(machine, "link", "set", "lo", "up")
        with inside(machine):
            for key, value in (
                ("net/ipv4/ip_forward", "1"),
                ("net/ipv4/conf/all/rp_filter", "0"),
                ("net/ipv6/conf/all/disable_ipv6", "0"),
                ("net/ipv6/conf/default/disable_ipv6", "0"),
                ("net/ipv6/conf/all/forwarding", "1"),
                ("net/ipv6/conf/default/accept_dad", "0"),
                ("net/ipv6/conf/all/accept_dad", "0"),
            ):
                (Path("/proc/sys") / key).write_text(value)
    _wire("vm", "eth0", "tapp", "lan", 1500)
    _wire("tapp", "wan", "gw", "pub", OUTSIDE_MTU)
    _wire("gw", "inside", "sapp", "upl", OUTSIDE_MTU)
    _wire("sapp", "vlan", "rep", "eth0", 1500)
    for machine, device, *held in addresses:
        for address in held:
            ip(machine, "addr", "add", address, "dev", device)
    for machine, via in defaults:
        ip(machine, "route", "add", "default", "via", via)
    rules = _RELAY.replace("@PORT@", str(server_port))
    with inside("gw"):
        subprocess.run(("nft", "-f", "-"), input=rules, text=True, check=True)


def _wire(one: str, name: str, other: str, end: str, mtu: int) -> None:
    ip(None, "link", "add", "va", "type", "veth", "peer", "name", "vb")
    for temporary, machine, device in (("va", one, name), ("vb", other, end)):
        ip(None, "link", "set", temporary, "netns", machine, "name", device)
        # One segment at a time, as it comes from a wire.
        ip(machine, "link", "set", device, "mtu", str(mtu), "gso_max_segs", "1", "up")


def forward_plainly(action: str) -> None:
    """`add` or `del` routes without a tunnel."""
    for machine, to, vias in (
        ("tapp", BEHIND, ("203.0.113.10", "fd00:1::10")),
        ("gw", BEHIND, ("10.10.0.20", "fd00:2::20")),
        ("gw", NEAR, ("203.0.113.2", "fd00:1::2")),
        ("sapp", NEAR, ("10.10.0.5", "fd00:2::5")),
    ):
        for version, via in zip((4, 6), vias, strict=True):
            ip(machine, f"-{version}", "route", action, to[version], "via", via)


def choose_by_device(version: int, device: str, by: tuple[str, ...]) -> None:
    """The provider's end: a table chosen by the device that a packet enters by, nothing in the main one."""
    here = f"-{version}"
    for enters in ("vlan", device):
        ip("sapp", here, "rule", "del", "iif", enters, "lookup", TABLE, check=False)
        ip("sapp", here, "rule", "add", "pref", "1000", "iif", enters, "lookup", TABLE)
    for prefix in (NEAR[version], "default"):
        ip("sapp", here, "route", "replace", prefix, *by, "table", TABLE)
    ip("sapp", here, "route", "replace", FAR[version], "dev", "vlan", "table", TABLE)


def forget_choices() -> None:
    """Take the provider's tables and rules away: the next kind of way finds none of them."""
    for here in ("-4", "-6"):
        for preference in _CHOICES:
            ip("sapp", here, "rule", "flush", "pref", preference, check=False)
        ip("sapp", here, "route", "flush", "table", TABLE, check=False)


def first_answer(version: int = 4, *, patience: float = 30.0, far: Mapping[int, str] = FAR) -> float | None:
    """Seconds until a question from VM to replica is answered; None when none is in time."""
    with inside("vm"):
        asking = socket.socket(FAMILIES[version], socket.SOCK_DGRAM)
    with inside("rep"):
        answering = socket.socket(asking.family, socket.SOCK_DGRAM)
        answering.bind(("", PORT))
    began = time.monotonic()
    with asking, answering:
        asking.settimeout(0)
        answering.settimeout(0)
        while time.monotonic() - began < patience:
            with contextlib.suppress(OSError):
                asking.sendto(b"q", (far[version], PORT))
            time.sleep(0.02)
            with contextlib.suppress(OSError):
                while True:
                    _, who = answering.recvfrom(64)
                    answering.sendto(b"a", who)
            time.sleep(0.005)
            with contextlib.suppress(OSError):
                asking.recvfrom(64)
                return time.monotonic() - began
    return None


def busy() -> float:
    """Seconds that this machine's processors have worked."""
    words = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _, _, irq, softirq = words[:7]
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def switches() -> int:
    """How often a processor of this machine has changed from one process to another."""
    lines = Path("/proc/stat").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("ctxt ")).split()[1])


def received(machine: str, device: str) -> int:
    """Packets that a device has received."""
    rows = json.loads(ip(machine, "-j", "-s", "link", "show", device))
    return int(rows[0]["stats64"]["rx"]["packets"])


def flow(version: int, flows: int, seconds: float) -> dict[str, float]:
    """TCP from VM to replica: Mbit/s, packets, what the processors worked for them, changes of process."""
    with inside("rep"):
        listener = socket.create_server(("", PORT), family=FAMILIES[version], backlog=flows)
    stopped, counts = threading.Event(), [0] * flows
    with inside("vm"):
        senders = [socket.create_connection((FAR[version], PORT), timeout=20) for _ in range(flows)]
    takers = [listener.accept()[0] for _ in range(flows)]

    def send(one: socket.socket) -> None:
        content = bytes(_BUFFER)
        with contextlib.suppress(OSError):
            while not stopped.is_set():
                one.sendall(content)

    def take(place: int, one: socket.socket) -> None:
        room = bytearray(_BUFFER)
        with contextlib.suppress(OSError):
            while count := one.recv_into(room):
                counts[place] += count

    threads = [threading.Thread(target=send, args=(each,), daemon=True) for each in senders]
    threads += [threading.Thread(target=take, args=pair, daemon=True) for pair in enumerate(takers)]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 3)
    began, octets, packets, worked = time.monotonic(), sum(counts), received("rep", "eth0"), busy()
    changed = switches()
    time.sleep(seconds)
    took, octets = time.monotonic() - began, sum(counts) - octets
    packets, worked, changed = received("rep", "eth0") - packets, busy() - worked, switches() - changed
    stopped.set()
    for one in (*senders, *takers, listener):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
    for thread in threads:
        thread.join(5)
    done = {"packets": float(packets), "busy": worked, "switches": float(changed)}
    return {"mbits": octets * 8 / took / 1e6, "seconds": took, **done}
