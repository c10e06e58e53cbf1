"""Machines' shells: network namespaces, wired to segments that are bridges in one more namespace.

Runs inside a sandbox only (see `sandbox`), where names are private. A machine's adapters are veth devices
`eth0`, `eth1`, ...; the other ends are ports of the bridges in the namespace `fabric`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from causeway_lab.world.topology import Kind, Machine, Port
from causeway_wire.types import MacAddress

FABRIC = "fabric"

_DIRECTORY = Path("/run/netns")
_CLONE_NEWNET = 0x4000_0000
_DEADLINE = 20.0
_QUIET = {
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/default/dad_transmits": "0",
    "net/ipv6/conf/default/accept_ra": "0",
    "net/ipv6/conf/default/router_solicitations": "0",
}
"""No duplicate detection and no router discovery: addresses work at once, nothing unasked is sent."""

_ROUTER = {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"}
_BRIDGE_FILTERS = ("iptables", "ip6tables", "arptables")

_libc = ctypes.CDLL(None, use_errno=True)


class WiringError(Exception):
    """A namespace, link or address could not be made; the message says which and why."""


@contextlib.contextmanager
def entered(name: str) -> Iterator[None]:
    """This thread is in the namespace while the block runs. The block must not await."""
    with _opened(Path("/proc/thread-self/ns/net")) as home:
        with _opened(_DIRECTORY / name) as there:
            _setns(there)
        try:
            yield
        finally:
            _setns(home)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise WiringError(f"there is no namespace {path.name}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "setns")


SocketFactory = Callable[[tuple[Any, ...]], socket.socket]


def socket_in(name: str) -> SocketFactory:
    """A factory for `aiohttp.TCPConnector(socket_factory=...)` whose connections start in the namespace."""

    def create(address_info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol = address_info[:3]
        return open_socket(name, family, kind, protocol)

    return create


def open_socket(name: str, family: int, kind: int, protocol: int = 0) -> socket.socket:
    """A non-blocking socket that lives in the namespace, wherever it is used."""
    with entered(name):
        opened = socket.socket(family, kind, protocol)
    opened.setblocking(False)  # noqa: FBT003 - positional only
    return opened


def within(name: str, *arguments: str) -> tuple[str, ...]:
    """The command line that runs these arguments in the namespace."""
    return ("nsenter", f"--net={_DIRECTORY / name}", "--", *arguments)


def run(name: str | None, *arguments: str, text: str = "") -> str:
    """Run a short command in the namespace, or here with None; its output. Raises WiringError."""
    place = entered(name) if name is not None else contextlib.nullcontext()
    with place:
        done = subprocess.run(
            arguments, input=text, capture_output=True, text=True, check=False, timeout=_DEADLINE
        )
    if done.returncode:
        where = f" in {name}" if name is not None else ""
        raise WiringError(f"{' '.join(arguments)}{where}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def create_fabric(segments: Sequence[str]) -> None:
    """The fabric namespace with a bridge per segment, none connected to another."""
    run(None, "ip", "netns", "add", FABRIC)
    lines: list[str] = []
    for index in range(len(segments)):
        lines.append(f"link add br{index} type bridge stp_state 0 forward_delay 0 mcast_snooping 0")
        lines.append(f"link set br{index} alias {segments[index]}")
        lines.append(f"link set br{index} up")
    batch(FABRIC, lines)
    with entered(FABRIC):
        for name in _BRIDGE_FILTERS:
            path = Path(f"/proc/sys/net/bridge/bridge-nf-call-{name}")
            if path.exists():  # only with br_netfilter loaded
                path.write_text("0", encoding="ascii")


def destroy_fabric() -> None:
    """Remove what joins machines, after them."""
    with contextlib.suppress(WiringError):  # none was made
        run(None, "ip", "netns", "delete", FABRIC)


def create(machines: Iterable[Machine], segments: Sequence[str]) -> None:
    """Namespaces with their adapters attached and down: machines that are powered off."""
    wanted = tuple(machines)
    batch(None, [f"netns add {machine.name}" for machine in wanted])
    for machine in wanted:
        with entered(machine.name):
            _write_sysctls({**_QUIET, **(_ROUTER if machine.kind is Kind.ROUTER else {})})
    lines: list[str] = []
    for machine in wanted:
        for index, port in enumerate(machine.ports):
            lines.extend(_cable(machine.name, index, port, segments))
    batch(FABRIC, lines)


def _cable(name: str, index: int, port: Port, segments: Sequence[str]) -> tuple[str, ...]:
    end = outlet(port.mac)
    return (
        f"link add {end} type veth peer name eth{index} address {port.mac} netns {name}",
        f"link set {end} master {bridge(port.segment, segments)} alias {name}:eth{index}",
    )


def create_tap(mac: MacAddress, segment: str, segments: Sequence[str]) -> str:
    """A port of a segment for an adapter of a machine that is no namespace; the tap device in the fabric.

    It has carrier while a process holds it. Repeating it is free.
    """
    tap = outlet(mac)
    with entered(FABRIC):
        present = Path(f"/proc/sys/net/ipv4/conf/{tap}").exists()
    if not present:
        run(FABRIC, "ip", "tuntap", "add", "dev", tap, "mode", "tap")
    batch(
        FABRIC,
        [
            f"link set {tap} master {bridge(segment, segments)} addrgenmode none",
            f"link set {tap} up",
        ],
    )
    return tap


def destroy_tap(mac: MacAddress) -> None:
    """Remove the tap device; nothing to do when there is none."""
    with contextlib.suppress(WiringError):
        run(FABRIC, "ip", "link", "delete", outlet(mac))


def outlet(mac: MacAddress) -> str:
    """The fabric's end of an adapter's cable; MAC addresses are unique, device names are short."""
    return "p" + mac.replace(":", "")


def bridge(segment: str, segments: Sequence[str]) -> str:
    """The fabric's bridge that is this segment."""
    return f"br{segments.index(segment)}"


