"""A tunnel that the kernel carries, between two real agents in namespaces of the booted flavour `offload`.

No kernel but that image's has the module, so that what the kernel tests do in namespaces of this machine is
done in namespaces of that one, with this checkout's agent.
"""

from __future__ import annotations

import io
import ipaddress
import json
import subprocess
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest

from causeway_agent.settings import Settings
from causeway_controller.trust import pki, tls_crypt
from causeway_wire import codec
from causeway_wire.desired import (
    Desired,
    InnerAddresses,
    Management,
    Nic,
    Partial,
    ProductionNetwork,
    ProviderNetwork,
    ProviderRole,
    Remote,
    Replica,
    TenantRole,
    TunnelClient,
    TunnelServer,
)
from image import boot
from image.flavour import OFFLOAD
from image.workshop import ROOT

SECONDS = 1500.0
"""Until the machine is up, where processors are emulated and busy."""
pytestmark = [pytest.mark.booted, pytest.mark.timeout(3 * SECONDS)]
RESTARTS = 5
TENANT, TUNNEL = "acme", "acme-web"
CLIENT, SERVER = "acme-web.client", "acme-web.server"
SOURCES = ("agent/src/causeway_agent", "wire/src/causeway_wire")
PARTS = ("benchmarks/__init__.py", "benchmarks/offload_world.py", "tests/booted/carried_guest.py")
NET_ADMIN = 1 << 12
"""CAP_NET_ADMIN, linux/capability.h."""
_PREFIXES = tuple(map(ipaddress.ip_network, ("192.168.10.0/24", "fd00:10::/64")))
_GATEWAYS = tuple(map(ipaddress.ip_address, ("192.168.10.1", "fd00:10::1")))
_REPLICAS = Partial(
    replicas=(
        Replica(
            vm="web1",
            network="net-0",
            addresses=tuple(map(ipaddress.ip_address, ("192.168.10.12", "fd00:10::12"))),
        ),
    )
)


_MACS = {device: f"02:00:00:00:00:0{index}" for index, device in enumerate(("upl", "vlan", "wan", "lan"))}


def _nic(device: str, *addresses: str, gateways: tuple[str, ...] = ()) -> Nic:
    # The guest's part puts the MAC address in.
    return Nic(
        name=device,
        mac=_MACS[device],
        addresses=tuple(map(ipaddress.ip_interface, addresses)),
        gateways=tuple(map(ipaddress.ip_address, gateways)),
    )


def _inner(ours: int, theirs: int) -> tuple[InnerAddresses, ...]:
    return tuple(
        InnerAddresses(
            local=ipaddress.ip_address(form.format(ours)), peer=ipaddress.ip_address(form.format(theirs))
        )
        for form in ("100.64.0.{}", "fd64::{}")
    )


class Site:
    """Documents, settings and keys of both ends."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.authority = pki.make_vpn_authority(TENANT, now=self.now)
        self.server_key = tls_crypt.make_server_key()
        self.keys: dict[str, str] = {}

    def files(self) -> dict[str, dict[str, str]]:
        """Files by end and name, adapters named by device."""
        return {
            "sapp": self._end(self._provider(), "sapp", SERVER),
            "tapp": self._end(self._tenant(), "tapp", CLIENT),
        }

    def _end(self, document: Desired, machine: str, key: str) -> dict[str, str]:
        settings = Settings(
            appliance=document.appliance,
            management=document.management,
            nics=document.nics,
            controller_ca=self.authority.pem,
            state_directory=f"/run/carried/{machine}/state",
            run_directory=f"/run/carried/{machine}/run",
        )
        texts = {"settings.json": settings, "document.json": document}
        return {
            **{name: _by_device(codec.encode(text).decode(), document) for name, text in texts.items()},
            f"state/keys/{key}.key": self.keys[key],
        }

    def _certificate(self, name: str, usage: pki.Usage) -> str:
        key = pki.make_key()
        self.keys[name] = pki.private_pem(key).decode()
        return pki.pem(self.authority.issue(key.public_key(), common_name=name, usage=usage, now=self.now))

    def _provider(self) -> Desired:
        tunnel = TunnelServer(
            id=TUNNEL,
            inner=_inner(1, 2),
            listen=ipaddress.ip_address("10.10.0.20"),
            port=1195,
            key=SERVER,
            certificate=self._certificate(SERVER, pki.Usage.SERVER),
            ca=self.authority.pem,
            peer_name=CLIENT,
            tls_crypt=self.server_key,
        )
        network = ProviderNetwork(
            id="net-0", nic="vlan", prefixes=_PREFIXES, gateways=_GATEWAYS, tunnel=tunnel
        )
        role = ProviderRole(tenant=TENANT, uplink="upl", networks=(network,), failover=_REPLICAS)
        nics = (
            _nic("upl", "10.10.0.20/24", gateways=("10.10.0.5",)),
            _nic("vlan", "192.168.10.251/24", "fd00:10::251/64"),
        )
        return _document("provider", role, "upl", "10.10.0.20", nics)

    def _tenant(self) -> Desired:
        claim = tls_crypt.Claim(tenant=TENANT, tunnel=TUNNEL)
        tunnel = TunnelClient(
            id=TUNNEL,
            inner=_inner(2, 1),
            remotes=(Remote(address=ipaddress.ip_address("203.0.113.10"), port=6180),),
            key=CLIENT,
            certificate=self._certificate(CLIENT, pki.Usage.CLIENT),
            ca=self.authority.pem,
            peer_name=SERVER,
            tls_crypt=tls_crypt.make_client_key(self.server_key, claim),
            gateway_ca=self.authority.pem,
            gateway_name="gateway.example",
        )
        network = ProductionNetwork(id="net-0", nic="lan", prefixes=_PREFIXES, gateways=_GATEWAYS)
        role = TenantRole(tenant=TENANT, network=network, tunnel=tunnel, failover=_REPLICAS)
        nics = (
            _nic("wan", "203.0.113.2/24", gateways=("203.0.113.10",)),
            _nic("lan", "192.168.10.250/24", "fd00:10::250/64"),
        )
        return _document("tenant", role, "wan", "203.0.113.2", nics)


def _document(
    name: str, role: ProviderRole | TenantRole, nic: str, address: str, nics: tuple[Nic, ...]
) -> Desired:
    anywhere = (ipaddress.ip_network("0.0.0.0/0"),)
    management = Management(nic=nic, address=ipaddress.ip_address(address), sources=anywhere)
    return Desired(appliance=name, generation=1, epoch=1, management=management, nics=nics, role=role)


def _by_device(text: str, document: Desired) -> str:
    """The text with each adapter's device in the place of its MAC address."""
    for nic in document.nics:
        text = text.replace(f'"{nic.mac}"', f'"@{nic.name}@"', 1)
    return text


