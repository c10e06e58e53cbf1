"""The API over real mutual TLS on loopback: who gets in, who may do what, and rotation without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
import structlog
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from causeway_agent.engine import events
from causeway_agent.engine.ports import Credentials
from causeway_controller.trust import pki
from causeway_wire import codec
from causeway_wire.problem import Problem, ProblemError, ProblemType
from causeway_wire.routes import Permission
from tests.agents import MANAGEMENT, tenant
from tests.served import AUTHORITY, NOW, OTHER_AUTHORITY, opened
from tests.unit.agent.api.api_bench import FIRST


@pytest.fixture
def port(unused_tcp_port: int) -> int:
    return unused_tcp_port


async def problem_of(answer: aiohttp.ClientResponse, kind: ProblemType) -> Problem:
    found = codec.decode(await answer.read(), Problem)
    assert (answer.status, found.type) == (kind.status, kind.urn)
    return found


async def test_a_controller_that_may_apply_applies(tmp_path: Path, port: int) -> None:
    async with opened(tmp_path, port) as door, door.client(Permission.OBSERVE, Permission.APPLY) as client:
        answer = await client.put("/v1/desired", data=codec.encode(tenant(1)), headers=FIRST)
        assert answer.status == 202
        final = await client.get(answer.headers["Location"], params={"wait": "10s"})
        assert (await final.json())["requested_by"] == "c1"


async def test_an_observer_cannot_apply_and_nothing_changes(tmp_path: Path, port: int) -> None:
    async with opened(tmp_path, port) as door:
        before = dict(door.bench.kernel.objects), dict(door.bench.storage.files)
        for permissions in ((Permission.OBSERVE,), ()):
            async with door.client(*permissions) as client:
                assert (await client.get("/v1/observed")).status == 200
                answer = await client.put("/v1/desired", data=codec.encode(tenant(1)), headers=FIRST)
                await problem_of(answer, ProblemType.FORBIDDEN)
        assert before == (dict(door.bench.kernel.objects), dict(door.bench.storage.files))


async def test_a_certificate_that_names_no_controller_is_forbidden(tmp_path: Path, port: int) -> None:
    async with opened(tmp_path, port) as door, door.client(names=False) as client:
        await problem_of(await client.get("/v1/observed"), ProblemType.FORBIDDEN)


async def test_no_certificate_and_foreign_certificates_meet_a_closed_door(tmp_path: Path, port: int) -> None:
    with structlog.testing.capture_logs() as logs:
        async with opened(tmp_path, port) as door:
            for authority in (None, OTHER_AUTHORITY):
                async with door.client(Permission.APPLY, authority=authority) as client:
                    with pytest.raises(aiohttp.ClientError):
                        await client.get("/v1/observed")
    reasons = {entry["reason"] for entry in logs if entry["event"] == events.TLS_REFUSED}
    assert reasons == {"PEER_DID_NOT_RETURN_A_CERTIFICATE", "CERTIFICATE_VERIFY_FAILED"}


async def test_a_foreign_authority_made_by_trustme_is_refused_too(tmp_path: Path, port: int) -> None:
    async with opened(tmp_path, port):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        trustme.CA().issue_cert("c1.example").configure_cert(context)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        # Under TLS 1.3 the client believes that it is in until it reads.
        writer.write(b"GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            answer = await reader.read()
        assert answer == b""
        writer.close()
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await writer.wait_closed()


async def test_versions_of_tls_before_1_3_are_refused(tmp_path: Path, port: int) -> None:
    async with opened(tmp_path, port):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", port, ssl=context)


async def test_a_server_certificate_is_no_client_certificate(tmp_path: Path, port: int) -> None:
    async with opened(tmp_path, port) as door:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=AUTHORITY.pem)
        key = pki.make_key()
        names = [x509.UniformResourceIdentifier(pki.CONTROLLER_URN + "c1")]
        server = AUTHORITY.issue(
            key.public_key(), common_name="c1", usage=pki.Usage.SERVER, names=names, now=NOW
        )
        door.load(context, server.public_bytes(serialization.Encoding.PEM), pki.private_pem(key))
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(f"https://127.0.0.1:{port}", connector=connector) as client:
            with pytest.raises(aiohttp.ClientError):
                await client.get("/v1/observed")


async def test_rotation_moves_new_connections_at_once_and_keeps_running_ones(
    tmp_path: Path, port: int
) -> None:
    async with opened(tmp_path, port) as door, door.client(Permission.APPLY) as client:
        waiting = asyncio.create_task(client.get("/v1/health/live"))
        await waiting
        await door.serving.use(door.credentials(OTHER_AUTHORITY))
        with pytest.raises(aiohttp.ClientError):
            await client.get("/v1/observed")
        async with door.client(Permission.APPLY, authority=OTHER_AUTHORITY) as other:
            assert (await other.get("/v1/observed")).status == 200


async def test_no_connection_attempt_fails_while_credentials_change(tmp_path: Path, port: int) -> None:
    async with opened(tmp_path, port) as door, door.client(Permission.APPLY) as client:
        done = False

        async def knock() -> int:
            count = 0
            while not done:
                async with asyncio.timeout(3):
                    assert (await client.get("/v1/health/live")).status == 200
                count += 1
            return count

        async with asyncio.TaskGroup() as tasks:
            knocking = [tasks.create_task(knock()) for _ in range(3)]
            for _ in range(10):
                await door.serving.use(door.credentials())
                await asyncio.sleep(0.01)
            done = True
        assert min(task.result() for task in knocking) > 0


async def test_credentials_that_do_not_fit_are_a_problem_and_change_nothing(
    tmp_path: Path, port: int
) -> None:
    async with opened(tmp_path, port) as door, door.client(Permission.APPLY) as client:
        good = door.credentials()
        for bad in (
            Credentials(key=good.key, certificate="nonsense", controller_ca=good.controller_ca),
            Credentials(key=good.key, certificate=good.certificate, controller_ca="nonsense"),
            Credentials(key=good.key, certificate="ä", controller_ca=good.controller_ca),
        ):
            with pytest.raises(ProblemError) as caught:
                await door.serving.use(bad)
            assert caught.value.problem.type == ProblemType.INVALID.urn
        assert (await client.get("/v1/observed")).status == 200


async def test_the_api_follows_the_management_address(tmp_path: Path, port: int) -> None:
    async with opened(tmp_path, port) as door:
        follower = asyncio.create_task(door.serving.follow())
        engine = door.serving._engine
        moved = type(MANAGEMENT)(
            nic=MANAGEMENT.nic, address=ip_address("127.0.0.2"), sources=MANAGEMENT.sources, port=port
        )
        engine._first_management = moved
        async with asyncio.timeout(5):
            while door.listener.endpoint != (moved.address, port):
                engine.reconciler.wake()
                await asyncio.sleep(0.01)
        async with door.client(Permission.OBSERVE) as client:
            assert (await client.get("/v1/health/live")).status == 200
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)
        follower.cancel()