def plug(machine: Machine) -> None:
    """Give every adapter carrier, as powering a machine on does, and a loopback device, as every system."""
    batch(machine.name, ["link set lo up"])
    batch(FABRIC, [f"link set {outlet(port.mac)} up" for port in machine.ports])


def unplug(machine: Machine) -> None:
    """Take every adapter's carrier away."""
    batch(FABRIC, [f"link set {outlet(port.mac)} down" for port in machine.ports])


def configure(machine: Machine) -> None:
    """Bring adapters up with the addresses and default routes of the topology; routers also translate."""
    lines = ["link set lo up"]
    for index, port in enumerate(machine.ports):
        lines.append(f"link set eth{index} up")
        lines.extend(f"address add {address} dev eth{index}" for address in port.addresses)
    lines.extend(f"route add default via {gateway}" for gateway in machine.gateways)
    lines.extend(f"route add {network} via {hop}" for network, hop in machine.routes)
    lines.extend(f"route add {network} dev eth0" for network in machine.led_inside)
    batch(machine.name, lines)
    if machine.kind is Kind.ROUTER:
        outside = f"eth{len(machine.ports) - 1}"
        families = {4: "ip", 6: "ip6"}
        kept = "".join(f"{families[net.version]} saddr {net} accept; " for net in machine.led_inside)
        text = (
            "table inet router { chain out { type nat hook postrouting priority 100; "
            f'{kept}oifname "{outside}" masquerade; }}; }}'
        )
        run(machine.name, "nft", "-f", "-", text=text)


def destroy(machine: Machine) -> None:
    """Remove the namespace and its cables; processes in it must have ended before."""
    for port in machine.ports:
        with contextlib.suppress(WiringError):  # gone already when the namespace was
            run(FABRIC, "ip", "link", "delete", outlet(port.mac))
    with contextlib.suppress(WiringError):
        run(None, "ip", "netns", "delete", machine.name)


def batch(name: str | None, lines: Sequence[str]) -> None:
    """Run these commands of ip(8) in the namespace, or here with None. Raises WiringError."""
    run(name, "ip", "-batch", "-", text="\n".join(lines) + "\n")


def _write_sysctls(values: dict[str, str]) -> None:
    for key, value in values.items():
        Path("/proc/sys", key).write_text(value, encoding="ascii")
