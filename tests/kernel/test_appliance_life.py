"""The life of a real appliance under a real controller: watched, refused when it is gone, brought back."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from causeway_controller.fleet import client
from causeway_controller.trust.identity import ControllerIdentity
from causeway_lab.assembly import inventory
from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.assembly.lab import Lab, LabError, VmRef
from causeway_lab.assembly.replicas import Replicas
from causeway_lab.service.controllers import Controller
from causeway_lab.service.host_server import HostServer
from causeway_lab.world import namespaces
from causeway_lab.world.topology import SP_CONTROLLER
from causeway_wire import codec
from causeway_wire.types import IPAddress
from tests.update_files import make

pytestmark = pytest.mark.kernel

TENANT = "acme"
ID = f"{TENANT}-{SECOND_HOST}"
VM = "db1"
PAGE = Path(__file__).parents[2] / "docs/how-to/keep-appliances-alive.md"
VERBS = ("list", "show", "deploy", "rotate", "redeploy", "update", "retire")
"""Of `causeway appliance`, each of which the page has."""
WHERE = (TENANT, SECOND_HOST)
SECONDS = 150
"""Generous: CI is slow."""
LOOK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Story:
    """A controller that knows the tenant, and the host that it deploys to."""

    lab: Lab
    place: Path
    controller: Controller
    uplink: IPAddress

    async def deployed(self) -> None:
        await self.controller.ask("appliance", "deploy", *WHERE)

    async def until(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """What is known of the appliance, once this is so of it."""
        deadline = time.monotonic() + SECONDS
        while not true(found := await self.known()):
            assert time.monotonic() < deadline, found
            await asyncio.sleep(LOOK_SECONDS)
        return found

    async def begun(self, request: str) -> None:
        """Wait until the newest run is of this kind."""
        deadline = time.monotonic() + SECONDS
        while (newest := await self.newest())["request"]["request"] != request:
            assert time.monotonic() < deadline, newest
            await asyncio.sleep(LOOK_SECONDS)

    async def newest(self) -> dict[str, Any]:
        """The newest run."""
        return dict((await self.controller.look("/v1/runs"))["runs"][0])

    async def known(self) -> dict[str, Any]:
        """What is known of the appliance."""
        (found,) = (await self.controller.look("/v1/appliances"))["appliances"]
        return dict(found)

    async def published(self) -> tuple[str, ...]:
        """Names of the public rules that the appliance itself has."""
        (own,) = (self.place / "identity" / self.controller.name).iterdir()
        identity = ControllerIdentity(
            certificate=own / "controller.pem",
            key=own / "controller.key",
            authority=await asyncio.to_thread(self.authority),
        )
        uplink = self.uplink
        async with client.open_agent(
            appliance=ID,
            address=uplink,
            port=8443,
            identity=identity,
            socket_factory=namespaces.socket_in(SP_CONTROLLER),
        ) as agent:
            return tuple(rule.id for rule in (await agent.get_rules()).rules)

    def authority(self) -> str:
        """By what the controller knows its agents."""
        with sqlite3.connect(self.place / "causeway.db") as connection:
            (text,) = connection.execute("SELECT certificate FROM authority").fetchone()
        connection.close()
        return str(text)

    async def refused(self, *arguments: str) -> str:
        with pytest.raises(LabError) as caught:
            await self.controller.ask(*arguments)
        return str(caught.value).partition("; the end of its log")[0]


@pytest_asyncio.fixture(loop_scope="session")
async def story(lab: Lab, tmp_path: Path) -> AsyncIterator[Story]:
    async with AsyncExitStack() as stack:
        host = HostServer(lab.hypervisor, Replicas(lab.machines), tmp_path / "host")
        url = (await stack.enter_async_context(host)).url
        stack.push_async_callback(lab.hypervisor.destroy, ID)
        controller = Controller("first", tmp_path)
        await controller.set_up()
        await controller.start()
        stack.push_async_callback(controller.stop)
        file = tmp_path / "provider.yaml"
        file.write_bytes(codec.encode(inventory.second_host(lab.topology, url, TENANT)))
        await controller.ask("apply", "-f", str(file))
        yield Story(lab=lab, place=tmp_path, controller=controller, uplink=inventory.SECOND_UPLINK[0].ip)


@pytest.mark.timeout(400)
async def test_what_becomes_of_an_appliance_is_told_and_a_failover_on_a_dead_one_refused(
    story: Story,
) -> None:
    failover = ("failover", "full", TENANT, VM, "--host", SECOND_HOST, "--detach")
    assert f"causeway appliance deploy {TENANT} {SECOND_HOST}" in await story.refused(*failover)
    assert not await story.controller.ask_json("run", "list")

    await story.deployed()
    well = await story.until(lambda one: one["condition"] == "healthy")
    assert (well["mode"], well["intended_mode"], well["appliance"]) == ("idle", "idle", ID)
    assert "Nothing is wrong" in await story.controller.ask("status")

    await story.controller.ask("failover", "full", TENANT, VM, "--host", SECOND_HOST)
    full = await story.until(lambda one: one.get("intended_mode") == "full")
    assert (full["mode"], full["condition"]) == ("full", "healthy")

    await story.lab.hypervisor.power(ID, on=False, grace=0.0)
    await story.until(lambda one: one["condition"] == "off")
    first_line = (await story.controller.ask("status", ok=(0, 1))).splitlines()[0]
    assert first_line.startswith(f"{TENANT} on {SECOND_HOST}: it is full and powered off")

    await story.deployed()
    back = await story.until(lambda one: one["condition"] == "healthy")
    assert back["mode"] == "full"
    await story.controller.ask("failover", "undo", TENANT, "--full", "--host", SECOND_HOST)


@pytest.mark.timeout(500)
async def test_an_appliance_gets_another_key_another_machine_and_an_end(story: Story) -> None:
    await story.deployed()
    first = await story.until(lambda one: one["condition"] == "healthy")
    await story.controller.ask("appliance", "rotate", *WHERE, "--revoke")
    second = await story.until(lambda one: one.get("certificate") != first["certificate"])
    assert second["condition"] == "healthy"

    await story.controller.ask("failover", "full", TENANT, VM, "--host", SECOND_HOST)
    assert "serves a failover (full)" in await story.refused("appliance", "retire", *WHERE)
    before = await story.published()
    assert before
    await story.controller.ask("appliance", "redeploy", *WHERE)
    # It may have been asked how it is between its certificate and its document.
    third = await story.until(
        lambda one: one.get("certificate") != second["certificate"] and one["condition"] == "healthy"
    )
    assert third["mode"] == "full"
    assert await story.published() == before, "what was published is published again"

    await story.controller.ask("failover", "undo", TENANT, "--full", "--host", SECOND_HOST)
    await story.controller.ask("appliance", "retire", *WHERE)
    assert await story.lab.hypervisor.find(ID) is None
    assert (await story.controller.ask_json("appliance", "list"))["appliances"] == []
    acts = {one["action"] for one in (await story.controller.ask_json("audit", "list"))["records"]}
    assert acts >= {"appliance.rotate", "appliance.redeploy", "appliance.retire", "certificate.revoke"}
    assert "is not on host" in await story.refused(
        "failover", "full", TENANT, VM, "--host", SECOND_HOST, "--detach"
    )


@pytest.mark.timeout(500)
async def test_what_its_host_lost_comes_back_by_itself_though_the_controller_dies(story: Story) -> None:
    await story.deployed()
    await story.controller.ask("failover", "full", TENANT, VM, "--host", SECOND_HOST)
    first = await story.until(lambda one: one["condition"] == "healthy" and one["mode"] == "full")
    before = await story.published()

    await story.lab.hypervisor.destroy(ID)
    await story.begun("rebuild")
    await story.controller.kill()
    second = Controller("second", story.place)
    await second.start()
    try:
        await is_back(replace(story, controller=second), first["certificate"], before)
    finally:
        await second.stop()


async def is_back(story: Story, certificate: str, before: tuple[str, ...]) -> None:
    back = await story.until(lambda one: one["condition"] == "healthy")
    assert (back["mode"], back["certificate"] != certificate) == ("full", True)
    assert await story.published() == before

    run = (await story.controller.ask_json("run", "list"))[0]
    assert (run["request"]["request"], run["open"], run["last"]["kind"]) == ("rebuild", False, "finished")
    acts = [one["action"] for one in (await story.controller.ask_json("audit", "list"))["records"]]
    assert acts.count("appliance.rebuild") == 1
    await story.controller.ask("failover", "undo", TENANT, "--full", "--host", SECOND_HOST)


def commands_of_the_page() -> list[tuple[str, ...]]:
    """Every whole command of the page, in a line or in a sentence, once; what ends the appliance is last.

    Those of gateways runs `test_gateway_life`.
    """
    shown = re.findall(r"^ {4}causeway (.*)$|`causeway ([^`\n]*)`", PAGE.read_text(), re.MULTILINE)
    found = dict.fromkeys(tuple((line or word).split()) for line, word in shown)
    cut = {("appliance", "redeploy")}
    whole = [words for words in found if words not in cut and words[0] != "gateway" and words[-1] != "..."]
    return sorted(whole, key=lambda words: "retire" in words)


def accepted(words: tuple[str, ...]) -> tuple[int, ...]:
    """Exit codes. The lab's machines have one slot, so that they refuse an update: its run says so."""
    if "update" in words and "--dry-run" not in words:
        return (4,)
    return (0, 1) if words == ("status",) else (0,)


