"""The capture's program for the kernel, run here by an interpreter of the machine that bpf(4) describes."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.plan.capture import program as capture_filter
from causeway_agent.plan.capture.program import CaptureProtocol, LinkLayer, Wanted
from causeway_wire.types import IPAddress
from tests import frames_of_packets as made

FOUR = [ipaddress.ip_address(text) for text in ("192.0.2.1", "192.0.2.2", "198.51.100.7")]
SIX = [ipaddress.ip_address(text) for text in ("2001:db8::1", "2001:db8::2", "fe80::1")]
PORTS = (22, 443, 40000)


def accepts(  # noqa: C901 - a machine has instructions
    program: tuple[capture_filter.Instruction, ...], packet: bytes
) -> bool:
    """Run it; a load beyond the packet's end refuses the packet."""
    value = index = counter = 0
    while True:
        code, then, otherwise, operand = program[counter]
        counter += 1
        try:
            match code:
                case 0x20:
                    value = struct.unpack_from("!I", packet, operand)[0]
                case 0x28:
                    value = struct.unpack_from("!H", packet, operand)[0]
                case 0x48:
                    value = struct.unpack_from("!H", packet, operand + index)[0]
                case 0x30:
                    value = packet[operand]
                case 0xB1:
                    index = 4 * (packet[operand] & 0xF)
                case 0x74:
                    value >>= operand
                case 0x15:
                    counter += then if value == operand else otherwise
                case 0x45:
                    counter += then if value & operand else otherwise
                case 0x06:
                    return operand > 0
                case _:
                    raise AssertionError(code)
        except (struct.error, IndexError):
            return False


def meant(wanted: Wanted, packet: made.Made) -> bool:
    """What the program should say, from how the packet was made."""
    if wanted.host is not None and wanted.host not in packet.hosts:
        return False
    if wanted.port is not None and (packet.fragment or wanted.port not in packet.ports):
        return False
    return wanted.protocol is None or wanted.protocol.value == packet.protocol


PACKETS = st.one_of(
    st.builds(
        made.four,
        st.sampled_from(FOUR),
        st.sampled_from(FOUR),
        protocol=st.sampled_from(["tcp", "udp", "icmp", "other"]),
        ports=st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS)),
        options=st.integers(0, 10),
        fragment=st.booleans(),
    ),
    st.builds(
        made.six,
        st.sampled_from(SIX),
        st.sampled_from(SIX),
        protocol=st.sampled_from(["tcp", "udp", "icmp", "other"]),
        ports=st.tuples(st.sampled_from(PORTS), st.sampled_from(PORTS)),
    ),
    st.builds(made.solicitation, st.sampled_from(SIX), st.sampled_from(SIX)),
)
HOSTS: st.SearchStrategy[IPAddress | None] = st.one_of(st.none(), st.sampled_from([*FOUR, *SIX]))
WANTED = st.builds(
    Wanted,
    host=HOSTS,
    port=st.one_of(st.none(), st.sampled_from(PORTS)),
    protocol=st.one_of(st.none(), st.sampled_from(CaptureProtocol)),
).filter(lambda wanted: wanted != Wanted())


@given(WANTED, PACKETS)
def test_the_program_takes_exactly_what_is_wanted_from_tun_devices(wanted: Wanted, packet: made.Made) -> None:
    assert accepts(capture_filter.program(wanted, LinkLayer.RAW), packet.data) == meant(wanted, packet)


@given(
    WANTED,
    st.one_of(PACKETS, st.builds(made.arp, st.sampled_from(FOUR), st.sampled_from(FOUR))),
    st.sampled_from([None, 0x8100, 0x88A8]),
)
def test_the_program_takes_exactly_what_is_wanted_from_adapters_tagged_or_not(
    wanted: Wanted, packet: made.Made, tag: int | None
) -> None:
    framed = packet.framed(tag=tag)
    assert accepts(capture_filter.program(wanted, LinkLayer.ETHERNET), framed) == meant(wanted, packet)


@given(WANTED, st.binary(max_size=60), st.sampled_from(LinkLayer))
def test_no_packet_leads_the_program_astray(wanted: Wanted, packet: bytes, link: LinkLayer) -> None:
    program = capture_filter.program(wanted, link)
    accepts(program, packet)
    assert all(then <= 255 and otherwise <= 255 for _, then, otherwise, _ in program)


def test_without_conditions_there_is_no_program() -> None:
    assert capture_filter.program(Wanted(), LinkLayer.ETHERNET) == ()


@pytest.mark.parametrize("protocol", [CaptureProtocol.ARP, CaptureProtocol.ICMP])
def test_what_has_no_ports_matches_no_port(protocol: CaptureProtocol) -> None:
    program = capture_filter.program(Wanted(port=443, protocol=protocol), LinkLayer.ETHERNET)
    assert not accepts(program, made.arp(FOUR[0], FOUR[1]).framed())


def test_instructions_are_encoded_as_the_kernel_takes_them() -> None:
    assert capture_filter.encoded([(0x15, 1, 2, 0x0806)]) == struct.pack("HBBI", 0x15, 1, 2, 0x0806)
