"""The firewall adapter and its worker process against the kernel's nftables."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import pathlib
import subprocess
import time
from collections.abc import AsyncIterator

import pytest

from causeway_agent import errors
from causeway_agent.backends.filter import nft, nft_channel
from causeway_agent.backends.kernel import kernel_events
from causeway_agent.plan.filter.public_rules import MAX_ELEMENTS
from causeway_agent.plan.model.policy import Forward, ManagementDoor, Policy, Relay
from tests import real_firewall
from tests.real_firewall import nft_command

pytestmark = pytest.mark.kernel

FOUR = ipaddress.ip_address("192.0.2.1")
POLICY = Policy(
    management=frozenset(
        {
            ManagementDoor(
                "eth0", FOUR, frozenset({ipaddress.ip_network("198.51.100.0/24")}), frozenset({22, 8443})
            )
        }
    ),
    guarded=frozenset({"eth1"}),
    forwards=frozenset(
        {Forward("eth1", "cwu1195", source=FOUR), Forward("cwu1195", "eth1", destination=FOUR)}
    ),
    relays=frozenset(
        {Relay("eth2", "eth3", FOUR, 6180, frozenset({(ipaddress.ip_address("203.0.113.1"), 1195)}))}
    ),
)
FLOW = "198.51.100.7 . 5000"
OTHER = Policy(guarded=frozenset({"eth1"}))


@pytest.fixture
async def firewall() -> AsyncIterator[nft.NftFirewall]:
    async with real_firewall.alone() as opened:
        yield opened


def knock() -> None:
    """One packet that our rules see."""
    subprocess.run(["ping", "-c1", "-W1", "127.0.0.1"], check=False, capture_output=True)


async def test_what_was_loaded_is_in_force(firewall: nft.NftFirewall) -> None:
    assert await firewall.loaded() is None
    for policy in (POLICY, OTHER, POLICY):
        await firewall.load(policy)
        assert await firewall.loaded() == policy


@pytest.mark.parametrize(
    "meddling",
    [
        "delete table arp causeway",
        "delete table inet causeway",
        "flush chain inet causeway forward",
        "add rule inet causeway input tcp dport 1 accept",
        "flush set inet causeway forward_source4",
        'add element inet causeway guarded { "eth9" }',
        "add set inet causeway mine { type ipv4_addr; }",
    ],
)
async def test_a_change_by_someone_else_is_seen_and_loading_mends_it(
    firewall: nft.NftFirewall, meddling: str
) -> None:
    await firewall.load(POLICY)
    nft_command(meddling)
    assert await firewall.loaded() is None
    if "set inet causeway mine" not in meddling:
        await firewall.load(POLICY)
        assert await firewall.loaded() == POLICY


async def test_what_nobody_changed_is_not_read_again(
    firewall: nft.NftFirewall, monkeypatch: pytest.MonkeyPatch
) -> None:
    await firewall.load(POLICY)
    nft_command("add table ip mine")
    assert await firewall.loaded() == POLICY
    monkeypatch.setattr(
        "causeway_agent.backends.filter.nft_fingerprint.read", lambda *_args, **_more: "another one"
    )
    assert await firewall.loaded() == POLICY
    nft_command("delete table ip mine")
    assert await firewall.loaded() is None


async def test_admitted_flows_and_foreign_tables_are_no_change_and_survive_a_load(
    firewall: nft.NftFirewall,
) -> None:
    await firewall.load(POLICY)
    await firewall.run(
        f"add element inet causeway known {{ {FLOW} }}\n"
        f"add element inet causeway flows {{ {FLOW} : 203.0.113.1 . 1195 }}"
    )
    nft_command("add table ip mine")
    assert await firewall.loaded() == POLICY
    await firewall.load(OTHER)
    assert await firewall.loaded() == OTHER
    assert FLOW in await firewall.run("list map inet causeway flows")
    assert "table ip mine" in await firewall.run("list tables")


async def test_public_rules_are_no_change_and_survive_a_load(firewall: nft.NftFirewall) -> None:
    await firewall.load(POLICY)
    nft_command("add element inet causeway public4 { 192.0.2.9 . tcp . 80 : 198.51.100.1 . 80 }")
    nft_command("add element inet causeway published_from6 { 2001:db8::9 . tcp . 80 . 2001:db8:1::/64 }")
    assert await firewall.loaded() == POLICY
    await firewall.load(OTHER)
    assert "192.0.2.9" in await firewall.run("list map inet causeway public4")
    assert "2001:db8:1::" in await firewall.run("list set inet causeway published_from6")
    assert await firewall.loaded() == OTHER


async def test_a_look_costs_the_same_with_a_hundred_thousand_public_rules(firewall: nft.NftFirewall) -> None:
    await firewall.load(POLICY)
    began = time.monotonic()
    assert await firewall.loaded() == POLICY
    without = time.monotonic() - began
    keys = (f"192.0.{n // 1000}.1 . tcp . {n % 1000 + 1}" for n in range(100_000))
    elements = ", ".join(f"{key} : 198.51.100.1 . 80" for key in keys)
    nft_command(f"add element inet causeway public4 {{ {elements} }}")
    started = time.monotonic()
    assert await firewall.loaded() == POLICY
    assert time.monotonic() - started < 3 * without + 0.3


async def test_sets_of_public_rules_hold_all_ports_in_a_small_table(firewall: nft.NftFirewall) -> None:
    await firewall.load(POLICY)
    await firewall.load(POLICY)
    keys = ", ".join(f"192.0.2.{n // 60_000} . 6 . {n % 60_000}" for n in range(MAX_ELEMENTS))
    nft_command(f"add element inet causeway published4 {{ {keys} }}")
    with pytest.raises(subprocess.CalledProcessError):
        nft_command("add element inet causeway published4 { 192.0.2.9 . 6 . 1 }")
    await firewall.load(OTHER)
    assert await firewall.loaded() == OTHER


async def test_counters_are_read_and_are_no_change(firewall: nft.NftFirewall) -> None:
    await firewall.load(POLICY)
    nft_command("insert rule inet causeway input counter name drop_flood")
    before = await firewall.fingerprint()
    knock()
    counters = await firewall.counters()
    assert {"drop_input", "drop_forward", "drop_arp"} <= set(counters)
    packets, octets = counters["drop_flood"]
    assert packets > 0
    assert octets > packets
    assert await firewall.fingerprint() == before


async def test_a_refused_transaction_changes_nothing_and_says_why(firewall: nft.NftFirewall) -> None:
    await firewall.load(POLICY)
    with pytest.raises(errors.BackendError, match="No such file or directory"):
        await firewall.run("flush chain inet causeway forward\nflush chain inet causeway nosuch")
    assert await firewall.loaded() == POLICY


async def test_a_dead_worker_is_replaced_and_the_policy_still_known(firewall: nft.NftFirewall) -> None:
    await firewall.load(POLICY)
    (worker,) = children()
    os.kill(worker, 9)
    try:
        await firewall.loaded()
    except errors.BackendError as error:
        assert "worker died" in str(error)  # noqa: PT017 - it may die before or after the request
    assert await firewall.loaded() == POLICY


async def test_the_worker_gives_back_what_a_policy_leaves(firewall: nft.NftFirewall) -> None:
    def own() -> int:
        (worker,) = children()
        text = pathlib.Path(f"/proc/{worker}/status").read_text(encoding="ascii")
        return int(text.partition("RssAnon:")[2].split()[0])

    await firewall.run("list tables")
    before = own()
    await firewall.load(POLICY)
    await firewall.run("list tables")  # it trims after its answer
    assert own() - before < 3400, "kB"


async def test_requests_of_several_tasks_get_their_own_answers(firewall: nft.NftFirewall) -> None:
    await firewall.load(POLICY)
    names = ["known", "tries", "guarded", "doors4"] * 5
    listings = await asyncio.gather(*(firewall.run(f"list set inet causeway {name}") for name in names))
    assert all(f"set {name} {{" in listing for name, listing in zip(names, listings, strict=True))


async def test_a_worker_that_does_not_answer_is_ended_in_time(tmp_path: pathlib.Path) -> None:
    silent = tmp_path / "silent.py"
    silent.write_text("import time; time.sleep(60)")
    channel = nft_channel.NftChannel(worker=silent)
    with pytest.raises(errors.BackendError, match=r"no answer within 0\.2 s"):
        await channel.call("list tables", seconds=0.2)
    await channel.close()
    assert not [pid for pid in children() if "silent.py" in arguments(pid)]


async def test_a_worker_that_cannot_run_says_why(tmp_path: pathlib.Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("import nosuchmodule")
    channel = nft_channel.NftChannel(worker=broken)
    with pytest.raises(errors.BackendError, match="No module named 'nosuchmodule'"):
        await channel.call("list tables", seconds=5)
    await channel.close()


async def test_changes_by_others_are_events_and_our_own_are_not(firewall: nft.NftFirewall) -> None:
    await firewall.load(POLICY)
    events = kernel_events.events()
    first = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0.05)
    await firewall.load(OTHER)
    await firewall.run(f"add element inet causeway known {{ {FLOW} }}")
    await asyncio.sleep(0.1)
    assert not first.done()
    nft_command("add table ip mine")
    async with asyncio.timeout(2):
        assert await first == "filter"


def children() -> list[int]:
    listed = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    return [
        pid
        for pid in map(int, listed.split())
        if "nft_worker" in arguments(pid) or "silent" in arguments(pid)
    ]


def arguments(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
