"""Tunnel throughput: ours against stock OpenVPN and against the set tuned by hand, side by side in one run.

Ours runs between real agents through our gateway; the others on an equal path without our code
(`bare_pair`). Rounds are interleaved, so that drift of the machine's speed meets all three alike. All
machines share this host's cores: read the ratios, not the Mbit/s.
"""

from __future__ import annotations

import asyncio
import json
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import bare_pair, report, world
from causeway_controller.trust import pki, tls_crypt
from causeway_lab.assembly.lab import Lab
from causeway_lab.service import drill
from causeway_lab.world import namespaces, topology
from causeway_lab.world.topology import original_of, replica_of

ROUNDS = 5
_SECONDS = 3
_DIRECTORY = Path("/run/bench-tunnel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One TCP flow."""

    mbits: float
    retransmits: int


async def main() -> None:
    """Measure and publish."""
    world_topology = bare_pair.extend(topology.build(tenants=1, networks=1, gateways=1))
    async with world.lab(world_topology) as lab:
        bare_pair.prepare(_DIRECTORY, credentials())
        await drill.fail_over(lab, [world.VM])
        rounds = [await _round(lab, reverse=bool(index % 2)) for index in range(2 * ROUNDS)]
    _publish(rounds)


async def _round(lab: Lab, *, reverse: bool) -> dict[str, Flow]:
    flows = {}
    for name, options in (("stock", bare_pair.STOCK), ("tuned", bare_pair.TUNED)):
        async with bare_pair.Pair(_DIRECTORY, options):
            flows[name] = await _flow(bare_pair.CLIENT, bare_pair.SERVER, bare_pair.REPLICA, reverse=reverse)
    address = str(lab.vm(world.VM).addresses[0])
    flows["ours"] = await _flow(
        original_of("acme", "web1"), replica_of("acme", "db1"), address, reverse=reverse
    )
    return flows


def _publish(rounds: list[dict[str, Flow]]) -> None:
    against_stock = [flows["ours"].mbits / flows["stock"].mbits for flows in rounds]
    against_tuned = [flows["ours"].mbits / flows["tuned"].mbits for flows in rounds]
    retransmits = [float(flows["ours"].retransmits) for flows in rounds]
    medians = {
        name: statistics.median(flows[name].mbits for flows in rounds) for name in ("stock", "tuned", "ours")
    }
    report.publish(
        "tunnel",
        [
            report.figure(
                "throughput, ours / stock",
                against_stock,
                "ratio",
                target=1.4,
                better="higher",
                compared_with="OpenVPN with default options",
            ),
            report.figure(
                "throughput, ours / tuned",
                against_tuned,
                "ratio",
                target=0.95,
                better="higher",
                compared_with="OpenVPN tuned by hand",
            ),
            report.figure("retransmits, ours", retransmits, "segments in 3 s", target=10, better="lower"),
        ],
        note="medians in Mbit/s: " + ", ".join(f"{name} {value:.0f}" for name, value in medians.items()),
    )


async def _flow(client: str, server: str, address: str, *, reverse: bool) -> Flow:
    """One TCP flow between two machines, toward the server's address or back when `reverse`."""
    serving = await asyncio.create_subprocess_exec(
        *namespaces.within(server, "iperf3", "-s"), stdout=asyncio.subprocess.DEVNULL
    )
    await asyncio.sleep(0.3)
    direction = ("-R",) if reverse else ()
    command = ("iperf3", "-J", "-c", address, "-t", str(_SECONDS), "-O", "1", *direction)
    try:
        process = await asyncio.create_subprocess_exec(
            *namespaces.within(client, *command), stdout=asyncio.subprocess.PIPE
        )
        output, _ = await asyncio.wait_for(process.communicate(), _SECONDS + 20)
    finally:
        serving.kill()
        await serving.wait()
    answer = json.loads(output)
    if "error" in answer:
        raise RuntimeError(f"iperf3 from {client} to {address}: {answer['error']}")
    end = answer["end"]
    return Flow(
        mbits=end["sum_received"]["bits_per_second"] / 1e6, retransmits=end["sum_sent"].get("retransmits", 0)
    )


def credentials() -> bare_pair.Credentials:
    """Certificates and keys of the hand-made pair, like those the lab issues."""
    now = datetime.now(UTC)
    authority = pki.make_vpn_authority("bench", now=now)
    server_tls_crypt = tls_crypt.make_server_key()
    claim = tls_crypt.Claim(tenant="bench", tunnel="net1")
    files = {
        "ca.crt": authority.pem,
        "server.tlscrypt": server_tls_crypt.reveal(),
        "client.tlscrypt": tls_crypt.make_client_key(server_tls_crypt, claim).reveal(),
    }
    for name, usage in (("server", pki.Usage.SERVER), ("client", pki.Usage.CLIENT)):
        key = pki.make_key()
        certificate = authority.issue(key.public_key(), common_name=name, usage=usage, now=now)
        files |= {f"{name}.key": pki.private_pem(key).decode("ascii"), f"{name}.crt": pki.pem(certificate)}
    return bare_pair.Credentials(files=files)


if __name__ == "__main__":
    asyncio.run(main())
