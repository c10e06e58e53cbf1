"""Calls of the provider's hooks, as stages of a run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import UNSET, UnsetType

from causeway_controller.contract.tenant import Hook
from causeway_controller.failover.steps import Call, HookMoment, Stage, Step
from causeway_controller.inventory.tenancy import Tenant
from causeway_wire.types import VmName

_SENTENCES: Final = {
    HookMoment.BEFORE: "Tell the provider's hook {} that it begins",
    HookMoment.HOLD: "Have the provider's hook {} hold replication",
    HookMoment.AFTER: "Tell the provider's hook {} that every VM was started",
    HookMoment.RELEASE: "Have the provider's hook {} release replication",
}


def of(tenant: Tenant, moment: HookMoment) -> Hook | None:
    """Return the tenant's hook of this moment; None where the plan has none."""
    hooks = tenant.hooks
    found: Hook | UnsetType
    match moment:
        case HookMoment.BEFORE:
            found = hooks.before
        case HookMoment.HOLD:
            found = hooks.hold
        case HookMoment.AFTER:
            found = hooks.after
        case HookMoment.RELEASE:
            found = hooks.release
    return None if found is UNSET else found


def call(tenant: Tenant, moment: HookMoment, *, request: str, vms: Iterable[VmName]) -> Iterator[Stage]:
    """Return the stage that calls the hook; none where there is none, or no VM for it.

    Holding is taken back by releasing: else what replicates would rest after a failover that did not happen.
    """
    hook, about = of(tenant, moment), tuple(sorted(vms))
    if hook is None or not about:
        return
    back = of(tenant, HookMoment.RELEASE) if moment is HookMoment.HOLD else None
    yield (
        Step(
            _SENTENCES[moment].format(hook.name),
            _call(tenant, hook, moment, request, about),
            required=hook.required,
            compensation=None if back is None else _call(tenant, back, HookMoment.RELEASE, request, about),
        ),
    )


def _call(tenant: Tenant, hook: Hook, moment: HookMoment, request: str, vms: tuple[VmName, ...]) -> Call:
    return Call(
        hook=hook.name, moment=moment, request=request, tenant=tenant.id, vms=vms, timeout=hook.timeout
    )
