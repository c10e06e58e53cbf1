"""Which VMs are meant by the names that people call them by, and at which of their addresses. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from causeway_controller.contract.explain import NamedEnd
from causeway_controller.inventory.findings import some
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import IPAddress, TenantId, VmName


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVm:
    """A VM that the inventory, or a provider, knows."""

    tenant: TenantId
    name: VmName
    addresses: tuple[IPAddress, ...]
    vm_id: str = ""
    """Its replica's, as the provider's host calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Two addresses, and what of them was a name."""

    source: IPAddress
    destination: IPAddress
    tenant: TenantId
    named: tuple[NamedEnd, ...]


def resolve(
    known: Collection[KnownVm],
    source: IPAddress | str,
    destination: IPAddress | str,
    *,
    of: TenantId | None = None,
) -> Resolved:
    """Return the addresses of the VMs that are meant: a name is `VM`, `TENANT/VM`, or the id of its replica.

    Of a VM with several addresses the first is taken that is of the same version as one of the other end.
    `known`: `of` one tenant only, where that was said. Raises ProblemError: `not-found` where no VM has the
    name, `invalid` where VMs of several tenants have it, several hosts have given the id, or a VM has no
    address.
    """
    words = [one for one in (source, destination) if isinstance(one, str)]
    meant = {word: _by_tenant(_meant(known, word)) for word in words}
    for word, found in meant.items():
        if not found:
            raise _nobody(known, word, of)
    tenants = set[TenantId].intersection(*(set(found) for found in meant.values()))
    if len(tenants) != 1:
        raise _unclear({word: sorted(found) for word, found in meant.items()}, sorted(tenants))
    (tenant,) = tenants
    ends = [(one, _addresses(one, meant, tenant)) for one in (source, destination)]
    pairs = ((a, b) for a in ends[0][1] for b in ends[1][1] if a.version == b.version)
    chosen = next(pairs, (ends[0][1][0], ends[1][1][0]))
    named = tuple(
        NamedEnd(
            name=word,
            tenant=tenant,
            vm=meant[word][tenant][0].name,
            address=address,
            also=tuple(one for one in addresses if one != address),
        )
        for (word, addresses), address in zip(ends, chosen, strict=True)
        if isinstance(word, str)
    )
    return Resolved(source=chosen[0], destination=chosen[1], tenant=tenant, named=named)


def _meant(known: Collection[KnownVm], word: str) -> Iterator[KnownVm]:
    """Yield whom it may name: by their names, and only where nobody is called so by the ids of replicas."""
    tenant, slash, name = word.lower().rpartition("/")
    called = [one for one in known if one.name == name and one.tenant == (tenant if slash else one.tenant)]
    yield from called or (one for one in known if one.vm_id and one.vm_id.lower() == word.lower())


def _by_tenant(found: Iterable[KnownVm]) -> Mapping[TenantId, Sequence[KnownVm]]:
    by: dict[TenantId, list[KnownVm]] = {}
    for one in found:
        by.setdefault(one.tenant, []).append(one)
    return by


def _addresses(
    one: IPAddress | str, meant: Mapping[str, Mapping[TenantId, Sequence[KnownVm]]], tenant: TenantId
) -> Sequence[IPAddress]:
    if not isinstance(one, str):
        return (one,)
    found, *others = meant[one][tenant]
    if others:  # each host numbers its VMs by itself
        whose = some([f"{tenant}/{each.name}" for each in (found, *others)])
        detail = f"{one} is the id of the replicas of {whose}, on several hosts; say which VM is meant"
        raise ProblemError(problem(ProblemType.INVALID, detail))
    if not found.addresses:
        detail = f"VM {found.name} of {tenant} has no address in the inventory; enter it, or say an address"
        raise ProblemError(problem(ProblemType.INVALID, detail))
    return found.addresses


def _nobody(known: Collection[KnownVm], word: str, of: TenantId | None) -> ProblemError:
    names = sorted({one.name for one in known})
    close = difflib.get_close_matches(word.lower().rpartition("/")[2], names, n=3)
    if close:
        hint = f"there is {' and '.join(close)}"
    else:
        hint = f"there are {some(names)}" if names else "there are none at all"
    where = "that is known here" if of is None else f"of tenant {of}"
    detail = f"{word} is neither an IP address nor the name of a VM {where}: {hint}"
    return ProblemError(problem(ProblemType.NOT_FOUND, detail))


def _unclear(whose: dict[str, list[TenantId]], both: Sequence[TenantId]) -> ProblemError:
    """Several tenants have all of these names, or no tenant has."""
    said = [f"{word} is a VM of {some(tenants)}" for word, tenants in whose.items()]
    if both:
        hint = f"say which tenant is meant: `--tenant {both[0]}`, or {both[0]}/{next(iter(whose))}"
    else:
        hint = "no tenant has both, and no packet goes from one tenant to another"
    return ProblemError(problem(ProblemType.INVALID, f"{', '.join(said)}; {hint}"))
