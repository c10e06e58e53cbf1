"""A controller whose certificate is refused sees the connection end; the appliance says why, in words."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from causeway_agent.engine import events, refusals
from causeway_controller.trust import pki
from causeway_wire.observed import RefusedCertificate
from causeway_wire.routes import Permission
from tests.served import AUTHORITY, NOW, OTHER_AUTHORITY, Door, opened

LONG = timedelta(days=1000)


@pytest.fixture
def port(unused_tcp_port: int) -> int:
    return unused_tcp_port


async def knock(door: Door, port: int, *, authority: pki.Authority = AUTHORITY, off: timedelta) -> None:
    """Come with a certificate made by a controller whose clock is off by this."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    key = pki.make_key()
    names = [x509.UniformResourceIdentifier(pki.CONTROLLER_URN + "c1")]
    made = authority.issue(
        key.public_key(), common_name="c1", usage=pki.Usage.CLIENT, names=names, now=NOW + off
    )
    door.load(context, made.public_bytes(serialization.Encoding.PEM), pki.private_pem(key))
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(f"https://127.0.0.1:{port}", connector=connector) as client:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.get("/v1/observed")


async def told(door: Door) -> tuple[RefusedCertificate, ...]:
    return (await door.engine.observed()).refused


@pytest.mark.parametrize(
    ("off", "why", "whose"),
    [(LONG, "not yet valid", "if it is behind, set it"), (-LONG, "expired", "if it is ahead, set it")],
)
async def test_a_certificate_of_another_time_is_told_with_whose_clock_to_look_at(
    tmp_path: Path, port: int, off: timedelta, why: str, whose: str
) -> None:
    async with opened(tmp_path, port) as door:
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                await knock(door, port, off=off)
        (found,) = await told(door)
        met = sum(entry["event"] == events.TLS_REFUSED for entry in logs)
        assert met >= 2, "a client may try each twice"
        assert (found.refused, found.last) == (met, door.bench.clock.now())
        assert found.reason.startswith(why)
        assert f"{found.last:%Y-%m-%d %H:%M} UTC" in found.reason
        assert whose in found.reason
        assert "controller" in found.reason


async def test_of_a_stranger_s_certificate_no_clock_is_blamed(tmp_path: Path, port: int) -> None:
    async with opened(tmp_path, port) as door:
        await knock(door, port, authority=OTHER_AUTHORITY, off=LONG)
        (found,) = await told(door)
        assert "clock" not in found.reason
        assert "authority" in found.reason


async def test_who_is_let_in_and_who_shows_none_are_no_refusals(tmp_path: Path, port: int) -> None:
    async with opened(tmp_path, port) as door:
        async with door.client(Permission.OBSERVE) as client:
            assert (await client.get("/v1/observed")).status == 200
        async with door.client(Permission.OBSERVE, authority=None) as client:
            with pytest.raises(aiohttp.ClientError):
                await client.get("/v1/observed")
        assert await told(door) == ()


async def test_the_latest_reasons_are_kept(tmp_path: Path, port: int) -> None:
    async with opened(tmp_path, port) as door:
        for code in range(100, 100 + refusals.KEPT + 3):
            door.engine.refusals.note(code, f"reason {code}")
        found = await told(door)
        assert len(found) == refusals.KEPT
        assert found[0].reason.startswith(f"reason {100 + refusals.KEPT + 2}")


async def test_strangers_do_not_drive_out_what_is_told_of_a_clock(tmp_path: Path, port: int) -> None:
    async with opened(tmp_path, port) as door:
        for code in (refusals.EXPIRED, *range(100, 100 + refusals.KEPT + 3)):
            door.engine.refusals.note(code, f"reason {code}")
        found = await told(door)
        assert len(found) == refusals.KEPT
        assert found[-1].reason.startswith("expired")
