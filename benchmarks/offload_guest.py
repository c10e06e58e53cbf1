"""What bench-offload runs inside a booted appliance, with nothing but Python's standard library there.

Between tapp and sapp (`offload_world`) runs an OpenVPN pair, or nothing. Prints one line of JSON per result,
and what happens as other lines.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import offload_others
from benchmarks.offload_world import (
    BEHIND,
    build,
    choose_by_device,
    first_answer,
    flow,
    forget_choices,
    forward_plainly,
    ip,
)

WORK = Path("/run/bench-offload")
ENDS = ("tapp", "sapp")
DEVICE = "cwtun0"
INNER = {"tapp": ("10.255.0.2", "fd00:ff::2"), "sapp": ("10.255.0.1", "fd00:ff::1")}
REVERSE = "65536"
"""Where the kernel finds the way to an inner source, looked up as if this machine sent there."""
PEER = {4: "192.0.0.8", 6: "100::8"}
"""The address that OpenVPN and the kernel know the server's one client by (RFC 7600, RFC 6666)."""
_ICMP = {4: "1", 6: "58"}
OFFLOADED, USER_SPACE, FORWARDED = "offload", "user space", "forwarding"
WIREGUARD, ESP = "WireGuard", "ESP in UDP"
DONE = "all asked"
"""The last line of all."""
_COMMON = """\
dev {device}
dev-type tun
tun-mtu 1500
mssfix 0
persist-tun
persist-key
ifconfig-noexec
script-security 0
tls-version-min 1.2
auth SHA256
data-ciphers AES-256-GCM
ca ca.crt
sndbuf 1048576
rcvbuf 1048576
replay-window 2048 15
tls-timeout 1
verb 4
"""
_SERVER = """\
tls-server
dh none
proto udp4
local 10.10.0.20
lport 1194
keepalive 1 4
cert server.crt
key server.key
tls-crypt-v2 server.tlscrypt
remote-cert-tls client
"""
_CLIENT = """\
tls-client
nobind
proto udp4
remote 203.0.113.10 6180
ping 1
ping-restart 4
connect-retry 1 2
explicit-exit-notify 1
cert client.crt
key client.key
tls-crypt-v2 client.tlscrypt
remote-cert-tls server
"""
# As the agent configures them (plan/compile/openvpn_config.py).
_BY_PROCESS = "disable-dco\nfast-io\ntxqueuelen 2000\n"
_MODE_SERVER = "mode server\ntopology subnet\nclient-config-dir ccd\n"
_MODE_CLIENT = "pull\nroute-nopull\n"
_BEHIND_CLIENT = {
    USER_SPACE: "iroute 0.0.0.0 0.0.0.0\niroute-ipv6 ::/0\n",
    OFFLOADED: f"ifconfig-push {PEER[4]} 255.255.255.0\nifconfig-ipv6-push {PEER[6]}/64 100::9\n",
}


def start(machine: str, words: tuple[str, ...], log: Path) -> subprocess.Popen[bytes]:
    """Run a program in a machine."""
    with log.open("ab") as output:
        return subprocess.Popen(
            ("ip", "netns", "exec", machine, *words), cwd=WORK, stdout=output, stderr=subprocess.STDOUT
        )


@dataclass(slots=True)
class Pair:
    """Two OpenVPN processes."""

    kind: str
    user: tuple[str, ...] = ()
    """What drops rights before OpenVPN starts; nothing runs it as root."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def configure(self) -> None:
        """Write both ends' configurations."""
        (WORK / "ccd").mkdir(exist_ok=True)
        (WORK / "ccd/DEFAULT").write_text(_BEHIND_CLIENT[self.kind])
        common = _COMMON.format(device=DEVICE) + ("" if self.kind == OFFLOADED else _BY_PROCESS)
        ends = {
            "sapp": common + _SERVER + _MODE_SERVER,
            "tapp": common + _CLIENT + _MODE_CLIENT,
        }
        for machine, text in ends.items():
            (WORK / f"{machine}.conf").write_text(text)

    def launch(self, machine: str) -> None:
        """Start one end; an offloaded one makes its device itself, so that a leftover goes before."""
        if self.kind == OFFLOADED:
            ip(machine, "link", "del", DEVICE, check=False)
        elif not ip(machine, "link", "show", DEVICE, check=False):
            ip(machine, "tuntap", "add", "dev", DEVICE, "mode", "tun")
        words = (*self.user, "openvpn", "--config", f"{machine}.conf")
        self.processes[machine] = start(machine, words, WORK / f"{machine}.log")

    def equip(self, machine: str, *, patience: float = 60.0) -> float:
        """Addresses, routes and rules for the device, as soon as it is there; how many seconds that took."""
        began = time.monotonic()
        while not ip(machine, "link", "show", DEVICE, check=False):
            if time.monotonic() - began > patience:
                raise RuntimeError(f"no device in {machine}:\n{tail(machine)}")
            time.sleep(0.01)
        seen = time.monotonic() - began
        ip(machine, "link", "set", DEVICE, "mtu", "1500", "up")
        other = INNER["sapp" if machine == "tapp" else "tapp"]
        for address, peer, length in zip(INNER[machine], other, ("32", "128"), strict=True):
            ip(machine, "addr", "replace", address, "peer", f"{peer}/{length}", "dev", DEVICE)
        for version in (4, 6):
            if machine == "tapp":
                ip(machine, f"-{version}", "route", "replace", BEHIND[version], "dev", DEVICE)
            else:
                _policy(version, self.kind)
        return seen

    def stop(self) -> None:
        """End both and take away what they leave."""
        for machine in tuple(self.processes):
            self.end(machine, signal.SIGTERM)
        for machine in ENDS:
            ip(machine, "link", "del", DEVICE, check=False)
        forget_choices()

    def end(self, machine: str, number: signal.Signals) -> None:
        """End one process with this signal."""
        process = self.processes.pop(machine)
        process.send_signal(number)
        process.wait()


