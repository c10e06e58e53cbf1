"""Routes that ask a host of VMs and change nothing; part of the staff's table.

A host tells of all its VMs, also of those that are not Causeway's, so they are for who deploys on it.
"""

from __future__ import annotations

from typing import Final

from causeway_controller.contract.access import Permission
from causeway_controller.contract.hosts import HostReport, HostVms, LintReport
from causeway_controller.contract.routes import READ, Route
from causeway_wire.problem import ProblemType as P

CHECK_HOST = Route(
    name="check_host",
    method="GET",
    path="/v1/hosts/{host}/check",
    summary="Whether the host has what the inventory needs there; nothing is changed",
    permission=Permission.DEPLOY,
    response=HostReport,
    problems=(*READ, P.UNSUPPORTED),
)
HOST_VMS = Route(
    name="host_vms",
    method="GET",
    path="/v1/hosts/{host}/vms",
    summary="The VMs that the host has, with their vNICs: those that replicas can be entered from",
    permission=Permission.DEPLOY,
    response=HostVms,
    problems=(*READ, P.UNSUPPORTED),
)
LINT = Route(
    name="lint",
    method="GET",
    path="/v1/lint",
    summary="Which replicas on all hosts are gone, renumbered, stale or run, and what fills up",
    permission=Permission.DEPLOY,
    response=LintReport,
    problems=READ,
)

HOST_ROUTES: Final = (CHECK_HOST, HOST_VMS, LINT)