@pytest.mark.timeout(600)
async def test_the_commands_of_the_page_do_what_it_says(story: Story, tmp_path: Path) -> None:
    make(tmp_path, version="1.2")
    file = tmp_path / "causeway-1.2.update"
    await story.deployed()
    await story.until(lambda one: one["condition"] == "healthy")
    await story.controller.ask("failover", "full", TENANT, VM, "--host", SECOND_HOST)
    await story.controller.ask("failover", "undo", TENANT, "--full", "--host", SECOND_HOST)
    run = (await story.controller.ask_json("run", "list"))[0]["id"]
    named = {"esx1": SECOND_HOST, "RUN": run, file.name: str(file)}
    done = []
    for words in commands_of_the_page():
        await story.controller.ask(*(named.get(word, word) for word in words), ok=accepted(words))
        done.append(words[:2])
    assert {("appliance", verb) for verb in VERBS} | {("run", "watch"), ("audit", "list")} <= set(done)
    assert (await story.controller.ask_json("appliance", "list"))["appliances"] == []
    ending, last = (await story.controller.ask_json("run", "list"))[:2]
    assert (ending["request"]["request"], ending["last"]["kind"]) == ("retire", "finished")
    assert (last["request"]["request"], last["last"]["kind"]) == ("update-fleet", "failed")
    assert "tenant" not in last


