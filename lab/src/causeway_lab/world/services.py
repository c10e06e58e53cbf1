"""What a lab's tenant publishes in full failover: services of its VMs on its public addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from causeway_controller.inventory.tenancy import Vm
from causeway_lab.world import probes
from causeway_wire.public_rules import Protocol, PublicRule
from causeway_wire.types import IPAddress, VmName

WEB_PORT, APP_PORT, SHELL_PORT, ECHO_PORT, SECOND_ECHO_PORT = 80, 8080, 2222, 7007, 7008


def published(
    vms: Mapping[VmName, Vm], first: tuple[IPAddress, ...], second: tuple[IPAddress, ...]
) -> tuple[PublicRule, ...]:
    """The tenant's rules; `first` and `second` are a public address of each family."""
    return tuple(rule for pair in (first, second) for rule in _rules(vms, pair, main=pair is first))


def _rules(vms: Mapping[VmName, Vm], public: tuple[IPAddress, ...], *, main: bool) -> Iterator[PublicRule]:
    if not main:
        yield from _service("app", vms.get("app2"), public, APP_PORT, probes.HTTP_PORT)
        return
    yield from _service("web", vms.get("web1"), public, WEB_PORT, probes.HTTP_PORT)
    yield from _service("shell", vms.get("web1"), public, SHELL_PORT, probes.SSH_PORT)
    yield from _service("echo", vms.get("db1"), public, ECHO_PORT, probes.ECHO_PORT)
    yield from _service("second-echo", vms.get("db1"), public, SECOND_ECHO_PORT, probes.ECHO_PORT)
    yield from _service(
        "datagrams", vms.get("db1"), public, ECHO_PORT, probes.ECHO_PORT, protocol=Protocol.UDP
    )


def _service(
    name: str,
    vm: Vm | None,
    public: tuple[IPAddress, ...],
    public_port: int,
    port: int,
    *,
    protocol: Protocol = Protocol.TCP,
) -> Iterator[PublicRule]:
    """One rule for each family of a VM that the lab has."""
    for outside, inside in zip(public, () if vm is None else vm.addresses, strict=False):
        yield PublicRule(
            id=f"{name}-{outside.version}",
            public_address=outside,
            public_port=public_port,
            internal_address=inside,
            internal_port=port,
            protocol=protocol,
            vm=None if vm is None else vm.name,
        )
