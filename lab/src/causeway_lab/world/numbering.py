"""The addresses of the lab's networks; where a host has one of each IP version, the digits read the same."""

from __future__ import annotations

import ipaddress

from causeway_wire.types import IPAddress, IPInterface


def production(index: int, host: int) -> tuple[IPInterface, IPInterface]:
    """Both addresses of a host on production network `index` (0, 1): the decimal digits read the same.

    The second one is no /64: whoever works only where guests could make their own addresses is found out.
    """
    tens, length = 10 * (index + 1), (64, 80)[index]
    return (
        ipaddress.ip_interface(f"192.168.{tens}.{host}/24"),
        ipaddress.ip_interface(f"2001:db8:{tens}::{host}/{length}"),
    )


def internet(host: int) -> tuple[IPInterface, IPInterface]:
    return (
        ipaddress.ip_interface(f"203.0.113.{host}/24"),
        ipaddress.ip_interface(f"2001:db8:ffff::{host}/64"),
    )


def sp(host: int) -> tuple[IPInterface, IPInterface]:
    return (
        ipaddress.ip_interface(f"10.10.0.{host}/24"),
        ipaddress.ip_interface(f"2001:db8:5::{host}/64"),
    )


def public(number: int) -> tuple[IPAddress, ...]:
    """A public address of each family."""
    return (
        ipaddress.ip_address(f"198.51.100.{number}"),
        ipaddress.ip_address(f"2001:db8:51::{number}"),
    )


def ips(interfaces: tuple[IPInterface, ...]) -> tuple[IPAddress, ...]:
    return tuple(interface.ip for interface in interfaces)
