"""Two connected adapters in the sandbox's kernel, and short ways to write objects on them."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator

from causeway_agent.plan.model.objects import Address, KernelObject, Route, Tun
from causeway_agent.plan.model.target import Observation

NIC = "cwtest0"
OTHER = "cwtest1"


def other_user() -> int:
    """A user other than ours, if this user namespace has more than one."""
    _, _, users = pathlib.Path("/proc/self/uid_map").read_text(encoding="ascii").split()[:3]
    return 1234 if int(users) > 1234 else os.getuid()


TUN = Tun(device="cwu1195", mtu=1400, queue_length=2000, owner=other_user())


def address(text: str, **options: object) -> Address:
    return Address(device=NIC, interface=ipaddress.ip_interface(text), **options)  # type: ignore[arg-type]


def route(text: str, device: str = NIC, **options: object) -> Route:
    return Route(destination=ipaddress.ip_network(text), device=device, **options)  # type: ignore[arg-type]


def everything(seen: Observation) -> frozenset[KernelObject]:
    devices: set[KernelObject] = {
        *seen.links,
        *seen.vlans,
        *seen.tuns,
        *seen.lent,
        *seen.bridges,
        *seen.ports,
    }
    rest: set[KernelObject] = {*seen.addresses, *seen.routes, *seen.rules, *seen.proxies, *seen.sysctls}
    return frozenset(devices | rest)


def ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
    return done.stdout


@contextlib.contextmanager
def adapters() -> Iterator[None]:
    """Both adapters, up; on exit they are gone with all that tests left."""
    ip("link", "add", NIC, "type", "veth", "peer", "name", OTHER)
    try:
        ip("link", "set", NIC, "up")
        ip("link", "set", OTHER, "up")
        yield
    finally:
        ip("link", "delete", NIC)
        for link in json.loads(ip("-json", "link", "show")):
            if link["ifname"].startswith(("cwu", "cwt1", "cwb", "cwv")):
                ip("link", "delete", link["ifname"])
        for version in ("-4", "-6"):
            flush(version, "rule", "flush", "protocol", "202")
            for table in ("main", "1195", "70000"):
                flush(version, "route", "flush", "table", table, "proto", "202")


def flush(*arguments: str) -> None:
    """A flush fails where there is nothing to flush."""
    subprocess.run(["ip", *arguments], check=False, capture_output=True)
