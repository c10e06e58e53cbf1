"""Every workflow, as requests that are carried out one after the other: the last one is meant."""

from __future__ import annotations

from causeway_controller.contract.requests import (
    EndRehearsal,
    FailBack,
    FailOver,
    FailOverSite,
    MakePermanent,
    Publish,
    Rehearse,
    Request,
    Undo,
    UndoSite,
)
from tests.workflow_bench import PLAN, SITE

VM = "vm-0-0"
ALL = frozenset(SITE.tenants["acme"].vms)
BEGIN = FailOver(tenant="acme", vms=frozenset({VM}))

SEQUENCES: dict[str, tuple[Request, ...]] = {
    "fail-over": (BEGIN,),
    "undo": (BEGIN, Undo(tenant="acme", vms=frozenset({VM}), stop_appliances=True)),
    "fail-over-site": (FailOverSite(tenant="acme", vms=ALL),),
    "escalate": (BEGIN, FailOverSite(tenant="acme", vms=ALL, escalate=True)),
    "undo-site": (FailOverSite(tenant="acme", vms=ALL), UndoSite(tenant="acme")),
    "de-escalate": (
        FailOverSite(tenant="acme", vms=ALL),
        UndoSite(tenant="acme", keep_partial=frozenset({VM})),
    ),
    "rehearse": (Rehearse(tenant="acme", vms=ALL),),
    "end-rehearsal": (Rehearse(tenant="acme", vms=ALL), EndRehearsal(tenant="acme")),
    "fail-over-by-plan": (FailOverSite(tenant="acme", plan=PLAN),),
    "rehearse-by-plan": (Rehearse(tenant="acme", plan=PLAN),),
    "undo-by-plan": (FailOverSite(tenant="acme", plan=PLAN), UndoSite(tenant="acme")),
    "fail-back-by-plan": (FailOverSite(tenant="acme", plan=PLAN), FailBack(tenant="acme")),
    "make-permanent": (FailOverSite(tenant="acme", vms=ALL), MakePermanent(tenant="acme")),
    "fail-back": (BEGIN, FailBack(tenant="acme", synchronised=True, stop_appliances=True)),
    "fail-back-some": (
        FailOverSite(tenant="acme", vms=ALL),
        FailBack(tenant="acme", vms=ALL - {VM}, synchronised=True),
    ),
    "publish": (Publish(tenant="acme", rules=SITE.tenants["acme"].publications[:1]),),
}
