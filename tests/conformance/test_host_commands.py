"""`causeway host add` and `host selftest` as they are typed, on each kind of host."""

from __future__ import annotations

import asyncio
import functools
import json
from pathlib import Path

import pytest
import typer
from pyVmomi import vim
from typer.testing import CliRunner

from causeway_controller.app import preparing
from causeway_controller.commands.host_add import add
from causeway_controller.commands.host_selftest import selftest
from causeway_controller.hypervisors import hosts
from causeway_controller.hypervisors.hyperv import opening as hyperv_opening
from causeway_controller.hypervisors.libvirt import emulator
from causeway_controller.settings import load
from tests import vcenter
from tests.conformance.kinds import HypervKind, Kind, LabKind, LibvirtKind, VsphereKind
from tests.hyperv import host as hyperv_host
from tests.libvirtd import POOL

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(120)]

COMMANDS = typer.Typer()
COMMANDS.command()(add)
COMMANDS.command()(selftest)


def described(kind: Kind) -> tuple[Path, list[str]]:
    """The appliance's image, and the words that describe the host."""
    if isinstance(kind, VsphereKind):
        centre = kind.centre
        words = ["--kind", "vsphere", "--endpoint", f"https://{centre.host}:{centre.port}/sdk"]
        words += ["--storage", centre.id(vim.Datastore, "LocalDS_0"), "--pin", centre.pin]
        words += ["--cluster", centre.id(vim.ComputeResource, kind.compute), "--user", vcenter.USER]
        return kind.image.with_suffix(".qcow2"), words
    if isinstance(kind, HypervKind):
        words = ["--kind", "hyperv", "--endpoint", f"https://127.0.0.1:{kind.host.port}/wsman"]
        words += ["--storage", hyperv_host.DIRECTORY, "--pin", kind.host.pin]
        return kind.image, [*words, "--user", f"{hyperv_host.DOMAIN}\\{hyperv_host.USER}"]
    if isinstance(kind, LibvirtKind):
        return kind.image, ["--kind", "libvirt", "--endpoint", kind.daemon.uri, "--storage", POOL]
    assert isinstance(kind, LabKind)
    return kind.socket, ["--kind", "lab", "--endpoint", f"unix://{kind.socket}", "--storage", "lab"]


@pytest.mark.shows(operation="add", fault="none")
async def test_a_host_is_added_and_tried(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Emulated: whether the machine has KVM, and whether that works, is not what is tested.
    monkeypatch.setattr(emulator, "kind", lambda _: "qemu")
    if isinstance(kind, HypervKind):
        # The inventory says no port of SMB: on Windows it is always the same.
        files = functools.partial(hyperv_opening.open_host, smb=kind.host.smb)
        monkeypatch.setattr(hosts, "provider", lambda host, login, *, image: files(host, login, image))
    password = hyperv_host.PASSWORD if isinstance(kind, HypervKind) else vcenter.PASSWORD
    image, words = described(kind)
    config, state = tmp_path / "one.yaml", tmp_path / "one"
    config.write_text(f"state: {state}\nappliances:\n  image: {image}\n")
    list(preparing.prepare(load(config, {}), names=(), token_file=state / "token"))
    had = kind.there()

    async def run(*asked: str) -> dict[str, object]:
        line = [*asked, "--json", "--config", str(config)]
        done = await asyncio.to_thread(CliRunner().invoke, COMMANDS, line, input=f"{password}\n")
        assert done.exit_code == 0, done.output
        assert password not in done.output
        told: dict[str, object] = json.loads(done.stdout)
        return told

    assert (await run("add", "h1", *words))["entered"] is True
    networks = [word for nic in kind.spec.nics for word in ("--network", nic.segment)]
    assert (await run("selftest", "h1", *networks))["passed"] is True
    assert kind.there() == had
