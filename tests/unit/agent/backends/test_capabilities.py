"""What the kernel can, from what it has loaded, built in, and there to be loaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from causeway_agent.backends.host import capabilities
from causeway_wire.observed import Capabilities


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The modules' directory of the running kernel; what is loaded is beside it."""
    monkeypatch.setattr(capabilities, "_MODULES", tmp_path / "modules")
    monkeypatch.setattr(capabilities, "_LOADED", tmp_path / "loaded")
    (tmp_path / "loaded").mkdir()
    directory = tmp_path / "modules" / os.uname().release
    directory.mkdir(parents=True)
    return directory


def detected() -> Capabilities:
    return capabilities.detect(vlan_8021q=False, unprivileged_vpn=False)


def test_a_kernel_without_modules_has_none(modules: Path) -> None:
    assert not list(modules.iterdir())
    found = detected()
    assert not any((found.wireguard, found.vrf, found.openvpn_dco))


def test_what_is_there_to_be_loaded_counts_compressed_or_not(modules: Path) -> None:
    (modules / "modules.dep").write_text(
        "kernel/drivers/net/wireguard/wireguard.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n"
        "kernel/drivers/net/ovpn-dco-v2.ko:\n"
    )
    found = detected()
    assert found.wireguard
    assert found.openvpn_dco
    assert not found.vrf


def test_what_is_built_in_or_loaded_counts(modules: Path) -> None:
    (modules / "modules.builtin").write_text("kernel/drivers/net/vrf.ko\n")
    (modules.parents[1] / "loaded/wireguard").mkdir()
    found = detected()
    assert found.vrf
    assert found.wireguard


def test_a_module_that_another_one_needs_is_not_taken_for_itself(modules: Path) -> None:
    (modules / "modules.dep").write_text("kernel/net/foo.ko: kernel/net/vrf.ko\nkernel/net/not_vrf.ko:\n")
    assert not detected().vrf


def test_a_kernel_that_has_openvpns_module_could_carry_its_packets(modules: Path) -> None:
    assert not capabilities.offloads()
    (modules / "modules.dep").write_text(
        "kernel/drivers/net/ovpn/ovpn.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n"
    )
    assert capabilities.offloads()


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("OpenVPN 2.7.8 x86_64-pc-linux-gnu [SSL (OpenSSL)] [DCO]", "2.7.8"),
        ("OpenVPN 2.8_git x86_64-pc-linux-gnu", "2.8_git"),
        ("what is an OpenVPN 2.7.8 to you?", None),
        ("", None),
    ],
)
def test_openvpn_says_which_version_it_is(said: str, version: str | None) -> None:
    # Some versions end with 1 after they have said it.
    assert capabilities.openvpn_version(("sh", "-c", 'echo "$0"; exit 1', said)) == version


def test_without_openvpn_there_is_no_version() -> None:
    assert capabilities.openvpn_version(("no-such-program",)) is None
