"""Questions to a gateway: who gets an answer, and that none is longer than its question."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.backends.gateway import echo_message, wrapped_key
from causeway_agent.backends.gateway.echo_answer import EchoAnswer
from causeway_agent.backends.gateway.gateway_echo import QUICK, Gateways
from causeway_agent.plan.model.processes import Endpoint
from causeway_controller.trust import tls_crypt
from causeway_wire.observed import Transport
from causeway_wire.types import Secret

SERVER = tls_crypt.make_server_key()
CLIENT = tls_crypt.make_client_key(SERVER, tls_crypt.Claim(tenant="acme", tunnel="acme-web"))
STRANGER = tls_crypt.make_client_key(
    tls_crypt.make_server_key(), tls_crypt.Claim(tenant="acme", tunnel="acme-web")
)
SESSION = b"8 octets"
NOW = 1_796_000_000
KEY = wrapped_key.server_key("acme", SERVER.reveal())


def gateway() -> EchoAnswer:
    def find(wrapped: bytes) -> bytes | None:
        found = wrapped_key.open_key(wrapped, (KEY,))
        return found.hmac if isinstance(found, wrapped_key.ClientKey) else None

    return EchoAnswer(find)


def question(key: Secret, sequence: int = 7) -> bytes:
    return echo_message.question(echo_message.asker(key.reveal()), SESSION, sequence)


def test_the_holder_of_a_key_gets_an_answer_that_is_shorter_and_his() -> None:
    packet = question(CLIENT)
    answer = gateway().answer(packet, NOW)
    assert answer is not None
    assert len(answer) < len(packet) / 2
    asker = echo_message.asker(CLIENT.reveal())
    assert echo_message.answered(answer, asker, SESSION) == echo_message.Heard(7, NOW)
    assert echo_message.answered(answer, asker, b"another!") is None
    assert echo_message.answered(answer, echo_message.asker(STRANGER.reveal()), SESSION) is None
    assert echo_message.answered(packet, asker, SESSION) is None


def test_an_asker_that_wishes_no_time_is_answered_as_ever_and_an_old_answer_understood() -> None:
    asker = echo_message.asker(CLIENT.reveal())
    packet = bytearray(question(CLIENT))
    packet[49] = 0
    answer = gateway().answer(bytes(packet), NOW)
    assert answer is not None
    assert len(answer) == 49
    assert echo_message.answered(answer, asker, SESSION) == echo_message.Heard(7, None)


@pytest.mark.parametrize("place", [0, 3, 12, 17, 24, 25, 56])
def test_no_octet_of_an_answer_can_be_another(place: int) -> None:
    answer = gateway().answer(question(CLIENT), NOW)
    assert answer is not None
    forged = bytearray(answer)
    forged[place] ^= 1
    assert echo_message.answered(bytes(forged), echo_message.asker(CLIENT.reveal()), SESSION) is None


def test_strangers_meet_silence() -> None:
    assert gateway().answer(question(STRANGER), NOW) is None


def test_a_wrapped_key_alone_gets_no_answer() -> None:
    """An observer of the line knows the wrapped key of every tunnel, and what was asked before."""
    known, genuine = gateway(), question(CLIENT)
    assert known.answer(genuine, NOW) is not None
    for place in (1, 9, 17, 40):
        forged = bytearray(genuine)
        forged[place] ^= 1
        assert known.answer(bytes(forged), NOW) is None


@given(st.binary(max_size=900))
def test_no_packet_is_an_error(packet: bytes) -> None:
    assert gateway().answer(packet, NOW) is None
    assert gateway().answer(bytes((echo_message.QUESTION,)) + packet, NOW) is None
    assert echo_message.answered(packet, echo_message.asker(CLIENT.reveal()), SESSION) is None


def test_questions_and_answers_are_no_openvpn_packets() -> None:
    kinds = range(1, 12)  # opcodes of openvpn/src/openvpn/ssl_pkt.h, in the upper five bits
    assert {echo_message.QUESTION >> 3, echo_message.ANSWER >> 3}.isdisjoint(kinds)


@pytest.mark.parametrize("text", ["", "-----BEGIN X-----\n?\n", "YWJj"])
def test_what_is_no_client_key_asks_nobody(text: str) -> None:
    with pytest.raises(ValueError, match="client key"):
        echo_message.asker(text)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_gateways_are_asked_and_known_by_their_answers(address: str) -> None:
    host = ipaddress.ip_address(address)
    family = socket.AF_INET if host.version == 4 else socket.AF_INET6
    answering = gateway()
    with socket.socket(family, socket.SOCK_DGRAM) as door, socket.socket(family, socket.SOCK_DGRAM) as mute:
        for sock in (door, mute):
            sock.bind((address, 0))
            sock.setblocking(False)  # noqa: FBT003 - its only parameter

        def reply() -> None:
            packet, source = door.recvfrom(2048)
            answer = answering.answer(packet, NOW)
            assert answer is not None
            door.sendto(answer, source)

        asyncio.get_running_loop().add_reader(door, reply)
        ways = tuple(
            Endpoint(address=host, port=sock.getsockname()[1], transport=transport, configuration=Secret(""))
            for sock, transport in ((mute, Transport.UDP), (door, Transport.UDP), (door, Transport.TCP))
        )
        async with Gateways(ways, CLIENT) as gateways:
            assert gateways.answering(0.0) == frozenset()
            gateways.ask()
            async with asyncio.timeout(5):
                while not gateways.answering(0.0):
                    await gateways.news.wait()
            assert gateways.answering(0.0) == {1}
            assert gateways.first_answer(0.0) is not None
            assert gateways.first_answer(asyncio.get_running_loop().time() + 1.0) is None
            assert gateways.answering(asyncio.get_running_loop().time() + 1.0) == frozenset()
            assert gateways.apart(NOW + 290) == gateways.apart(NOW - 290) == {}
            assert gateways.apart(NOW + 600.0) == {1: pytest.approx(-600, abs=5)}
            assert gateways.apart(NOW - 600.0) == {1: pytest.approx(600, abs=5)}
        asyncio.get_running_loop().remove_reader(door)


async def test_gateways_are_not_asked_on_when_the_reason_is_over() -> None:
    host, asked = ipaddress.ip_address("127.0.0.1"), asyncio.Queue[bytes]()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind((str(host), 0))
        door.setblocking(False)  # noqa: FBT003 - its only parameter
        asyncio.get_running_loop().add_reader(door, lambda: asked.put_nowait(door.recv(2048)))
        port = door.getsockname()[1]
        way = Endpoint(address=host, port=port, transport=Transport.UDP, configuration=Secret(""))
        async with Gateways((way,), CLIENT) as gateways:
            gateways.ask()
            await asyncio.wait_for(asked.get(), 5)
            gateways.rest()
            await asyncio.sleep(QUICK)
            before = asked.qsize()
            await asyncio.sleep(4 * QUICK)
            assert asked.qsize() == before
            gateways.ask()
            for _ in range(before + 1):
                await asyncio.wait_for(asked.get(), 5)
        asyncio.get_running_loop().remove_reader(door)
