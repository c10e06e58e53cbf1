"""The operations of the table of public rules. Large answers are written by a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from causeway_agent.api.application import Call, Operation
from causeway_agent.engine.service import Engine
from causeway_agent.web.message import Response
from causeway_wire import codec
from causeway_wire.public_rules import PublicRules, PublicRulesPatch, PublicRulesReport, RuleCounters


class RuleHandlers:
    """One method per route of the table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def operations(self) -> Mapping[str, Operation]:
        """Handlers by route name."""
        return {
            "get_rules": self.get,
            "put_rules": self.put,
            "patch_rules": self.patch,
            "rule_counters": self.counters,
        }

    async def get(self, _call: Call) -> Response:
        return await _table(await self._engine.rules.document())

    async def put(self, call: Call) -> Response:
        self._engine.updates.refuse_on_trial(through_network=call.peer.connected is not None)
        return _report(await self._engine.rules.put(call.document(PublicRules), call.text))

    async def patch(self, call: Call) -> Response:
        self._engine.updates.refuse_on_trial(through_network=call.peer.connected is not None)
        return _report(await self._engine.rules.patch(call.document(PublicRulesPatch)))

    async def counters(self, call: Call) -> Response:
        wanted = tuple(dict.fromkeys(call.request.query.getall("id")))
        return await _table(await self._engine.rules.counters(wanted))


def _report(report: PublicRulesReport) -> Response:
    return Response(body=codec.encode(report), content_type="application/json")


async def _table(document: PublicRules | RuleCounters) -> Response:
    body = await asyncio.to_thread(codec.encode, document)
    return Response(body=body, content_type="application/json")
