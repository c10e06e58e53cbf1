"""`causeway-agent capture` on real devices, read back by tcpdump, a program of other people."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from causeway_agent.commands import capture
from tests.wired import BOX, VLAN, addresses, beside, build, python, run, tear_down, within

pytestmark = pytest.mark.kernel

AGENT = (sys.executable, "-m", "causeway_agent")


@pytest.fixture(autouse=True)
def line() -> Iterator[None]:
    """The appliance and one host, a cable between."""
    build(("eth1", VLAN))
    try:
        addresses(BOX, "eth1", "192.168.0.5/24", "2001:db8::5/64")
        addresses(VLAN, "host", "192.168.0.20/24", "2001:db8::20/64")
        yield
    finally:
        tear_down()


def begin(*options: str) -> subprocess.Popen[str]:
    """A capture on the appliance, when it listens."""
    command = ("ip", "netns", "exec", BOX, *AGENT, "capture", *options)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 5
    while " 0003 " not in within(BOX, "cat", "/proc/net/packet"):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    output, told = process.communicate(timeout=10)
    assert process.returncode == 0, told
    return output, told


def read(file: Path) -> list[str]:
    return run("tcpdump", "-nr", str(file)).splitlines()


def send(count: int, *, port: int, size: int = 100) -> None:
    script = """
        import socket, sys
        count, port, size = map(int, sys.argv[1:])
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(count):
            s.sendto(bytes(size), ("192.168.0.5", port))
    """
    python(VLAN, script, str(count), str(port), str(size))


def test_what_was_captured_is_what_another_program_reads(tmp_path: Path) -> None:
    file = tmp_path / "file.pcap"
    process = begin(
        "eth1", "--host", "192.168.0.20", "--port", "5000", "--packets", "3", "--write", str(file)
    )
    send(2, port=4999)
    send(3, port=5000)
    _, told = end(process)
    lines = read(file)
    assert len(lines) == 3
    assert all("192.168.0.20" in line and "192.168.0.5.5000: UDP, length 100" in line for line in lines)
    assert "3 packets" in told
    assert "0 lost" in told
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_text_says_what_tcpdump_says() -> None:
    process = begin("eth1", "--host", "192.168.0.20", "--packets", "3", "--seconds", "9")
    run("ip", "-n", VLAN, "neigh", "flush", "dev", "host")
    send(1, port=5000)
    output, told = end(process)
    assert re.search(r" in  arp who has 192\.168\.0\.5\? tell 192\.168\.0\.20 \(", output)
    assert re.search(r" out arp 192\.168\.0\.5 is at ", output)
    assert re.search(r" in  192\.168\.0\.20:\d+ > 192\.168\.0\.5:5000 udp 142 bytes", output)
    assert "reached 3 packets" in told


def test_neighbour_solicitations_about_a_host_are_about_the_host() -> None:
    process = begin("eth1", "--host", "2001:db8::20", "--proto", "icmp", "--packets", "4")
    within(BOX, "ping", "-c1", "-W1", "2001:db8::20")
    output, _ = end(process)
    assert "icmp6 who has 2001:db8::20?" in output
    assert "icmp6 echo reply" in output


def test_time_ends_it_on_a_silent_line() -> None:
    _, told = end(begin("eth1", "--port", "9", "--seconds", "0.3"))
    assert told.startswith("causeway-agent: 0 packets")
    assert "0.3 s are over" in told


def test_the_file_is_never_longer_than_asked_for_on_a_busy_line(tmp_path: Path) -> None:
    file = tmp_path / "file.pcap"
    process = begin("eth1", "--proto", "udp", "--bytes", "20000", "--write", str(file))
    send(400, port=5000)
    _, told = end(process)
    assert "reached 20000 bytes" in told
    assert 18000 < file.stat().st_size <= 20000
    assert len(read(file)) > 100


def test_packets_of_a_tun_device_begin_with_ip(tmp_path: Path) -> None:
    within(BOX, "ip", "tuntap", "add", "cwu1195", "mode", "tun")
    within(BOX, "ip", "link", "set", "cwu1195", "up")
    within(BOX, "ip", "addr", "add", "100.64.0.1/24", "dev", "cwu1195")
    reader = """
        import fcntl, os, struct
        tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"cwu1195", 0x1001))
        print("ready", flush=True)
        input()
    """
    file = tmp_path / "file.pcap"
    with beside(BOX, reader) as holder:
        process = begin("cwu1195", "--host", "100.64.0.2", "--packets", "1", "--write", str(file))
        within(BOX, "ping", "-c1", "-W0.3", "100.64.0.2", check=False)
        end(process)
        holder.communicate("\n")
    assert any("IP 100.64.0.1 > 100.64.0.2: ICMP echo request" in line for line in read(file))


def test_tags_that_the_kernel_took_out_are_in_the_file(tmp_path: Path) -> None:
    macs, tag, kind = "020000000001 020000000002", "8100 006e", "0806"
    request = "0001 0800 06 04 0001 020000000002 c0a86e14 000000000000 c0a86e05"
    file = tmp_path / "file.pcap"
    process = begin("eth1", "--proto", "arp", "--packets", "1", "--write", str(file))
    script = """
        import socket, sys
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind(("host", 0))
        s.send(bytes.fromhex(sys.argv[1]))
    """
    python(VLAN, script, f"{macs} {tag} {kind} {request}")
    end(process)
    assert "vlan 110, p 0, ethertype ARP" in run("tcpdump", "-enr", str(file))


def test_what_exists_is_not_overwritten_and_a_wrong_device_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file.pcap"
    file.write_text("precious")
    for options, reason in (
        (("eth1", "--write", str(file)), "File exists"),
        (("eth7",), "capture on eth7: No such device"),
    ):
        command = ("ip", "netns", "exec", BOX, *AGENT, "capture", *options)
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)
        assert done.returncode == 1
        assert reason in done.stderr
    assert file.read_text() == "precious"


def test_a_capture_that_cannot_keep_up_says_what_it_lost(tmp_path: Path) -> None:
    """Stopped for a moment, its queue runs over: the kernel counts what it drops."""
    process = begin("eth1", "--proto", "udp", "--seconds", "3", "--packets", str(capture.MOST_PACKETS))
    process.send_signal(signal.SIGSTOP)  # `ip netns exec` has become the program
    send(9000, port=5000, size=1400)
    process.send_signal(signal.SIGCONT)
    _, told = end(process)
    lost = re.search(r"(\d+) lost", told)
    assert lost is not None
    assert int(lost[1]) > 0
