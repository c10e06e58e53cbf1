"""Full failover, told and proved: the site is lost while one VM is failed over already, and comes back."""

from __future__ import annotations

from collections.abc import Sequence

from causeway_controller.inventory import modes
from causeway_lab.assembly import outage
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo import proofs, proofs_full
from causeway_lab.demo.chapters.partial import FAILED_OVER, OTHER_TENANT
from causeway_lab.demo.claims import Ledger
from causeway_lab.service import drill
from causeway_lab.world.console import Console
from causeway_lab.world.topology import replica_of
from causeway_wire.types import IPAddress

TENANT = FAILED_OVER.tenant
WEB, APP = VmRef(TENANT, "web1"), VmRef(TENANT, "app2")


class FullChapters:
    """The site of `FAILED_OVER` is lost and found."""

    def __init__(self, lab: Lab, ledger: Ledger, measures: list[drill.Measure]) -> None:
        self._lab = lab
        self._ledger = ledger
        self._measures = measures

    async def lost(self) -> None:
        """The disaster grows: from one VM to the whole site."""
        ledger, lab = self._ledger, self._lab
        ledger.chapter(f"The whole site of {TENANT} is lost, while {FAILED_OVER} is failed over")
        await ledger.claim(
            "A second type of failover is refused unless escalation is asked for",
            proofs_full.refused_without_escalation(lab, TENANT),
        )
        await outage.cut_site(lab, TENANT)
        await ledger.claim("Escalated, the whole site fails over in one change", self._escalate())

    async def gateway(self) -> None:
        """The provider's appliance is the gateway."""
        if not self._failed_over():
            return
        ledger, lab = self._ledger, self._lab
        web, app, old = lab.replica(WEB), lab.replica(APP), lab.replica(FAILED_OVER)
        ledger.chapter("The provider's appliance is the gateway")
        for source in (old, app):
            await ledger.claim(
                f"{source.name} keeps its default gateway",
                proofs_full.gateway_kept(source, proofs_full.gateways_of(lab, source)),
            )
        await ledger.claim(
            "Packets pass between the networks, as the tenant asked",
            proofs_full.meets(web, lab.vm(APP).addresses, host=app.name),
        )
        await ledger.claim(
            "The network with internet reaches it, behind the VM's own public address",
            proofs_full.internet_as(lab, web, lab.tenant(TENANT).public_addresses[:2]),
        )
        await ledger.claim("The network without does not", proofs_full.no_internet(app, web))

    async def published(self) -> None:
        """Services answer at public addresses, exactly as their rules say."""
        if not self._failed_over():
            return
        ledger, lab = self._ledger, self._lab
        ledger.chapter("Services at public addresses")
        for name, ref, sentence in (
            ("web", WEB, "The internet reaches a published service (HTTP; IPv4, IPv6)"),
            ("app", APP, "also one in the network without internet"),
            ("shell", WEB, "Public port 2222 leads to port 22"),
        ):
            rules = proofs_full.rules_named(lab, TENANT, name)
            await ledger.claim(sentence, proofs_full.published(lab, rules, host=replica_of(TENANT, ref.vm)))
        await ledger.claim(
            "UDP as well", proofs_full.datagrams(lab, proofs_full.rules_named(lab, TENANT, "datagrams"))
        )
        await ledger.claim("Public port 22 cannot be published", proofs_full.shell_port_refused(lab, WEB))
        await ledger.claim(
            "Withdrawing a rule ends its open connection, and no other",
            proofs_full.cut_by_withdrawal(lab, FAILED_OVER),
        )

    async def separated(self) -> None:
        """What must not meet does not."""
        if not self._failed_over():
            return
        ledger, lab, other = self._ledger, self._lab, OTHER_TENANT
        replicas = [lab.replica(WEB), lab.replica(APP)]
        ledger.chapter("What stays apart")
        await ledger.claim(
            "Replicas reach no host of the provider", proofs_full.provider_unreachable(lab, replicas)
        )
        await ledger.claim(
            "and open no appliance, their own gateway included",
            proofs.closed(replicas[0], self._forbidden_doors()),
        )
        public = [(a, port) for a in lab.tenant(TENANT).public_addresses for port in (22, 443, 8443, 1195)]
        await ledger.claim(
            "From the internet nothing is open but what is published",
            proofs_full.unanswered(proofs_full.outside(lab), public),
        )
        neighbour = lab.neighbour(other)
        if neighbour is not None:
            await ledger.claim(
                f"{other.tenant} goes on in its partial failover, undisturbed", self._undisturbed(neighbour)
            )

    async def returned(self) -> None:
        """The site is back; one VM stays at the provider a little longer."""
        if not self._failed_over():
            return
        ledger, lab, ref = self._ledger, self._lab, FAILED_OVER
        ledger.chapter(f"The site is back; {ref} stays at the provider")
        await ledger.claim("Full failover becomes partial again in one change", self._return())
        await ledger.claim(
            "Nothing answers at the public addresses any more",
            proofs.silent(proofs_full.outside(lab), lab.tenant(TENANT).public_addresses),
        )
        await ledger.claim(
            f"Production meets the replica of {ref} again, at its unchanged addresses",
            proofs_full.meets_soon(
                lab.original(WEB), lab.vm(ref).addresses, host=replica_of(ref.tenant, ref.vm)
            ),
        )

    def _failed_over(self) -> bool:
        """Whether the escalation went through; without it there is nothing to look at."""
        return isinstance(self._lab.mode(TENANT), modes.Full)

    def _forbidden_doors(self) -> list[tuple[IPAddress, int]]:
        gateways = proofs_full.gateways_of(self._lab, self._lab.replica(WEB))
        own = [(gateway, port) for gateway in gateways for port in (proofs.SSH_PORT, proofs.AGENT_PORT)]
        return [*proofs.forbidden_doors(self._lab, TENANT), *own]

    async def _undisturbed(self, neighbour: Console) -> str:
        other = OTHER_TENANT
        return await proofs.reachable(
            neighbour,
            self._lab.vm(other).addresses,
            host=replica_of(other.tenant, other.vm),
            client=proofs.addresses_of(self._lab, neighbour.name),
        )

    async def _escalate(self) -> str:
        return self._told(await drill.fail_over_full(self._lab, TENANT, escalate=True, cut=False))

    async def _return(self) -> str:
        found = self._told(await drill.undo_full(self._lab, TENANT, keep=[FAILED_OVER.vm]))
        proofs_full.still(self._lab, TENANT, modes.Partial(frozenset({FAILED_OVER.vm})))
        return found

    def _told(self, measures: Sequence[drill.Measure]) -> str:
        self._measures += measures
        return "; ".join(f"{m.what}: {m.seconds * 1000:.0f} ms" for m in measures)
