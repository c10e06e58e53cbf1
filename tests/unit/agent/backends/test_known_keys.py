"""Which first packets are believed, what it costs to refuse one, and which keys are tried at all."""

from __future__ import annotations

import ipaddress

import pytest

from causeway_agent.backends.gateway import known_keys, wrapped_key
from causeway_agent.backends.gateway.known_keys import TRIES, WINDOW, Budget, KnownKeys, Seen
from causeway_agent.plan.model.processes import FirstPacketFilter
from causeway_controller.trust import tls_crypt
from tests.first_packets import Client

NOW = 1_800_000_000
TENANTS = 12
SERVER_KEYS = {f"t{index}": tls_crypt.make_server_key() for index in range(TENANTS)}
CLIENTS = {tenant: Client.of(key, tenant, "web") for tenant, key in SERVER_KEYS.items()}
SERVER = ipaddress.IPv4Address("10.0.0.2")


def known(*named: str, tunnels: tuple[str, ...] = ("web",)) -> KnownKeys:
    """Keys of all tenants; the document names those of the tunnel `web` of these."""
    servers = [(tenant, tunnel, SERVER, 1195) for tenant in SERVER_KEYS for tunnel in tunnels]
    spec = FirstPacketFilter(
        addresses=(),
        port=6180,
        inside="eth1",
        keys=tuple(SERVER_KEYS.items()),
        servers=tuple(servers),
        tags=tuple((CLIENTS[tenant].tag, tenant, "web") for tenant in named),
    )
    return KnownKeys(spec)


def judge(keys: KnownKeys, packet: bytes, *, now: float = 0.0, seen: Seen | None = None) -> str:
    found = keys.judge(packet, NOW, now, seen or Seen())
    return found if isinstance(found, str) else f"{found.tenant}/{found.tunnel}"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many server keys each opening of a wrapped key was given."""
    counts: list[int] = []
    genuine = wrapped_key.open_key

    def counting(wrapped: bytes, keys: tuple[wrapped_key.ServerKey, ...]) -> object:
        counts.append(len(keys))
        return genuine(wrapped, keys)

    monkeypatch.setattr(wrapped_key, "open_key", counting)
    return counts


@pytest.mark.parametrize("named", [(), tuple(SERVER_KEYS)], ids=["keys not named", "named keys"])
def test_a_genuine_packet_leads_to_its_tunnel_once(named: tuple[str, ...]) -> None:
    keys, seen = known(*named), Seen()
    packet = CLIENTS["t7"].packet(NOW)
    assert judge(keys, packet, seen=seen) == "t7/web"
    assert judge(keys, packet, seen=seen) == "replayed"
    assert judge(keys, CLIENTS["t7"].packet(NOW), seen=seen) == "t7/web"


def test_a_stranger_s_key_is_compared_with_no_tenant_s(opened: list[int]) -> None:
    stranger = Client.of(tls_crypt.make_server_key(), "t1", "web")
    assert judge(known(*SERVER_KEYS), stranger.packet(NOW)) == "unknown-key"
    assert opened == []


def test_a_copied_tag_costs_one_key_whatever_the_number_of_tenants(opened: list[int]) -> None:
    keys = known(*SERVER_KEYS)
    assert judge(keys, CLIENTS["t3"].with_copied_tag(NOW)) == "forged"
    assert opened == [1]


def test_a_key_that_was_opened_once_is_not_opened_again(opened: list[int]) -> None:
    keys = known(*SERVER_KEYS)
    for _ in range(3):
        assert judge(keys, CLIENTS["t3"].packet(NOW)) == "t3/web"
        assert judge(keys, CLIENTS["t3"].forged(NOW)) == "forged"
        assert judge(keys, CLIENTS["t3"].with_copied_tag(NOW)) == "forged"
    assert opened == [1]


def test_a_key_that_the_document_no_longer_names_opens_nothing() -> None:
    old = Client.of(SERVER_KEYS["t1"], "t1", "web")
    assert judge(known(*SERVER_KEYS), old.packet(NOW)) == "unknown-key"
    # Nor does it come in where another tunnel's keys are not named.
    assert judge(known("t1", tunnels=("web", "db")), old.packet(NOW)) == "unknown-key"


def test_a_named_key_opens_the_tunnel_it_is_named_for_only() -> None:
    other = Client.of(SERVER_KEYS["t1"], "t1", "db")
    spec = FirstPacketFilter(
        addresses=(),
        port=6180,
        inside="eth1",
        keys=(("t1", SERVER_KEYS["t1"]),),
        servers=(("t1", "web", SERVER, 1195), ("t1", "db", SERVER, 1197)),
        tags=((other.tag, "t1", "web"),),
    )
    assert judge(KnownKeys(spec), other.packet(NOW)) == "unknown-key"


def test_keys_that_are_not_named_are_tried_within_a_budget(opened: list[int]) -> None:
    keys = known("t0")
    stranger = Client.of(tls_crypt.make_server_key(), "t1", "web")
    for _ in range(int(TRIES)):
        judge(keys, stranger.packet(NOW))
    assert set(opened) == {TENANTS - 1}
    assert sum(opened) <= TRIES
    assert judge(keys, CLIENTS["t1"].packet(NOW)) == "unknown-key"
    assert judge(keys, CLIENTS["t0"].packet(NOW)) == "t0/web"
    assert judge(keys, CLIENTS["t1"].packet(NOW), now=1.0) == "t1/web"


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_packet_of_another_time_is_stale(minutes: int) -> None:
    assert judge(known("t0"), CLIENTS["t0"].packet(NOW + 60 * minutes)) == "stale"


def test_what_is_no_first_packet_is_told_so() -> None:
    for packet in (b"", b"\x50", b"hello", bytes(500), CLIENTS["t0"].packet(NOW)[:-1] + b"\0"):
        assert judge(known("t0"), packet) == "not-a-first-packet"


def test_a_tag_is_known_as_long_as_its_packet_can_be_fresh() -> None:
    seen = Seen()
    assert seen.add(b"x", 0.0)
    assert not seen.add(b"x", 2 * WINDOW - 1)
    assert seen.add(b"y", 2 * WINDOW + 1)
    assert b"x" not in seen


def test_a_budget_is_spent_and_comes_back() -> None:
    budget = Budget(10.0)
    assert [budget.take(4.0, 0.0) for _ in range(3)] == [True, True, False]
    assert budget.take(4.0, 0.2)
    assert not budget.take(11.0, 100.0)
    assert budget.take(10.0, 100.0)


def test_opened_keys_are_remembered_in_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_keys, "_REMEMBERED", 8)
    keys = known(*SERVER_KEYS)
    for client in CLIENTS.values():
        judge(keys, client.packet(NOW))
    assert len(keys._opened) == 1
