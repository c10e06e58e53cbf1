"""A rehearsal, told and proved: the whole plan beside a running production that notices nothing."""

from __future__ import annotations

from causeway_lab.assembly.lab import Lab
from causeway_lab.demo import proofs, proofs_full
from causeway_lab.demo.claims import Ledger
from causeway_lab.service import drill
from causeway_lab.world.topology import replica_of

TENANT = "acme"


async def rehearsal(lab: Lab, ledger: Ledger, measures: list[drill.Measure]) -> None:
    """Begin, look around, end."""
    ledger.chapter(f"A rehearsal of {TENANT}, beside its running production")
    if not await ledger.claim("All replicas start behind a gateway of their own", _begin(lab, measures)):
        return
    await ledger.claim(
        "Their services answer at test addresses",
        proofs_full.published(
            lab, proofs_full.rules_named(lab, TENANT, "web"), host=replica_of(TENANT, "web1")
        ),
    )
    await ledger.claim(
        "Production sees no packet of it", proofs_full.invisible_in_production(lab, TENANT, seconds=0.2)
    )
    await ledger.claim("and goes on at the same addresses", proofs_full.production_undisturbed(lab, TENANT))
    await ledger.claim("It ends without a trace", _end(lab))


async def _begin(lab: Lab, measures: list[drill.Measure]) -> str:
    found = await drill.rehearse(lab, TENANT)
    measures += found
    return "; ".join(f"{m.what}: {m.seconds * 1000:.0f} ms" for m in found)


async def _end(lab: Lab) -> str:
    await lab.end_rehearsal(TENANT)
    return await proofs.silent(proofs_full.outside(lab), lab.tenant(TENANT).test_addresses)
