"""A process's record says what was started, so that the next agent can tell whether it is still that."""

from __future__ import annotations

import ipaddress
import stat
from pathlib import Path

import pytest

from causeway_agent.backends.processes import records
from causeway_agent.engine import sealed
from causeway_agent.plan.model.processes import Endpoint, TlsProxy, VpnClient, VpnServer
from causeway_wire import codec
from causeway_wire.observed import Transport
from causeway_wire.types import Secret

GATEWAY = ipaddress.IPv4Address("198.51.100.1")
SPECIFICATIONS: tuple[records.External, ...] = (
    VpnServer(
        tunnel="acme-web",
        transport=Transport.UDP,
        device="cwu1195",
        configuration=Secret("dev cwu1195\n"),
        files=(("ccd/DEFAULT", "iroute"),),
    ),
    VpnClient(
        tunnel="acme-web",
        device="cwtun0",
        endpoints=(Endpoint(address=GATEWAY, port=6180, transport=Transport.TCP, configuration=Secret("x")),),
        probe=(ipaddress.IPv6Address("fd00::2"), ipaddress.IPv6Address("fd00::1")),
    ),
    TlsProxy(name="gateway-tls", configuration=Secret("g"), files=(("a.pem", Secret("p")),), key="gateway"),
)


def entry(specification: records.External) -> records.Record:
    process = records.Identity(pid=4711, start_time=99)
    return records.record(specification, process=process, digest="d", endpoint=1, lingering=(process,))


@pytest.mark.parametrize("specification", SPECIFICATIONS, ids=lambda s: s.name)
def test_what_is_written_is_read_again_and_private(tmp_path: Path, specification: records.External) -> None:
    store = records.Records(tmp_path / "records")
    store.write(specification.name, entry(specification))
    assert store.read() == {specification.name: entry(specification)}
    assert store.read()[specification.name].specified() == specification
    file = tmp_path / "records" / specification.name
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    store.delete(specification.name)
    assert store.read() == {}


@pytest.mark.parametrize("text", ["", "{}", '{"kind": "Shell"}', "\xff"])
def test_a_record_that_cannot_be_read_is_forgotten(tmp_path: Path, text: str) -> None:
    store = records.Records(tmp_path)
    (tmp_path / "vpn-x").write_text(text, encoding="latin-1")
    assert store.read() == {}
    assert not (tmp_path / "vpn-x").exists()


def test_a_record_of_an_unknown_kind_is_forgotten(tmp_path: Path) -> None:
    store = records.Records(tmp_path)
    changed = entry(SPECIFICATIONS[0])
    text = codec.encode(changed).decode().replace("VpnServer", "Teapot")
    (tmp_path / "vpn-x").write_bytes(sealed.seal("vpn-x", text.encode()))
    assert store.read() == {}


def test_digests_keep_texts_apart() -> None:
    assert records.digest("ab", "c") != records.digest("a", "bc")
    assert records.digest("ab", "c") == records.digest("ab", "c")
