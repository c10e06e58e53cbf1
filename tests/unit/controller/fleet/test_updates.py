"""An update file on its way to an appliance, and the outcome, whatever it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from cryptography import x509

from causeway_controller.errors import StoreError, UpdateFailed
from causeway_controller.fleet import client, update_file, updates
from causeway_controller.fleet.update_file import UpdateFile
from causeway_controller.trust import pki
from causeway_controller.trust.identity import ControllerIdentity
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.routes import Permission
from causeway_wire.update import Activation, Slot, SlotReport, SlotState, UpdateStatus, state_of
from tests.fakes.agent_server import ADDRESS, AgentServer, problem_answer
from tests.update_files import make

ME = "acme-provider"
NOW = datetime.now(UTC)
AUTHORITY = pki.make_controller_authority(name="controllers", now=NOW)


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "POLL_SECONDS", 0.01)


@pytest.fixture
def file(tmp_path: Path) -> UpdateFile:
    make(tmp_path, version="2")
    return update_file.read(tmp_path / "causeway-2.update")


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[AgentServer]:
    server = AgentServer(appliance=ME, directory=tmp_path, controller_ca=AUTHORITY.pem)
    names = [x509.UniformResourceIdentifier(pki.APPLIANCE_URN + ME)]
    key = server.key("agent").public_key()
    server.install(
        pki.pem(AUTHORITY.issue(key, common_name=ME, usage=pki.Usage.SERVER, names=names, now=NOW))
    )
    async with server.serving():
        yield server


@pytest_asyncio.fixture
async def agent(server: AgentServer, tmp_path: Path) -> AsyncIterator[client.AgentClient]:
    key = pki.make_key()
    (tmp_path / "client.key").write_bytes(pki.private_pem(key))
    certificate = pki.issue_controller(
        AUTHORITY, key.public_key(), name="c1", permissions=tuple(Permission), now=NOW
    )
    (tmp_path / "client.pem").write_text(certificate)
    identity = ControllerIdentity(
        certificate=tmp_path / "client.pem", key=tmp_path / "client.key", authority=AUTHORITY.pem
    )
    async with client.open_agent(
        appliance=ME, address=ip_address(ADDRESS), port=server.port, identity=identity
    ) as one:
        yield one


def restarts(server: AgentServer, build: str, *outcomes: SlotState) -> None:
    """What the slots show after the activation, at each time of asking; the last one stays."""
    left = list(outcomes)

    async def status() -> UpdateStatus:
        shown = left.pop(0) if len(left) > 1 else left[0]
        new = SlotReport(slot=Slot.B, state=shown, version="2", build=build)
        old = SlotReport(slot=Slot.A, state=SlotState.GOOD, version="1", build="a" * 64)
        good = shown is SlotState.GOOD
        running = (new, old) if good else (old, new)
        return UpdateStatus(state=state_of(*running), running=running[0].slot, next=Slot.B, slots=(old, new))

    activate = server.slots.activate

    async def activated(wanted: Activation) -> UpdateStatus:
        server.slots.other = msgspec.structs.replace(server.slots.other, build=wanted.build)
        found = await activate(wanted)
        server.slots.status = status  # type: ignore[method-assign]
        return found

    server.slots.activate = activated  # type: ignore[method-assign]


async def test_a_file_is_sent_whole_with_its_digest_and_progress(
    server: AgentServer, agent: client.AgentClient, file: UpdateFile
) -> None:
    told: list[tuple[int, int]] = []
    status = await updates.send(
        agent,
        UpdateFile(
            path=file.path,
            octets=file.octets,
            sha256=file.sha256,
            build=file.build,
            manifest=file.manifest,
            progress=lambda sent, octets: told.append((sent, octets)),
        ),
    )
    assert status.report(Slot.B).build == file.sha256  # the fake names builds so
    assert told[-1] == (file.octets, file.octets)


async def test_what_is_there_already_is_not_sent_again(
    server: AgentServer, agent: client.AgentClient, file: UpdateFile
) -> None:
    server.slots.other = SlotReport(slot=Slot.B, state=SlotState.READY, build=file.build)
    await updates.send(agent, file)
    assert ("PUT", "/v1/update") not in server.requests


async def test_an_update_that_proves_good_is_the_outcome(
    server: AgentServer, agent: client.AgentClient, file: UpdateFile
) -> None:
    restarts(server, file.build, SlotState.TRYING, SlotState.TRYING, SlotState.GOOD)
    status = await updates.install(agent, file)
    assert status.report(status.running).build == file.build


async def test_silence_while_it_restarts_is_waited_out(
    server: AgentServer, agent: client.AgentClient, file: UpdateFile
) -> None:
    restarts(server, file.build, SlotState.TRYING, SlotState.GOOD)
    refusals = 3

    def silent(request: web.Request) -> web.Response | None:
        nonlocal refusals
        activated = ("POST", "/v1/update/activate") in server.requests
        if activated and request.method == "GET" and refusals:
            refusals -= 1
            assert request.transport is not None
            request.transport.abort()
            return problem_answer(problem(ProblemType.UNAVAILABLE, "nobody reads this"))
        return None

    server.intercept = silent
    await updates.install(agent, file)
    assert refusals == 0


async def test_a_fall_back_is_told(server: AgentServer, agent: client.AgentClient, file: UpdateFile) -> None:
    restarts(server, file.build, SlotState.TRYING, SlotState.FAILED)
    with pytest.raises(UpdateFailed, match="slot a runs again: slot b did not become healthy"):
        await updates.install(agent, file)


async def test_an_older_one_is_refused_unless_told(
    server: AgentServer, agent: client.AgentClient, file: UpdateFile
) -> None:
    server.slots.older = True
    with pytest.raises(ProblemError) as caught:
        await updates.install(agent, file)
    assert caught.value.problem.type == ProblemType.UPDATE_OLDER.urn
    restarts(server, file.build, SlotState.TRYING, SlotState.GOOD)
    status = await updates.install(agent, file, allow_older=True)
    assert status.report(status.running).build == file.build


def test_agents_from_before_are_sent_nothing_that_they_do_not_know() -> None:
    assert b"allow_older" not in codec.encode(Activation(build="0" * 64))


def test_a_slow_appliance_is_given_longer_to_prove_good_and_no_longer_than_it_takes() -> None:
    longer = updates.USUAL.longer(8.0)
    assert (longer.seconds, longer.within, longer.silence) == (8 * 300, 8 * 3600.0, 8 * 600.0)
    most = updates.USUAL.longer(20.0).seconds
    assert codec.decode(codec.encode(Activation(build="0" * 64, seconds=most)), Activation).seconds == most


async def test_no_outcome_in_time_is_told(
    server: AgentServer, agent: client.AgentClient, file: UpdateFile
) -> None:
    restarts(server, file.build, SlotState.TRYING)
    with pytest.raises(UpdateFailed, match="not known in time; slot a runs"):
        await updates.install(agent, file, within=0.1)


@pytest.mark.parametrize("content", [b"", b"x" * 5000])
def test_what_is_no_update_file_is_refused_here(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.update").write_bytes(content)
    with pytest.raises(StoreError, match=r"x\.update"):
        update_file.read(tmp_path / "x.update")
    with pytest.raises(StoreError):
        update_file.read(tmp_path / "missing")
