"""The client against a real TLS server: whom it talks to, what it makes of answers, how it applies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from socket import socket

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from cryptography import x509

from causeway_controller.errors import (
    AgentUnreachable,
    ChangeFailed,
    ChangePending,
    UnexpectedAnswer,
    WrongPeer,
)
from causeway_controller.failover import documents
from causeway_controller.fleet import client
from causeway_controller.trust import pki
from causeway_controller.trust.identity import ControllerIdentity
from causeway_wire.change import ChangeState
from causeway_wire.desired import Desired, ProviderRole
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.routes import Permission
from causeway_wire.types import Secret
from tests import sites
from tests.fakes.agent_server import ADDRESS, AgentServer

NOW = datetime.now(UTC)
ME = "acme-provider"
AUTHORITY = pki.make_controller_authority(name="controllers", now=NOW)
FOREIGN = pki.make_controller_authority(name="controllers", now=NOW)

Opener = Callable[[], client.AgentClient]


def identity(directory: Path, *, authority: pki.Authority = AUTHORITY) -> ControllerIdentity:
    key = pki.make_key()
    certificate = pki.issue_controller(
        authority, key.public_key(), name="c1", permissions=(Permission.APPLY,), now=NOW
    )
    (directory / "client.pem").write_text(certificate)
    (directory / "client.key").write_bytes(pki.private_pem(key))
    return ControllerIdentity(
        certificate=directory / "client.pem", key=directory / "client.key", authority=AUTHORITY.pem
    )


def certify(
    agent: AgentServer,
    *,
    authority: pki.Authority = AUTHORITY,
    appliance: str = ME,
    now: datetime = NOW,
    usage: pki.Usage = pki.Usage.SERVER,
) -> None:
    names = [x509.UniformResourceIdentifier(pki.APPLIANCE_URN + appliance)]
    key = agent.key("agent").public_key()
    agent.install(pki.pem(authority.issue(key, common_name=appliance, usage=usage, names=names, now=now)))


def document(generation: int, *, epoch: int = 1) -> Desired:
    return documents.document(sites.site(), ME, generation=generation, epoch=epoch)


@pytest_asyncio.fixture
async def agent(tmp_path: Path) -> AsyncIterator[AgentServer]:
    server = AgentServer(appliance=ME, directory=tmp_path, controller_ca=AUTHORITY.pem)
    certify(server)
    async with server.serving():
        yield server


@pytest.fixture
def opened(agent: AgentServer, tmp_path: Path) -> Opener:
    def open_it() -> client.AgentClient:
        return client.open_agent(
            appliance=ME, address=ip_address(ADDRESS), port=agent.port, identity=identity(tmp_path)
        )

    return open_it


async def test_the_named_appliance_is_talked_to(opened: Opener) -> None:
    async with opened() as one:
        assert (await one.versions()).appliance == ME


async def test_another_appliance_is_refused_before_a_request_is_sent(
    agent: AgentServer, opened: Opener
) -> None:
    certify(agent, appliance="acme-tenant-0")
    async with opened() as one:
        with pytest.raises(WrongPeer, match="urn:causeway:appliance:acme-provider"):
            await one.versions()
    assert agent.requests == []


async def test_an_expired_certificate_is_refused(agent: AgentServer, opened: Opener) -> None:
    certify(agent, now=NOW - timedelta(days=1000))
    async with opened() as one:
        with pytest.raises(WrongPeer, match="expired"):
            await one.versions()


async def test_a_foreign_authority_is_refused(agent: AgentServer, opened: Opener) -> None:
    certify(agent, authority=FOREIGN)
    async with opened() as one:
        with pytest.raises(WrongPeer):
            await one.versions()


async def test_a_client_certificate_does_not_make_a_server(agent: AgentServer, opened: Opener) -> None:
    certify(agent, usage=pki.Usage.CLIENT)
    async with opened() as one:
        with pytest.raises(WrongPeer):
            await one.versions()


async def test_a_refused_controller_is_told_what_to_check(agent: AgentServer, tmp_path: Path) -> None:
    stranger = client.open_agent(
        appliance=ME,
        address=ip_address(ADDRESS),
        port=agent.port,
        identity=identity(tmp_path, authority=FOREIGN),
    )
    async with stranger:
        with pytest.raises(AgentUnreachable, match="whether it refused our certificate"):
            await stranger.versions()
    assert agent.requests == []


async def test_silence_is_unreachable(tmp_path: Path) -> None:
    with socket() as bound:
        bound.bind((ADDRESS, 0))
        port = bound.getsockname()[1]
        one = client.open_agent(
            appliance=ME, address=ip_address(ADDRESS), port=port, identity=identity(tmp_path)
        )
        async with one:
            with pytest.raises(AgentUnreachable):
                await one.live()


async def test_the_callers_sockets_are_used(agent: AgentServer, tmp_path: Path) -> None:
    made: list[socket] = []

    def factory(info: aiohttp.AddrInfoType) -> socket:
        made.append(socket(info[0], info[1], info[2]))
        made[-1].settimeout(0)
        return made[-1]

    one = client.open_agent(
        appliance=ME,
        address=ip_address(ADDRESS),
        port=agent.port,
        identity=identity(tmp_path),
        socket_factory=factory,
    )
    async with one:
        await one.live()
        await one.live()
    assert len(made) == 1


async def test_a_problem_is_raised_as_it_was_sent(opened: Opener) -> None:
    async with opened() as one:
        with pytest.raises(ProblemError) as caught:
            await one.change("none")
    assert caught.value.problem.type == ProblemType.NOT_FOUND.urn


async def test_a_foreign_answer_is_not_taken_for_the_api(agent: AgentServer, opened: Opener) -> None:
    agent.intercept = lambda _: web.Response(status=200, text="<html>", content_type="text/html")
    async with opened() as one:
        with pytest.raises(UnexpectedAnswer, match="200 text/html"):
            await one.observed()


async def test_applying_waits_until_the_document_is_in_force(agent: AgentServer, opened: Opener) -> None:
    agent.change_seconds = 0.05
    async with opened() as one:
        change = await one.apply(document(1), timeout=5)
        assert change.state is ChangeState.DONE
        assert agent.document == document(1)
        await one.apply(document(2), timeout=5)
    assert agent.document == document(2)
    waits = [path for _, path in agent.requests if path.startswith("/v1/changes/")]
    assert len(waits) == 2


async def test_an_outdated_precondition_is_renewed(agent: AgentServer, opened: Opener) -> None:
    async with opened() as one:
        await one.apply(document(1), timeout=5)
        await one.get_desired()
        agent.document = document(2)
        await one.apply(document(3), timeout=5)
    assert agent.document == document(3)


async def test_a_refused_change_carries_its_problem(agent: AgentServer, opened: Opener) -> None:
    agent.refuse = problem(ProblemType.ADDRESS_IN_USE, "192.168.0.20 answers")
    async with opened() as one:
        with pytest.raises(ChangeFailed, match=r"192\.168\.0\.20 answers") as caught:
            await one.apply(document(1), timeout=5)
        assert caught.value.problem == agent.refuse
        agent.refuse = None
        await one.apply(document(2), timeout=5)


async def test_a_change_in_flight_is_waited_for(agent: AgentServer, opened: Opener) -> None:
    agent.change_seconds = 0.1
    async with opened() as one:
        await one.put_desired(document(1))
        await one.apply(document(2), timeout=5)
    assert agent.document == document(2)


async def test_applying_has_a_deadline(agent: AgentServer, opened: Opener) -> None:
    agent.change_seconds = 10
    async with opened() as one:
        with pytest.raises(ChangePending, match=r"not final after 0\.2 s"):
            await one.apply(document(1), timeout=0.2)


async def test_applying_to_another_machine_fails_at_once(agent: AgentServer, opened: Opener) -> None:
    certify(agent, appliance="acme-tenant-0")
    async with asyncio.timeout(5), opened() as one:
        with pytest.raises(WrongPeer):
            await one.apply(document(1), timeout=15)


async def test_a_connection_lost_while_waiting_is_waited_out(agent: AgentServer, opened: Opener) -> None:
    cut: list[str] = []

    def cut_once(request: web.Request) -> None:
        if request.path.startswith("/v1/changes/") and not cut:
            cut.append(request.path)
            assert request.transport is not None
            request.transport.abort()

    agent.intercept = cut_once
    agent.change_seconds = 0.05
    async with opened() as one:
        change = await one.apply(document(1), timeout=5)
    assert change.state is ChangeState.DONE
    assert cut


async def test_who_applies_while_no_connection_is_kept_any_more_goes_on(
    agent: AgentServer, opened: Opener
) -> None:
    asked, connections = asyncio.Event(), set[asyncio.Transport | None]()

    def note(request: web.Request) -> None:
        connections.add(request.transport)
        if request.path.startswith("/v1/changes/"):
            asked.set()

    agent.intercept = note
    agent.change_seconds = 0.2
    async with opened() as one:
        applying = asyncio.create_task(one.apply(document(1), timeout=5))
        await asked.wait()
        await one.keep_none()
        assert (await applying).state is ChangeState.DONE
        assert len(connections) == 1, "what was under way ended as it began"
        await one.versions()
        await one.versions()
        assert len(connections) == 3


async def test_secrets_come_back_masked(opened: Opener) -> None:
    site = sites.site()
    full = documents.document(
        sites.with_failed_over(site, "acme", frozenset({"vm-0-0"})),
        ME,
        generation=1,
        epoch=1,
    )
    async with opened() as one:
        await one.apply(full, timeout=5)
        role = (await one.get_desired()).role
    assert isinstance(role, ProviderRole)
    tunnel = role.networks[0].tunnel
    assert tunnel is not None
    assert tunnel.tls_crypt == Secret("****")


async def test_a_change_that_awaits_confirmation_is_confirmed_over_a_connection_of_its_own(
    agent: AgentServer, opened: Opener
) -> None:
    ports: list[int] = []

    def noted(request: web.Request) -> None:
        assert request.transport is not None
        ports.append(request.transport.get_extra_info("peername")[1])

    agent.intercept = noted
    async with opened() as one:
        change = await one.apply(document(1), timeout=5, confirm=60)
        assert change.state is ChangeState.AWAITING
        assert len(set(ports)) == 1
        with pytest.raises(ProblemError) as caught:
            await one.apply(document(2), timeout=5)
        assert caught.value.problem.type == ProblemType.AWAITING_CONFIRMATION.urn
        extended = await one.extend(change.id, seconds=120, epoch=change.epoch)
        assert extended.deadline != change.deadline
        assert (await one.confirm(change.id, epoch=change.epoch)).state is ChangeState.DONE
        assert len(set(ports)) == 2
        assert (await one.get_desired()).generation == 1


async def test_a_change_is_cancelled_and_tried_again_under_another_generation(
    agent: AgentServer, opened: Opener
) -> None:
    async with opened() as one:
        change = await one.apply(document(1), timeout=5, confirm=60, escalate=True)
        assert ("PUT", "/v1/desired?confirm=60&escalate=true") in agent.requests
        assert (await one.cancel(change.id, epoch=change.epoch)).state is ChangeState.ROLLED_BACK
        assert agent.document is None
        with pytest.raises(ProblemError, match="accepted before"):
            await one.apply(document(1), timeout=5)
        assert (await one.apply(document(2), timeout=5)).state is ChangeState.DONE


async def test_a_change_that_somebody_else_must_confirm_is_not_taken_for_done(
    agent: AgentServer, opened: Opener
) -> None:
    async with opened() as one:
        await one.apply(document(1), timeout=5, confirm=60)
        with pytest.raises(ProblemError, match="confirm it or cancel it"):
            await one.apply(document(1), timeout=5)
