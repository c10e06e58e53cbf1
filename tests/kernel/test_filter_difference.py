"""From one policy to the next by what differs: the kernel must hold what loading the next one whole makes."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from causeway_agent.backends.filter import nft
from causeway_agent.backends.filter.nft_fingerprint import Digests
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import ruleset
from causeway_agent.plan.filter.text import Rendering
from causeway_agent.plan.model.policy import Forward, Policy, SourceGuard
from causeway_wire.desired import Partial
from tests import documents, real_firewall
from tests.real_firewall import nft_command

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8::20"),))
MORE = Partial(
    replicas=tuple(documents.replica(n, "net-0", f"192.168.0.{n}", f"2001:db8::{n}") for n in (20, 21, 30))
)
DOCUMENTS = {
    "idle": documents.provider(),
    "provider": documents.provider(PARTIAL),
    "provider of three": documents.provider(MORE),
    "tenant": documents.tenant(PARTIAL),
    "tenant of three": documents.tenant(MORE),
    "bridged": documents.bridged(documents.tenant(PARTIAL)),
    "full": documents.provider(
        documents.full("net-0", "net-1", routed=("net-0", "net-1")), denied=("10.0.0.0/8", "10.128.0.0/9")
    ),
    "rehearsal": documents.provider(documents.rehearsal("net-0")),
    "gateway": documents.gateway(documents.gateway_tunnel(0)),
    "gateway of two": documents.gateway(
        documents.gateway_tunnel(0), documents.gateway_tunnel(5, tenant="globex")
    ),
}
POLICIES = {name: compile_document(document, documents.FACTS).policy for name, document in DOCUMENTS.items()}
LARGE = 500


@pytest.fixture
async def firewall() -> AsyncIterator[nft.NftFirewall]:
    async with real_firewall.alone() as opened:
        yield opened


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> list[Rendering]:
    """What was loaded whole."""
    loaded: list[Rendering] = []
    load = nft.NftFirewall._load_whole

    async def noted(self: nft.NftFirewall, rendering: Rendering) -> None:
        loaded.append(rendering)
        await load(self, rendering)

    monkeypatch.setattr(nft.NftFirewall, "_load_whole", noted)
    return loaded


async def made_whole(policy: Policy) -> Digests:
    """What the kernel holds of it when there was nothing before."""
    nft_command("flush ruleset")
    nft_command(ruleset.render(policy))
    async with nft.NftFirewall.open() as other:
        return await other.fingerprint()


@pytest.mark.parametrize("first", POLICIES)
async def test_every_policy_after_every_other_is_what_it_is_alone(
    firewall: nft.NftFirewall, whole: list[Rendering], first: str
) -> None:
    alone = {name: await made_whole(policy) for name, policy in POLICIES.items()}
    nft_command("flush ruleset")
    await firewall.load(POLICIES[first])
    assert await firewall.loaded() == POLICIES[first]
    for name, policy in POLICIES.items():
        if name == first:
            continue  # the same once more is a repair
        await firewall.load(policy)
        assert await firewall.fingerprint() == alone[name], name
        assert await firewall.loaded() == policy, name
        await firewall.load(POLICIES[first])
        await firewall.load(policy)  # the one between was never looked at
        assert await firewall.loaded() == policy, name
        await firewall.load(POLICIES[first])
        assert await firewall.loaded() == POLICIES[first]
    assert len(whole) == 1


async def test_only_what_differs_is_said(firewall: nft.NftFirewall) -> None:
    address = itertools.count(int(ip_address("10.1.0.0")))
    many = frozenset(Forward("eth1", "cwu1", destination=ip_address(next(address))) for _ in range(LARGE))
    before = replace(POLICIES["idle"], forwards=many)
    more = replace(before, forwards=many | {Forward("eth1", "cwu1", destination=ip_address("10.2.0.1"))})
    text = ruleset.rendering(more).awake_after(ruleset.rendering(before))
    assert "10.2.0.1" in text
    assert len(text) < len(ruleset.render(Policy())) / 50
    await firewall.load(before)
    assert await firewall.loaded() == before
    await firewall.load(more)
    assert await firewall.loaded() == more


RANGES = [
    ("10.0.0.0/8",),
    ("10.0.0.0/24",),
    ("10.0.0.0/8", "172.16.0.0/13"),
    ("10.0.0.0/24", "10.0.1.0/24", "172.16.0.0/12"),
    ("10.0.2.0/24",),
    ("10.0.2.1/32", "10.0.2.3/32", "2001:db8::/64"),
    ("2001:db8::/65", "2001:db8:0:1::1/128"),
]
"""Of a device's sources; each is said after the one before."""


async def test_ranges_beside_a_device_are_told_what_comes_and_goes(firewall: nft.NftFirewall) -> None:
    policies = [
        replace(POLICIES["idle"], sources=frozenset(SourceGuard("eth1", ip_network(each)) for each in listed))
        for listed in RANGES
    ]
    await firewall.load(policies[0])
    assert await firewall.loaded() == policies[0]
    for before, policy in itertools.pairwise(policies):
        text = ruleset.rendering(policy).awake_after(ruleset.rendering(before))
        assert "element inet causeway sources" in text
        assert "flush set" not in text
        await firewall.load(policy)
        assert await firewall.loaded() == policy
    held = await firewall.fingerprint()
    assert held == await made_whole(policies[-1])


async def test_a_range_that_somebody_takes_out_after_a_difference_is_missed(
    firewall: nft.NftFirewall,
) -> None:
    few, more = (
        replace(POLICIES["idle"], sources=frozenset(SourceGuard("eth1", ip_network(each)) for each in listed))
        for listed in (RANGES[4], RANGES[3])
    )
    await firewall.load(few)
    assert await firewall.loaded() == few
    await firewall.load(more)
    nft_command('delete element inet causeway sources4 { "eth1" . 10.0.0.0/23 }')
    assert await firewall.loaded() is None
    await firewall.restore()
    assert await firewall.loaded() == more


@pytest.mark.parametrize(
    "meddling",
    [
        "flush chain inet causeway forward",
        "flush set inet causeway forward_source4",
        'add element inet causeway guarded { "eth9" }',
        "delete table arp causeway",
        "add table inet mine",
    ],
)
async def test_tables_that_others_changed_are_loaded_whole(
    firewall: nft.NftFirewall, whole: list[Rendering], meddling: str
) -> None:
    await firewall.load(POLICIES["provider"])
    assert await firewall.loaded() is not None
    nft_command(meddling)
    await firewall.load(POLICIES["provider of three"])
    assert await firewall.loaded() == POLICIES["provider of three"]
    assert len(whole) == 2


async def test_tables_that_others_change_after_a_difference_are_found_out(firewall: nft.NftFirewall) -> None:
    await firewall.load(POLICIES["provider"])
    assert await firewall.loaded() is not None
    await firewall.load(POLICIES["provider of three"])
    nft_command("flush set inet causeway forward_source4")
    assert await firewall.loaded() is None
    await firewall.restore()
    assert await firewall.loaded() == POLICIES["provider of three"]
