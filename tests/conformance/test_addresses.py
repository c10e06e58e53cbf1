"""A host tells under which addresses a machine runs: its guest's own word, or what the host has seen."""

from __future__ import annotations

from typing import Any

import pytest
from pyVim.task import WaitForTask
from pyVmomi import vim

from causeway_controller.hypervisors.base import FoundVm, Inspecting, unwatched
from causeway_controller.hypervisors.libvirt import binding
from causeway_lab.world import namespaces
from tests.conformance.kinds import OWNER, HypervKind, Kind, LibvirtKind, VsphereKind

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(60)]

_ADDRESS = "192.168.10.12"


async def listed(kind: Kind) -> FoundVm:
    provider = kind.direct()
    assert isinstance(provider, Inspecting)
    (found,) = (one for one in await provider.vms() if one.owner_id == OWNER)
    return found


def neighbours(kind: LibvirtKind) -> tuple[str, ...]:
    """Nothing where libvirt cannot read them: 9.0 says "wrong nlmsg len" on Linux 6.18; no list ends so."""

    def look(connection: Any) -> tuple[str, ...]:
        libvirt = binding.load()
        (one,) = connection.listAllDomains()
        try:
            one.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP)
        except libvirt.libvirtError:
            return ()
        return (_ADDRESS,)

    found: tuple[str, ...] = kind.daemon.ask(look)
    return found


@pytest.mark.shows(operation="list", fault="a guest has addresses")
async def test_a_machine_is_listed_with_the_addresses_that_it_runs_with(kind: Kind) -> None:
    provider = kind.direct()
    await provider.deploy(kind.spec, unwatched)
    await provider.power(OWNER, on=True, grace=0)
    before = await listed(kind)
    assert (before.addresses, before.seen) == ((), ())
    match kind:
        case LibvirtKind():
            # Nobody is in the machine: the host's kernel has it as a neighbour, as after a packet of its.
            mac = kind.spec.nics[1].mac
            bridge = ("dev", "cw-right")
            namespaces.run(
                None, "ip", "neigh", "replace", _ADDRESS, "lladdr", mac, "nud", "reachable", *bridge
            )
            found, known = await listed(kind), neighbours(kind)
            namespaces.run(None, "ip", "neigh", "del", _ADDRESS, *bridge)
            assert (found.addresses, found.seen) == ((), known)
        case VsphereKind():
            machine = kind.centre.named(vim.VirtualMachine, OWNER)
            spoken = vim.option.OptionValue(key="SET.guest.ipAddress", value=_ADDRESS)
            WaitForTask(machine.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=[spoken])))
            assert (await listed(kind)).addresses == (_ADDRESS,)
        case HypervKind():
            (vm,) = (one for one in kind.host.windows.vms if OWNER in one.notes)
            vm.nics[0].addresses = [_ADDRESS, "fe80::1"]
            assert (await listed(kind)).addresses == (_ADDRESS, "fe80::1")
            await provider.power(OWNER, on=False, grace=0)
            assert (await listed(kind)).addresses == (), "who is off has none, whatever was told last"
        case _:
            pass  # appliances of the lab tell none; its replicas are listed as its world has them
