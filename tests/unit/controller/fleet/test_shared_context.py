"""One TLS context for all appliances: each client meets its own, and names nobody in the clear."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from causeway_controller.errors import WrongPeer
from causeway_controller.fleet import tls
from causeway_controller.fleet.client import AgentClient, open_agent
from causeway_controller.trust import pki
from causeway_controller.trust.identity import Office, make_office
from tests.fakes.agent_server import ADDRESS, AgentServer

NOW = datetime.now(UTC)


@dataclass
class Site:
    """A controller, and the agents of two appliances."""

    office: Office
    agents: dict[str, AgentServer]
    serials: dict[str, str]
    context: ssl.SSLContext

    def client(self, appliance: str, *, at: str) -> AgentClient:
        return open_agent(
            appliance=appliance,
            address=ip_address(ADDRESS),
            port=self.agents[at].port,
            identity=self.office.identity,
            context=self.context,
        )


@asynccontextmanager
async def site(place: Path) -> AsyncIterator[Site]:
    office = make_office("c1", place, now=NOW)
    made = Site(office, {}, {}, tls.agents_context(office.identity))
    for name in ("acme-esx1", "zeta-esx1"):
        (place / name).mkdir()
        agent = AgentServer(appliance=name, directory=place / name, controller_ca=office.authority.pem)
        key = agent.key("agent").public_key()
        names = [x509.UniformResourceIdentifier(pki.APPLIANCE_URN + name)]
        certificate = office.authority.issue(
            key, common_name=name, usage=pki.Usage.SERVER, names=names, now=NOW
        )
        agent.install(pki.pem(certificate))
        made.agents[name], made.serials[name] = agent, f"{certificate.serial_number:x}"
    async with made.agents["acme-esx1"].serving(), made.agents["zeta-esx1"].serving():
        yield made


async def test_each_client_meets_its_own_appliance_at_the_same_time(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        ours, theirs = (here.client(name, at=name) for name in here.agents)
        async with ours, theirs:
            for _ in range(3):
                found = await asyncio.gather(ours.versions(), theirs.versions())
                assert [one.appliance for one in found] == ["acme-esx1", "zeta-esx1"]
            shown = [one.shown.serial for one in (ours, theirs) if one.shown is not None]
            assert shown == list(here.serials.values())


async def test_another_appliance_of_the_same_context_is_refused(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        async with here.client("zeta-esx1", at="zeta-esx1") as right:
            await right.versions()
        async with here.client("acme-esx1", at="zeta-esx1") as wrong:
            with pytest.raises(WrongPeer, match="urn:causeway:appliance:acme-esx1"):
                await wrong.versions()
        assert len(here.agents["zeta-esx1"].requests) == 1


async def test_what_is_refused_from_now_on_is_refused_at_the_next_request(tmp_path: Path) -> None:
    async with site(tmp_path) as here, here.client("acme-esx1", at="acme-esx1") as one:
        await one.versions()
        serial = here.serials["acme-esx1"]
        await one.use(tls.agents_context(here.office.identity, refused={serial}))
        with pytest.raises(WrongPeer, match="was revoked"):
            await one.versions()


async def test_who_names_nobody_meets_nobody(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        url = f"https://{ADDRESS}:{here.agents['acme-esx1'].port}/v1/versions"
        connector = aiohttp.TCPConnector(ssl=here.context)
        async with aiohttp.ClientSession(connector=connector) as session:
            with pytest.raises(aiohttp.ClientConnectorCertificateError, match="nobody is expected"):
                await session.get(url)
        assert here.agents["acme-esx1"].requests == []


async def test_no_name_is_sent_in_the_clear(tmp_path: Path) -> None:
    async with site(tmp_path) as here:
        agent, named = here.agents["acme-esx1"], list[str | None]()
        agent.context.sni_callback = lambda _connection, name, _context: named.append(name)
        async with here.client("acme-esx1", at="acme-esx1") as one:
            await one.versions()
        assert named == [None]
