"""The controller's own enrolment and client against the agent's own API, keys and TLS, over loopback."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from causeway_agent.api import application, handlers, peers, tls
from causeway_agent.api.listener import Listener
from causeway_agent.api.serving import Serving
from causeway_agent.backends.host.identity import KeyStore
from causeway_agent.backends.host.storage import DirectoryStorage
from causeway_agent.engine import service
from causeway_controller.errors import AgentUnreachable, EnrolmentRefused
from causeway_controller.fleet import client, enrolment
from causeway_controller.trust import pki
from causeway_controller.trust.identity import ControllerIdentity
from causeway_wire.change import ChangeState
from causeway_wire.desired import Management
from causeway_wire.identity import Certificate, CsrRequest, Purpose
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.routes import Permission
from causeway_wire.types import Secret
from tests.agents import APPLIANCE, MANAGEMENT, REPLICA, Bench, partial, tenant
from tests.unit.agent.api.api_bench import versions

NOW = datetime.now(UTC)
LOOPBACK = ip_address("127.0.0.1")
TOKEN = Secret("single use token")
AUTHORITY = pki.make_controller_authority(name="controllers", now=NOW)
NONCE = "n" * 22


def controller(directory: Path, authority: pki.Authority = AUTHORITY) -> ControllerIdentity:
    """A controller that may apply."""
    directory.mkdir(exist_ok=True)
    key = pki.make_key()
    certificate = pki.issue_controller(
        authority, key.public_key(), name="c1", permissions=(Permission.APPLY,), now=NOW
    )
    (directory / "client.pem").write_text(certificate)
    (directory / "client.key").write_bytes(pki.private_pem(key))
    return ControllerIdentity(
        certificate=directory / "client.pem", key=directory / "client.key", authority=AUTHORITY.pem
    )


@dataclass
class Agent:
    """A served agent and where its keys lie."""

    directory: Path
    port: int
    store: KeyStore

    async def enrol(self, token: Secret = TOKEN) -> str:
        """The controller's first contact."""
        return await enrolment.enrol(
            appliance=APPLIANCE,
            address=LOOPBACK,
            port=self.port,
            token=token,
            identity=controller(self.directory / "controller"),
            authority=AUTHORITY,
            now=NOW,
        )

    def open(self) -> client.AgentClient:
        """The enrolled agent's client."""
        return client.open_agent(
            appliance=APPLIANCE,
            address=LOOPBACK,
            port=self.port,
            identity=controller(self.directory / "controller"),
        )


@contextlib.asynccontextmanager
async def running(directory: Path, port: int) -> AsyncIterator[Agent]:
    """An agent whose machine is made of fakes and whose keys, disk and TLS are real."""
    bench = Bench()
    state, run = directory / "state", directory / "run"
    for each in (state, state / "keys", run):
        each.mkdir(exist_ok=True)
    store = KeyStore(
        appliance=APPLIANCE,
        keys=state / "keys",
        storage=DirectoryStorage(state),
        controller_ca=AUTHORITY.pem,
        token=TOKEN,
    )
    async with service.running(bench.engine()) as engine:
        engine._first_management = Management(
            nic=MANAGEMENT.nic, address=LOOPBACK, sources=MANAGEMENT.sources, port=port
        )
        context = tls.RotatingContext(ssl.PROTOCOL_TLS_SERVER)
        operations = handlers.Handlers(engine=engine, identity=store, versions=versions).operations()
        app = application.create(operations, resolver=peers.from_certificate)
        async with Listener(app, context) as listener:
            serving = Serving(
                listener=listener, context=context, engine=engine, directory=run, ready=lambda: None
            )
            await store.open(serving.use)
            yield Agent(directory, port, store)


async def test_an_appliance_is_enrolled_renewed_and_configured(tmp_path: Path, unused_tcp_port: int) -> None:
    async with running(tmp_path, unused_tcp_port) as agent:
        await agent.enrol()
        async with agent.open() as opened:
            assert (await opened.versions()).appliance == APPLIANCE
            await enrolment.renew(
                opened,
                key="agent-2",
                address=LOOPBACK,
                trust=AUTHORITY.pem,
                authority=AUTHORITY,
                now=NOW,
            )
            change = await opened.put_desired(tenant(1, failover=partial(REPLICA)))
            final = await opened.change(change.id, wait=10)
            assert final.state is ChangeState.DONE
            again = await opened.put_desired(tenant(1, failover=partial(REPLICA)))
            assert again == final


