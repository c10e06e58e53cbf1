"""Namespaces, cables, packets and counters for tests of rulesets. Runs inside private namespaces only."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

BOX, UPLINK, VLAN, FAR = "cwr-box", "cwr-uplink", "cwr-vlan", "cwr-far"
"""An appliance, a host on its uplink, its VLAN, and what is behind its tunnel or public adapter."""


def run(*arguments: str, text: str | None = None, check: bool = True) -> str:
    done = subprocess.run(arguments, input=text, capture_output=True, text=True, check=False)
    if check and done.returncode:
        pytest.fail(f"{' '.join(arguments)}: {done.stderr or done.stdout}")
    return done.stdout if done.returncode == 0 else ""


def within(space: str, *arguments: str, check: bool = True) -> str:
    return run("ip", "netns", "exec", space, *arguments, check=check)


def python(space: str, script: str, *arguments: str) -> str:
    return within(space, sys.executable, "-c", textwrap.dedent(script), *arguments).strip()


@contextmanager
def beside(space: str, script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A script that runs meanwhile: it has said `ready`, may read and say more, and is ended in the end."""
    command = ("ip", "netns", "exec", space, sys.executable, "-c", textwrap.dedent(script), *arguments)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def load(text: str) -> None:
    run("ip", "netns", "exec", BOX, "nft", "-f", "-", text=text)


def drops() -> dict[str, int]:
    listed = json.loads(within(BOX, "nft", "-j", "list", "counters"))["nftables"]
    return {entry["counter"]["name"]: entry["counter"]["packets"] for entry in listed if "counter" in entry}


@contextmanager
def counted(name: str) -> Iterator[None]:
    """At least one packet must be dropped for this reason."""
    before = drops()[name]
    yield
    assert drops()[name] > before, name


def pings(space: str, destination: str, *, source: str) -> bool:
    return bool(within(space, "ping", "-c1", "-W1", "-I", source, destination, check=False))


def build(*cables: tuple[str, str]) -> None:
    for space in (BOX, UPLINK, VLAN, FAR):
        run("ip", "netns", "add", space)
        within(space, "ip", "link", "set", "lo", "up")
        within(space, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
    for device, space in cables:
        run("ip", "-n", BOX, "link", "add", device, "type", "veth", "peer", "name", "host", "netns", space)
        run("ip", "-n", BOX, "link", "set", device, "up")
        run("ip", "-n", space, "link", "set", "host", "up")
    within(BOX, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")


@contextmanager
def segment(nic: str, space: str, *settings: str) -> Iterator[None]:
    """Wire an adapter of ours to `host` in a namespace, with these settings of its kernel (`accept_ra=1`)."""
    run("ip", "netns", "add", space)
    try:
        run("ip", "link", "add", nic, "type", "veth", "peer", "name", "host", "netns", space)
        within(space, "sysctl", "-qw", *(f"net.ipv6.conf.host.{setting}" for setting in settings))
        run("ip", "-n", space, "link", "set", "host", "up")
        run("ip", "link", "set", nic, "up")
        yield
    finally:
        run("ip", "link", "delete", nic, check=False)
        run("ip", "netns", "delete", space, check=False)


def addresses(space: str, device: str, *listed: str) -> None:
    for address in listed:
        nodad = ("nodad",) if ":" in address else ()
        run("ip", "-n", space, "addr", "add", address, "dev", device, *nodad)


@contextmanager
def between() -> Iterator[None]:
    """An appliance that has `eth0` in the provider's network, and `eth1` in a public one."""
    build(("eth0", UPLINK), ("eth1", FAR))
    try:
        addresses(BOX, "eth0", "10.9.0.2/24", "2001:db8:9::2/64")
        addresses(BOX, "eth1", "203.0.113.10/24", "2001:db8:f::10/64")
        addresses(UPLINK, "host", "10.9.0.20/24", "2001:db8:9::20/64")
        addresses(FAR, "host", "203.0.113.77/24", "2001:db8:f::77/64")
        yield
    finally:
        tear_down()


def tear_down() -> None:
    for space in (BOX, UPLINK, VLAN, FAR):
        run("ip", "netns", "del", space, check=False)
