"""Connections, flows and single packets from the lab's internet host to servers that a benchmark starts.

One Python program on each end makes the connections: the figure is bound by them as much as by what forwards,
so read the ratios.

Single packets are counted per second of processor time: sending, forwarding and delivery all happen within
the sender's system call, so that its processor time is the whole cost, whatever else the machine is doing.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from causeway_lab.world import namespaces
from causeway_lab.world.topology import INTERNET_HOST

SECONDS = 2
CONNECT_PORT, FLOW_PORT, PACKET_PORT = 9001, 5201, 9002
OCTETS = 1400
"""Of a single packet's payload: as much as passes any line."""
_PACKET_SECONDS = 0.4
_ARRIVING = 0.98
"""Share of the packets that must; others did not cost what is measured."""
_SERVER = """
import socket, sys
server = socket.create_server(("", int(sys.argv[1])), backlog=4096)
print("ready", flush=True)
while True:
    server.accept()[0].close()
"""
_CLIENT = """
import socket, struct, sys, time
place, end, made = (sys.argv[1], int(sys.argv[2])), time.monotonic() + float(sys.argv[3]), 0
while time.monotonic() < end:
    client = socket.create_connection(place, 5)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    made += 1
print(made)
"""


_SINK = """
import signal, socket, sys
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
sink.bind(("", int(sys.argv[1])))
signal.pause()
"""
"""Takes nothing: the kernel drops and counts what was delivered."""
_SENDER = """
import socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.connect((sys.argv[1], int(sys.argv[2])))
packet = bytes(int(sys.argv[4]))
for _ in range(500):
    sender.send(packet)
end, sent, started = time.monotonic() + float(sys.argv[3]), 0, time.process_time()
while time.monotonic() < end:
    for _ in range(100):
        sender.send(packet)
    sent += 100
print(sent, sent / (time.process_time() - started))
"""


@asynccontextmanager
async def served(machine: str) -> AsyncIterator[None]:
    """A server that closes what it accepts, one of iperf3, and a sink of packets."""
    commands = (
        (sys.executable, "-c", _SERVER, str(CONNECT_PORT)),
        ("iperf3", "-s", "-p", str(FLOW_PORT)),
        (sys.executable, "-c", _SINK, str(PACKET_PORT)),
    )
    processes = [
        await asyncio.create_subprocess_exec(
            *namespaces.within(machine, *command), stdout=asyncio.subprocess.DEVNULL
        )
        for command in commands
    ]
    try:
        await asyncio.sleep(0.5)
        yield
    finally:
        for process in processes:
            process.kill()
            await process.wait()


async def connections(address: str, port: int = CONNECT_PORT) -> float:
    """New connections per second, one after the other."""
    return int(await _output(sys.executable, "-c", _CLIENT, address, str(port), str(SECONDS))) / SECONDS


async def flow(address: str, port: int = FLOW_PORT) -> float:
    """Mbit/s of one TCP flow from the internet host."""
    command = ("iperf3", "-J", "-c", address, "-p", str(port), "-t", str(SECONDS), "-O", "1")
    answer = json.loads(await _output(*command))
    if "error" in answer:
        raise RuntimeError(f"iperf3 to {address}: {answer['error']}")
    return float(answer["end"]["sum_received"]["bits_per_second"]) / 1e6


async def packets(address: str, port: int = PACKET_PORT, *, receiver: str) -> float:
    """UDP packets per second of processor time; raises RuntimeError when they do not arrive."""
    before = _dropped(receiver)
    command = ("-c", _SENDER, address, str(port), str(_PACKET_SECONDS), str(OCTETS))
    sent, rate = (await _output(sys.executable, *command)).split()
    if _dropped(receiver) - before < int(sent) * _ARRIVING:
        raise RuntimeError(f"packets to {address} do not arrive at {receiver}")
    return float(rate)


def _dropped(machine: str) -> int:
    """UDP packets that arrived for a full socket (RFC 4113, udpInErrors)."""
    lines = namespaces.run(machine, "cat", "/proc/self/net/snmp").splitlines()
    names, values = (line.split() for line in lines if line.startswith("Udp:"))
    return int(dict(zip(names, values, strict=True))["InErrors"])


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *namespaces.within(INTERNET_HOST, *command), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), SECONDS + 30)
    return output.decode()
