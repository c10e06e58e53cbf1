"""Public rules over the API: what is answered, how large a body may be, and how problems point."""

from __future__ import annotations

import io

from aiohttp import ClientResponse
from msgspec import Struct

from causeway_agent.api import handlers
from causeway_wire import codec
from causeway_wire.observed import Versions
from causeway_wire.problem import ProblemType
from causeway_wire.public_rules import PublicRule, PublicRules, PublicRulesReport, RuleCounters
from causeway_wire.routes import Permission
from tests import agents, rules
from tests.unit.agent.api.api_bench import JSON, Api, refused, serving

URL = "/v1/public-rules"
PUBLIC = "198.51.100.10"


def rule(name: str, port: int) -> PublicRule:
    return rules.rule(name, port, public=PUBLIC, internal="192.168.7.20")


async def send(api: Api, method: str, document: Struct) -> ClientResponse:
    return await api.client.request(method, URL, data=codec.encode(document), headers=JSON)


async def configured(api: Api) -> None:
    await api.applied(agents.provider(public=(PUBLIC,)))


async def test_a_table_is_put_patched_read_and_counted() -> None:
    async with serving() as api:
        await configured(api)
        answer = await send(api, "PUT", rules.table(rule("web", 443), rule("mail", 25)))
        assert answer.status == 200, await answer.text()
        assert codec.decode(await answer.read(), PublicRulesReport).added == 2
        answer = await send(api, "PATCH", rules.patch(rule("dns", 53), remove=("mail",)))
        assert codec.decode(await answer.read(), PublicRulesReport).rules == 2
        found = codec.decode(await (await api.client.get(URL)).read(), PublicRules)
        assert (found.revision, {each.id for each in found.rules}) == (2, {"web", "dns"})
        counters = await api.client.get(f"{URL}/counters?id=web&id=dns&id=web")
        assert [c.id for c in codec.decode(await counters.read(), RuleCounters).counters] == ["web", "dns"]
        everything = codec.decode(await (await api.client.get(f"{URL}/counters")).read(), RuleCounters)
        assert len(everything.counters) == 2
        await refused(await api.client.get(f"{URL}/counters?id=gone"), ProblemType.NOT_FOUND)


async def test_refusals_name_the_member_and_change_nothing() -> None:
    async with serving() as api:
        document = rules.table(rule("web", 443), rule("ssh", 22))
        await refused(await send(api, "PUT", document), ProblemType.NOT_CONFIGURED)
        await configured(api)
        effects = api.bench.fuse.count
        found = await refused(await send(api, "PUT", document), ProblemType.RESERVED_PORT)
        assert found.pointer == "/rules/1/public_port"
        found = await refused(await send(api, "PATCH", rules.patch(base=5)), ProblemType.STALE_REVISION)
        assert (found.pointer, found.revision) == ("/base", 0)
        body = b'{"revision": 1, "epoch": 1, "rules": [{"id": "web", "public_address": "198.51.100.300"}]}'
        answer = await api.client.put(URL, data=body, headers=JSON)
        assert (await refused(answer, ProblemType.INVALID)).pointer == "/rules/0/public_address"
        assert api.bench.fuse.count == effects


async def test_only_who_may_apply_changes_rules() -> None:
    async with serving() as api:
        await configured(api)
        api.permission = Permission.OBSERVE
        await refused(await send(api, "PUT", rules.table()), ProblemType.FORBIDDEN)
        assert (await api.client.get(URL)).status == 200


async def test_a_table_may_be_larger_than_a_document_up_to_the_published_limit() -> None:
    async with serving() as api:
        await configured(api)
        versions = codec.decode(await (await api.client.get("/v1")).read(), Versions)
        limit = versions.limits.rules_body_bytes
        assert limit > versions.limits.body_bytes == handlers.told_limits().body_bytes
        text = codec.encode(rules.table(rule("web", 443)))
        padded = text + b" " * (2 * versions.limits.body_bytes)
        assert (await api.client.put(URL, data=io.BytesIO(padded), headers=JSON)).status == 200
        answer = await api.client.put(URL, data=io.BytesIO(b" " * (limit + 1)), headers=JSON)
        assert str(limit) in (await refused(answer, ProblemType.TOO_LARGE)).detail
        assert (await api.client.put("/v1/desired", data=io.BytesIO(padded), headers=JSON)).status == 413
