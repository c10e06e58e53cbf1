"""VMs that a failover of the whole site leaves out: when it is asked for, and as long as it lasts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.inventory.modes import Full, Mode
from causeway_controller.inventory.tenancy import Site
from causeway_wire.problem import Problem, ProblemError, ProblemType, combine, problem
from causeway_wire.types import Name, TenantId, VmName


def rest(
    meant: frozenset[VmName], but: frozenset[VmName], *, running: frozenset[VmName]
) -> frozenset[VmName]:
    """Return those that are meant and not left out; `running` are failed over already.

    Raises ProblemError that names each VM which cannot be left out, or that all are.
    """
    problems = [*_not_meant(but - meant), *_over(but & running)]
    if but and not problems and meant <= but:
        problems = [problem(ProblemType.INVALID, "nothing is left to be failed over", pointer="/but")]
    if problems:
        raise ProblemError(combine(tuple(problems)))
    return meant - but


def known(site: Site, tenant: TenantId, but: frozenset[VmName]) -> Site:
    """Return the site whose plan does not miss the replicas of these any more; of a tenant that it has."""
    found = site.tenants[tenant]
    missed = tuple(vm for vm in found.unreplicated if vm not in but)
    return replace(site, tenants={**site.tenants, tenant: replace(found, unreplicated=missed)})


def _not_meant(vms: frozenset[VmName]) -> Iterator[Problem]:
    for vm in sorted(vms):
        detail = f"VM {vm}: it is not among those that are failed over, so it cannot be left out"
        yield problem(ProblemType.UNKNOWN_REFERENCE, detail, pointer=f"/but/{vm}")


def _over(vms: frozenset[VmName]) -> Iterator[Problem]:
    for vm in sorted(vms):
        detail = f"VM {vm}: it runs at the provider already; it is not left out, but given back or undone"
        yield problem(ProblemType.INVALID, detail, pointer=f"/but/{vm}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """VMs with a replica on a host where the rest of their site is in full failover."""

    tenant: TenantId
    host: Name
    vms: tuple[VmName, ...]


def missing(inventory: Inventory, modes: Mapping[tuple[TenantId, Name], Mode]) -> Iterator[Missing]:
    """Yield what is not failed over of each site that is as a whole."""
    for tenant in inventory.tenants:
        there: dict[Name, list[VmName]] = {}
        for vm in tenant.vms:
            if vm.replica is not UNSET:
                there.setdefault(vm.replica.host, []).append(vm.name)
        for host, vms in there.items():
            mode = modes.get((tenant.id, host))
            if isinstance(mode, Full) and (left := sorted(set(vms) - mode.vms)):
                yield Missing(tenant=tenant.id, host=host, vms=tuple(left))