async def test_the_token_works_once_and_a_restart_does_not_revive_it(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with running(tmp_path, unused_tcp_port) as agent:
        with pytest.raises(EnrolmentRefused):
            await agent.enrol(Secret("guessed"))
        await agent.enrol()
        with pytest.raises(EnrolmentRefused):
            await agent.enrol()
    async with running(tmp_path, unused_tcp_port) as agent:
        with pytest.raises(EnrolmentRefused):
            await agent.enrol()
        async with agent.open() as opened:
            await opened.versions()


async def test_before_enrolment_the_controller_takes_the_agent_for_nobody(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with running(tmp_path, unused_tcp_port) as agent, agent.open() as opened:
        with pytest.raises(AgentUnreachable, match="causeway-agent status"):
            await opened.versions()


async def test_certificates_that_do_not_fit_are_refused_and_the_token_stays(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with running(tmp_path, unused_tcp_port) as agent:
        answer = await agent.store.request(
            CsrRequest(key="agent", purpose=Purpose.AGENT, common_name=APPLIANCE, nonce=NONCE)
        )
        request = pki.read_request(answer.csr)
        key = pki.requested_key(request)
        fitting = [x509.UniformResourceIdentifier(pki.APPLIANCE_URN + APPLIANCE)]
        foreign = [x509.UniformResourceIdentifier(pki.APPLIANCE_URN + "other")]
        stranger = pki.make_controller_authority(name="controllers", now=NOW)
        server, agent_client = pki.Usage.SERVER, pki.Usage.CLIENT
        for authority, public, usage, names in (
            (AUTHORITY, pki.make_key().public_key(), server, fitting),
            (AUTHORITY, key, agent_client, fitting),
            (AUTHORITY, key, server, foreign),
            (AUTHORITY, key, server, []),
            (stranger, key, server, fitting),
        ):
            certificate = authority.issue(public, common_name="x", usage=usage, names=names, now=NOW)
            with pytest.raises(ProblemError) as caught:
                await agent.store.install(
                    Certificate(certificate=pki.pem(certificate), controller_ca=AUTHORITY.pem)
                )
            assert caught.value.problem.type == ProblemType.INVALID.urn
            assert caught.value.problem.pointer == "/certificate"
        with pytest.raises(ProblemError) as caught:
            await agent.store.install(Certificate(certificate="nonsense", controller_ca=AUTHORITY.pem))
        assert caught.value.problem.pointer == "/certificate"
        await agent.enrol()


async def test_a_second_agent_key_takes_over_without_a_restart(tmp_path: Path, unused_tcp_port: int) -> None:
    async with running(tmp_path, unused_tcp_port) as agent:
        await agent.enrol()
        async with agent.open() as opened:
            answer = await opened.csr(
                CsrRequest(key="agent-2", purpose=Purpose.AGENT, common_name=APPLIANCE, nonce=NONCE)
            )
            certificate = pki.issue_agent(
                AUTHORITY, pki.read_request(answer.csr), appliance=APPLIANCE, address=LOOPBACK, now=NOW
            )
            await opened.put_certificate(Certificate(certificate=certificate, controller_ca=AUTHORITY.pem))
        async with agent.open() as opened:
            await opened.versions()
    keys = sorted(path.name for path in (tmp_path / "state/keys").iterdir())
    assert keys == ["agent-2.key", "agent.key"]


async def test_keys_are_born_private_and_stay_where_they_are(tmp_path: Path, unused_tcp_port: int) -> None:
    async with running(tmp_path, unused_tcp_port) as agent:
        ask = CsrRequest(key="vpn", purpose=Purpose.VPN_SERVER, common_name="vpn.example", nonce=NONCE)
        first, second = await agent.store.request(ask), await agent.store.request(ask)
        public = [pki.spki(pki.requested_key(pki.read_request(each.csr))) for each in (first, second)]
        assert public[0] == public[1]
        for path in (tmp_path / "state/keys").iterdir():
            assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(ProblemError):
            await agent.store.request(
                CsrRequest(key="agent", purpose=Purpose.VPN_SERVER, common_name="x", nonce=NONCE)
            )