def packed(given: dict[str, Any]) -> bytes:
    """What runs in the machine as one archive: this checkout's agent, the guest's part, what is asked."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as whole:
        for source in SOURCES:
            for path in sorted((ROOT / source).rglob("*.py")):
                whole.writestr(str(path.relative_to((ROOT / source).parent)), path.read_bytes())
        for name in (*PARTS, "tests/booted/carried_agent.py"):
            whole.writestr(name, (ROOT / name).read_bytes())
        for package in ("tests/__init__.py", "tests/booted/__init__.py"):
            whole.writestr(package, "")
        call = f"carried_guest.main(json.loads({json.dumps(given)!r}))"
        start = f"import json\nfrom tests.booted import carried_guest\n{call}\n"
        whole.writestr("start.py", start)
    return archive.getvalue()


def ask(login: tuple[str, ...], given: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the guest's part; its results."""
    unpack = "import sys, io, zipfile; zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())).extractall('.')"
    place = "rm -rf /run/carried && mkdir -m 755 -p /run/carried/source && cd /run/carried/source"
    command = f'{place} && python3 -c "{unpack}" && exec python3 -u start.py'
    done = subprocess.run([*login, command], input=packed(given), capture_output=True, check=False)
    told = done.stdout.decode()
    assert done.returncode == 0, f"{told[-9000:]}\n{done.stderr.decode()[-9000:]}"
    lines = [line.removeprefix("RESULT ") for line in told.splitlines() if line.startswith("RESULT ")]
    return [json.loads(line) for line in lines]


def results_of(what: str, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in results if one["what"] == what]


def test_a_tunnel_that_the_kernel_carries_passes_traffic_after_each_restart_of_either_end() -> None:
    found = sorted(OFFLOAD.dist(ROOT).glob("causeway-*.qcow2"))
    if not found:
        pytest.skip("there is no image of this flavour: make image FLAVOUR=offload")
    machine = boot.Machine(acceleration=boot.choose("auto"), seconds=SECONDS, firmware="bios")
    with boot.booted(found[-1], machine) as up:
        results = ask(up.login, {"files": Site().files(), "restarts": RESTARTS})
    assert [one["state"] for one in results_of("change", results)] == ["done", "done"]
    assert all(one["passed"] is not None for one in results_of("passes", results))
    for end in results_of("carried", results):
        assert (end["carrier"], end["why_not"], end["transport"]) == ("kernel", None, "udp")
        assert end["devices"]
        assert end["user"] != 0
        assert set(end["rights"].values()) == {NET_ADMIN}
    (isolated,) = results_of("isolated", results)
    assert (isolated["control"], isolated["other"]) == (True, False)
    restarts = results_of("restart", results)
    assert len(restarts) == 2 * RESTARTS
    assert all(one["passed"] is not None for one in restarts)
    assert all(one["passed"] is not None for one in results_of("flow", results))
