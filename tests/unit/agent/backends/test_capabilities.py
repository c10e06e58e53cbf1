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
    return capabilities.detect(vlan_8021q=False, no_offload=None, unprivileged_vpn=False)


def test_a_kernel_without_modules_has_none(modules: Path) -> None:
    assert not list(modules.iterdir())
    found = detected()
    assert not any((found.wireguard, found.vrf, found.openvpn_dco))


def test_what_is_there_to_be_loaded_counts_compressed_or_not(modules: Path) -> None:
    (modules / "modules.dep").write_text(
        "kernel/drivers/net/wireguard/wireguard.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n"
        "kernel/drivers/net/ovpn/ovpn.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n"
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


def says(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    # Some versions end with 1 after they have said it.
    monkeypatch.setattr(capabilities, "COMMAND", ("sh", "-c", 'echo "$0"; exit 1', text))


@pytest.mark.parametrize(
    ("said", "why_not"),
    [
        ("OpenVPN 2.7.8 x86_64-pc-linux-gnu [SSL (OpenSSL)] [DCO]", None),
        ("OpenVPN 2.10_git x86_64-pc-linux-gnu [DCO]", None),
        ("OpenVPN 2.6.14 x86_64-pc-linux-gnu [SSL (OpenSSL)] [DCO]", "OpenVPN 2.6.14 is older than 2.7"),
        (
            "OpenVPN 2.7.8 x86_64-pc-linux-gnu [SSL (OpenSSL)]\nDCO version: [DCO]",
            "OpenVPN 2.7.8 was built without data channel offload",
        ),
        ("", "OpenVPN does not tell its version"),
    ],
)
def test_the_kernel_carries_tunnels_with_its_module_and_an_openvpn_that_knows_it(
    modules: Path, monkeypatch: pytest.MonkeyPatch, said: str, why_not: str | None
) -> None:
    says(monkeypatch, said)
    assert capabilities.no_offload() == "no kernel module ovpn"
    (modules / "modules.dep").write_text(
        "kernel/drivers/net/ovpn/ovpn.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n"
    )
    assert capabilities.no_offload() == "the kernel module ovpn is not loaded"
    (modules.parents[1] / "loaded/ovpn").mkdir()
    assert capabilities.no_offload() == why_not


def test_openvpn_is_not_asked_at_a_start_where_the_kernel_has_no_module(
    modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    script = f"echo >> {asked}; echo 'OpenVPN 2.7.8 x86_64-pc-linux-gnu [DCO]'"
    monkeypatch.setattr(capabilities, "COMMAND", ("sh", "-c", script))
    assert capabilities.no_offload() == "no kernel module ovpn"
    assert not asked.exists()
    assert detected().openvpn == "2.7.8"
    (modules / "modules.builtin").write_text("kernel/drivers/net/ovpn/ovpn.ko\n")
    assert capabilities.no_offload() is None
    assert asked.read_text() == "\n\n"


def test_a_module_that_is_built_in_need_not_be_loaded(modules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, "OpenVPN 2.7.8 x86_64-pc-linux-gnu [DCO]")
    (modules / "modules.builtin").write_text("kernel/drivers/net/ovpn/ovpn.ko\n")
    assert capabilities.no_offload() is None


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("OpenVPN 2.7.8 x86_64-pc-linux-gnu [SSL (OpenSSL)] [DCO]", "2.7.8"),
        ("OpenVPN 2.8_git x86_64-pc-linux-gnu", "2.8_git"),
        ("what is an OpenVPN 2.7.8 to you?", None),
        ("", None),
    ],
)
@pytest.mark.usefixtures("modules")
def test_openvpn_says_which_version_it_is(
    monkeypatch: pytest.MonkeyPatch, said: str, version: str | None
) -> None:
    says(monkeypatch, said)
    assert detected().openvpn == version


@pytest.mark.usefixtures("modules")
def test_without_openvpn_there_is_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "COMMAND", ("no-such-program",))
    assert detected().openvpn is None
