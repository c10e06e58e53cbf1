"""KVM is chosen where it has proved itself, and nowhere else. QEMU is a script here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from causeway_lab.qemu import acceleration
from causeway_lab.qemu.acceleration import KVM, TCG


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "kvm"
    path.touch()
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache.json"


def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "bin" / acceleration.QEMU
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho >>{tmp_path}/started\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)


def starts(tmp_path: Path) -> int:
    return len((tmp_path / "started").read_text().splitlines())


def age(cache: Path) -> None:
    """Make the verdict one of another boot."""
    cache.write_text(json.dumps({**json.loads(cache.read_text()), "boot": "an earlier one"}))


def tear(cache: Path) -> None:
    cache.write_text("{")


async def test_a_machine_that_boots_proves_kvm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Path, cache: Path
) -> None:
    qemu(tmp_path, monkeypatch, "exit 33")
    assert (await acceleration.choose(cache=cache, node=node)).name == KVM


async def test_the_machine_does_what_uefi_begins_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Path, cache: Path
) -> None:
    """fwait and fninit, at which a KVM that has to emulate them gives up."""
    sector = "$(echo \"$*\" | sed 's/.*file=\\([^,]*\\),.*/\\1/')"
    qemu(tmp_path, monkeypatch, f"od -An -tx1 -N16 {sector} | grep -q '9b db e3' && exit 33; exit 1")
    assert (await acceleration.choose(cache=cache, node=node)).name == KVM


async def test_a_machine_that_hangs_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Path, cache: Path
) -> None:
    qemu(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(acceleration, "PROBE_SECONDS", 0.2)
    chosen = await acceleration.choose(cache=cache, node=node)
    assert chosen.name == TCG
    assert "no machine booted" in chosen.reason


async def test_a_qemu_that_fails_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Path, cache: Path
) -> None:
    qemu(tmp_path, monkeypatch, "exit 1")
    assert "exit code 1" in (await acceleration.choose(cache=cache, node=node)).reason


async def test_without_a_node_nothing_is_started(tmp_path: Path, cache: Path) -> None:
    chosen = await acceleration.choose(cache=cache, node=tmp_path / "none")
    assert chosen.name == TCG
    assert not (tmp_path / "started").exists()


async def test_the_verdict_lasts_until_the_next_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Path, cache: Path
) -> None:
    qemu(tmp_path, monkeypatch, "exit 33")
    first = await acceleration.choose(cache=cache, node=node)
    assert await acceleration.choose(cache=cache, node=node) == first
    assert starts(tmp_path) == 1
    age(cache)
    assert (await acceleration.choose(cache=cache, node=node)).name == first.name
    assert starts(tmp_path) == 2


async def test_a_torn_verdict_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Path, cache: Path
) -> None:
    qemu(tmp_path, monkeypatch, "exit 33")
    tear(cache)
    assert (await acceleration.choose(cache=cache, node=node)).name == KVM
