"""Partial failover, told and proved: one VM fails over, what holds meanwhile, and the way back."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo import proofs
from causeway_lab.demo.claims import Ledger, require
from causeway_lab.service import drill
from causeway_lab.world import topology
from causeway_lab.world.topology import original_of, replica_of

FAILED_OVER = VmRef("acme", "db1")
OTHER_TENANT = VmRef("globex", "db1")


class PartialChapters:
    """A VM fails over and back."""

    def __init__(self, lab: Lab, ledger: Ledger, measures: list[drill.Measure]) -> None:
        self._lab = lab
        self._ledger = ledger
        self._measures = measures

    async def before(self) -> None:
        """Production works, and the guard holds."""
        ledger, lab, ref = self._ledger, self._lab, FAILED_OVER
        web = lab.machines.console(original_of("acme", "web1"))
        client = proofs.addresses_of(lab, web.name)
        ledger.chapter("Production, before anything happens")
        await ledger.claim(
            f"{ref} answers in production",
            proofs.reachable(web, lab.vm(ref).addresses, host=original_of(ref.tenant, ref.vm), client=client),
        )
        await ledger.claim(
            "While the original answers, a failover is refused and taken back", proofs.guarded(lab, ref)
        )

    async def disaster(self) -> None:
        """One VM is lost and fails over."""
        ledger, lab, ref = self._ledger, self._lab, FAILED_OVER
        web = lab.machines.console(original_of("acme", "web1"))
        ledger.chapter(f"{ref} loses its power")
        await lab.machines.power_off(original_of(ref.tenant, ref.vm))
        await ledger.claim(f"{ref} is unreachable", proofs.silent(web, lab.vm(ref).addresses))
        ledger.chapter(f"Partial failover of {ref}")
        await ledger.claim(f"{ref} fails over", self._fail_over([ref]))

    async def extended(self) -> None:
        """Both sites are one network."""
        ledger, lab, ref = self._ledger, self._lab, FAILED_OVER
        web = lab.machines.console(original_of("acme", "web1"))
        replica = lab.machines.console(replica_of(ref.tenant, ref.vm))
        addresses = lab.vm(ref).addresses
        ledger.chapter("One network for both sites")
        await ledger.claim(
            "Production reaches the replica at the unchanged addresses (ping, HTTP; IPv4, IPv6)",
            proofs.reachable(web, addresses, host=replica.name, client=proofs.addresses_of(lab, web.name)),
        )
        await ledger.claim(
            "The replica reaches production, and is seen at its unchanged addresses",
            proofs.reachable(
                replica,
                lab.vm(VmRef("acme", "web1")).addresses,
                host=web.name,
                client=addresses,
            ),
        )
        await ledger.claim(
            "Packets of every size pass as on a LAN",
            proofs.transparent(web, addresses[0], speed=lab.pace),
        )
        await ledger.claim(
            "The replica's way to the internet is the production gateway",
            proofs.leaves_through_production(
                replica, proofs.router_addresses(lab, "acme"), proofs.internet_of(lab, "acme")
            ),
        )
        await ledger.claim(
            "At the cloud gateways only encrypted packets on port 6180 are seen",
            proofs.encrypted(lab, web, addresses),
        )

    async def separated(self) -> None:
        """What must not meet does not."""
        ledger, lab, ref, other = self._ledger, self._lab, FAILED_OVER, OTHER_TENANT
        web = lab.machines.console(original_of("acme", "web1"))
        old, old_addresses = proofs.old_replica(lab, "acme")
        ledger.chapter("What stays apart")
        await ledger.claim(
            "A replica that is not failed over is invisible in production", proofs.silent(web, old_addresses)
        )
        await ledger.claim(
            "and reaches nothing there",
            proofs.silent(old, lab.vm(VmRef("acme", "web1")).addresses),
        )
        await ledger.claim(f"{other}, with the same addresses, fails over at the same time", self._second())
        await ledger.claim("Each tenant meets its own VM only", proofs.apart(lab, ref, other))
        if lab.machines.powered_on(replica_of(other.tenant, other.vm)):
            await self._probes(other)
        outside = lab.machines.console(topology.INTERNET_HOST)
        doors = [
            (address.ip, port)
            for gateway in lab.topology.gateways
            for address in gateway.public.addresses
            for port in (proofs.SSH_PORT, proofs.AGENT_PORT)
        ]
        await ledger.claim(
            "From the internet, the gateways' management is closed", proofs.closed(outside, doors)
        )

    async def _probes(self, other: VmRef) -> None:
        ledger, lab = self._ledger, self._lab
        intruder = lab.replica(other)
        victim = lab.machines.console(original_of(other.tenant, "web1"))
        await ledger.claim(
            f"{other.tenant} opens no appliance, not its own either, and no host of the provider",
            proofs.closed(intruder, proofs.forbidden_doors(lab, other.tenant)),
        )
        for forged in ("10.10.0.2", "192.168.20.11"):
            await ledger.claim(
                f"{other.tenant} cannot send as {forged}",
                proofs.unspoofable(
                    intruder,
                    victim,
                    lab.vm(VmRef(other.tenant, "web1")).addresses[0],
                    ipaddress.ip_address(forged),
                ),
            )

    async def undone(self) -> None:
        """The failover ends."""
        ledger, lab, ref = self._ledger, self._lab, FAILED_OVER
        web = lab.machines.console(original_of("acme", "web1"))
        ledger.chapter(f"Undo of {ref}")
        await ledger.claim(f"The failover of {ref} ends", self._undo(ref))
        await ledger.claim(f"{ref} is unreachable again", proofs.silent(web, lab.vm(ref).addresses))
        await lab.machines.power_on(original_of(ref.tenant, ref.vm))
        await ledger.claim("The original is back at its addresses", proofs.returned(lab, ref, web))
        other = OTHER_TENANT
        neighbour = lab.neighbour(other) if other.tenant in lab.topology.tenants else None
        if neighbour is not None:
            await ledger.claim(
                f"{other} goes on at the provider, undisturbed",
                proofs.reachable(
                    neighbour,
                    lab.vm(other).addresses,
                    host=replica_of(other.tenant, other.vm),
                    client=proofs.addresses_of(lab, neighbour.name),
                ),
            )

    async def _fail_over(self, refs: Sequence[VmRef]) -> str:
        measures = await drill.fail_over(self._lab, refs)
        self._measures += measures
        return "; ".join(f"{m.what}: {m.seconds * 1000:.0f} ms" for m in measures)

    async def _second(self) -> str:
        return await self._fail_over([OTHER_TENANT])

    async def _undo(self, ref: VmRef) -> str:
        measures = await drill.undo(self._lab, [ref], restore=False)
        self._measures += measures
        require(ref not in self._lab.failed_over(), "it still counts as failed over")
        return "; ".join(f"{m.what}: {m.seconds * 1000:.0f} ms" for m in measures)
