"""Whether each document that a plan sends can be written: asked before a run begins, and never of one that
another controller carries on, which has to go on or back with what there is. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from causeway_controller.failover import documents
from causeway_controller.failover.planning import Plan
from causeway_controller.failover.steps import Apply
from causeway_controller.inventory import tenancy
from causeway_wire.problem import Problem, ProblemError, combine


def refuse(plan: Plan) -> None:
    """Raise ProblemError with every reason why a document that the plan needs cannot be written now, such as
    an end of a tunnel that was revoked and has no other certificate yet.
    """
    if found := tuple(dict.fromkeys(_problems(plan))):
        raise ProblemError(combine(found))


def _problems(plan: Plan) -> Iterator[Problem]:
    for step in plan.steps:
        if not isinstance(step.action, Apply) or not step.required:
            continue
        site = tenancy.with_mode(plan.site, step.action.tenant, step.action.mode)
        try:
            documents.document(site, step.action.appliance, generation=1, epoch=0)
        except ProblemError as error:
            yield error.problem
