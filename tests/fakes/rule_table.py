"""The public rules of a fake agent: a table with a revision, no packets."""

from __future__ import annotations

import msgspec
from aiohttp import web

from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.public_rules import (
    PublicRule,
    PublicRules,
    PublicRulesPatch,
    PublicRulesReport,
    RuleCounter,
    RuleCounters,
)


class RuleTable:
    """Handlers by route name; the newest revision wins."""

    def __init__(self) -> None:
        self.rules: dict[str, PublicRule] = {}
        self.revision = 0
        self.epoch = 0

    async def get_rules(self, _: web.Request) -> web.Response:
        return _json(PublicRules(revision=self.revision, epoch=self.epoch, rules=tuple(self.rules.values())))

    async def put_rules(self, request: web.Request) -> web.Response:
        table = codec.decode(await request.read(), PublicRules)
        rules = {rule.id: rule for rule in table.rules}
        if (table.revision, rules) != (self.revision, self.rules):
            self._admit(table.revision, table.epoch)
        return self._become(table.revision, table.epoch, rules)

    async def patch_rules(self, request: web.Request) -> web.Response:
        patch = codec.decode(await request.read(), PublicRulesPatch)
        if patch.base != self.revision:
            raise self._stale()
        self._admit(patch.revision, patch.epoch)
        rules = {name: rule for name, rule in self.rules.items() if name not in patch.remove}
        return self._become(patch.revision, patch.epoch, {**rules, **{rule.id: rule for rule in patch.put}})

    async def rule_counters(self, request: web.Request) -> web.Response:
        wanted = request.query.getall("id", list(self.rules))
        counters = tuple(RuleCounter(id=name, packets=0, bytes=0) for name in wanted if name in self.rules)
        return _json(RuleCounters(revision=self.revision, counters=counters))

    def _admit(self, revision: int, epoch: int) -> None:
        if epoch < self.epoch:
            raise ProblemError(problem(ProblemType.STALE_EPOCH, "a newer workflow has taken over"))
        if revision <= self.revision:
            raise self._stale()

    def _stale(self) -> ProblemError:
        detail = "the table has another revision"
        return ProblemError(problem(ProblemType.STALE_REVISION, detail, revision=self.revision))

    def _become(self, revision: int, epoch: int, rules: dict[str, PublicRule]) -> web.Response:
        before, self.rules = self.rules, rules
        self.revision, self.epoch = revision, epoch
        both = before.keys() & rules.keys()
        report = PublicRulesReport(
            revision=revision,
            rules=len(rules),
            added=len(rules) - len(both),
            changed=sum(before[name] != rules[name] for name in both),
            removed=len(before) - len(both),
        )
        return _json(report)


def _json(document: msgspec.Struct) -> web.Response:
    return web.Response(body=codec.encode(document), content_type="application/json")
