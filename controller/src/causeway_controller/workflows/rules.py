"""The table of public rules at an appliance, made to be what it should be."""

from __future__ import annotations

from collections.abc import Iterable

from causeway_controller.workflows.ports import RuleTable
from causeway_wire.public_rules import PublicRule, PublicRulesPatch
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