@pytest.mark.timeout(400)
async def test_what_carries_or_stops_a_packet_is_told_by_the_appliance_itself(story: Story) -> None:
    await story.deployed()
    replica = next(one for one in story.lab.vm(VmRef(TENANT, VM)).addresses if one.version == 4)
    idle = await story.controller.ask_json("explain", "203.0.113.99", str(replica))
    assert (idle["mode"], "legs" in idle) == ("idle", False)

    await story.controller.ask("failover", "full", TENANT, VM, "--host", SECOND_HOST)
    rule = next(one for one in story.lab.tenant(TENANT).publications if one.internal_address == replica)
    published = (str(rule.public_address), rule.protocol.value, str(rule.public_port))
    passes = await story.controller.ask_json("explain", "203.0.113.99", *published)
    appliance = next(leg for leg in passes["legs"] if "provider's appliance" in leg["where"])
    assert (passes["works"], appliance["passes"]) == (True, True), passes
    assert any(rule.id in stage["text"] for stage in appliance["stages"])

    unpublished = ("explain", "203.0.113.99", str(rule.public_address), "tcp", "9")
    stopped = await story.controller.ask_json(*unpublished, ok=(1,))
    assert stopped["works"] is False
    assert "is stopped at the provider's appliance" in stopped["verdict"]
    assert stopped["advice"]
    await story.controller.ask("failover", "undo", TENANT, "--full", "--host", SECOND_HOST)