def _policy(version: int, kind: str) -> None:
    """The provider's end of OpenVPN."""
    by: tuple[str, ...] = ("dev", DEVICE)
    if kind == OFFLOADED:
        by = ("via", PEER[version], *by, "onlink")
        _reverse(version, by)
    choose_by_device(version, DEVICE, by)


def _reverse(version: int, by: tuple[str, ...]) -> None:
    """The way to any inner source leads by the peer, for lookups of no protocol: those of ovpn."""
    here = f"-{version}"
    ip("sapp", here, "rule", "flush", "pref", "1002", check=False)
    ip("sapp", here, "rule", "flush", "pref", "1003", check=False)
    for number in ("6", "17", _ICMP[version]):
        ip("sapp", here, "rule", "add", "pref", "1002", "iif", "lo", "ipproto", number, "lookup", "main")
    ip("sapp", here, "rule", "add", "pref", "1003", "iif", "lo", "lookup", REVERSE)
    ip("sapp", here, "route", "replace", "default", *by, "table", REVERSE)


def tail(machine: str, lines: int = 12) -> str:
    """The end of what an end's OpenVPN printed."""
    return "\n".join((WORK / f"{machine}.log").read_text(errors="replace").splitlines()[-lines:])


def tell(**facts: object) -> None:
    """One result."""
    print("RESULT " + json.dumps(facts), flush=True)


def measure(kind: str, seconds: float) -> None:
    """Both IP versions, one flow and four."""
    for version in (4, 6):
        for flows in (1, 4):
            tell(what="flow", kind=kind, version=version, flows=flows, **flow(version, flows, seconds))


def compare(given: Mapping[str, Any]) -> None:
    """Plain forwarding and each kind of tunnel, again and again."""
    keys = {end: offload_others.Keys(*map(bytes.fromhex, each)) for end, each in given["wireguard"].items()}
    others = {WIREGUARD: lambda: offload_others.wireguard(keys), ESP: offload_others.esp}
    user = tuple(given["user"])
    for _ in range(given["rounds"]):
        compare_once(given["seconds"], user)
        for kind, tunnel in others.items():
            with tunnel():
                _expect_answers(kind)
                measure(kind, given["seconds"])


def compare_once(seconds: float, user: tuple[str, ...]) -> None:
    """Plain forwarding, the tunnel by its process, the tunnel by the kernel."""
    forward_plainly("add")
    _expect_answers(FORWARDED)
    measure(FORWARDED, seconds)
    forward_plainly("del")
    for kind in (USER_SPACE, OFFLOADED):
        pair = Pair(kind, user if kind == OFFLOADED else ())
        bring_up(pair)
        tell(what="device", kind=kind, told=ip("sapp", "-d", "link", "show", DEVICE).split("\n")[2].strip())
        measure(kind, seconds)
        pair.stop()


def _expect_answers(kind: str) -> None:
    if first_answer() is None:
        raise RuntimeError(f"{kind}: no packet passes")


def bring_up(pair: Pair) -> float:
    """Start both ends and wait for packets to pass."""
    pair.configure()
    for machine in ("sapp", "tapp"):
        pair.launch(machine)
        pair.equip(machine)
    took = first_answer(patience=60.0)
    if took is None:
        raise RuntimeError(f"{pair.kind}: no packet passes\n{tail('sapp')}\n{tail('tapp')}")
    return took


def restarts(times: int, user: tuple[str, ...]) -> None:
    """Kill and start each end again, by itself: how long until a packet passes."""
    pair = Pair(OFFLOADED, user)
    bring_up(pair)
    for machine in ENDS:
        for number in range(times):
            began = time.monotonic()
            pair.end(machine, signal.SIGKILL)
            left = bool(ip(machine, "link", "show", DEVICE, check=False))
            pair.launch(machine)
            pair.equip(machine)
            passed = first_answer(patience=40.0) is not None
            took = time.monotonic() - began if passed else None
            tell(what="restart", end=machine, number=number, left=left, passed=took)
            if not passed:
                print(f"--- sapp\n{tail('sapp', 40)}\n--- tapp\n{tail('tapp', 40)}", flush=True)
    pair.stop()


def main(given: dict[str, Any]) -> None:
    """Do what was asked for."""
    WORK.mkdir(mode=0o755, exist_ok=True)
    for name, text in given["files"].items():
        (WORK / name).write_text(text)
    user = tuple(given["user"])
    build()
    jobs: dict[str, Callable[[], None]] = {
        "compare": lambda: compare(given),
        "restarts": lambda: restarts(given["restarts"], user),
    }
    for job in given["jobs"]:
        jobs[job]()
    print(DONE, flush=True)
