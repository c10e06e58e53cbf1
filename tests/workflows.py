"""Every workflow, as requests that are carried out one after the other: the last one is meant."""

from __future__ import annotations

from causeway_controller.contract.requests import (
    EndRehearsal,
    FailOver,
    FailOverSite,
    Publish,
    Rehearse,
    Request,
    Undo,
    UndoSite,
)
from tests.workflow_bench import SITE

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
    "publish": (Publish(tenant="acme", rules=SITE.tenants["acme"].publications[:1]),),
}
