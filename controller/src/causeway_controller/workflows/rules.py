"""The table of public rules at an appliance, made to be what it should be."""

from __future__ import annotations

from collections.abc import Iterable

from causeway_controller.failover.steps import EditRules, PutRules
from causeway_controller.workflows.ports import RuleTable
from causeway_wire.public_rules import PublicRule, PublicRules, PublicRulesPatch
from causeway_wire.types import Epoch


async def put(agent: RuleTable, wanted: Iterable[PublicRule], *, epoch: Epoch) -> bool:
    """Put exactly these rules into the appliance's table; whether anything had to be changed.

    Raises AgentUnreachable, ProblemError.
    """
    current = await agent.get_rules()
    before = {rule.id: rule for rule in current.rules}
    after = {rule.id: rule for rule in wanted}
    patch = PublicRulesPatch(
        base=current.revision,
        revision=current.revision + 1,
        epoch=epoch,
        put=tuple(rule for name, rule in after.items() if before.get(name) != rule),
        remove=tuple(name for name in before if name not in after),
    )
    if not patch.put and not patch.remove:
        return False
    await agent.patch_rules(patch)
    return True


def patch(current: PublicRules, action: PutRules | EditRules, epoch: Epoch) -> PublicRulesPatch:
    """Return what brings an appliance's table to what a step wants of it."""
    before = {rule.id: rule for rule in current.rules}
    if isinstance(action, PutRules):
        put, kept = action.rules, {rule.id for rule in action.rules}
    else:
        put, kept = action.put, before.keys() - set(action.remove)
    return PublicRulesPatch(
        base=current.revision,
        revision=current.revision + 1,
        epoch=epoch,
        put=tuple(rule for rule in put if before.get(rule.id) != rule),
        remove=tuple(name for name in before if name not in kept),
    )
