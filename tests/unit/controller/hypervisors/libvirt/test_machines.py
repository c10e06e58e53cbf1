"""What a host says that does not start a machine, and what is said of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.libvirt import binding, machines

VM = "7a0d2f5e-8c1b-4b57-9a55-0d2c3a1f4e60"
NO_SMM = (
    "internal error: process exited while connecting to monitor: qemu-system-x86_64: "
    "System Management Mode not supported by this hypervisor."
)


class FakeLibvirtError(Exception):
    def get_error_code(self) -> int:
        return 1


class Domain:
    """One that does not start."""

    def __init__(self, why: str) -> None:
        self._why = why

    def name(self) -> str:
        return "acme-kvm1-0a1b2c3d"

    def XMLDesc(self) -> str:  # noqa: N802 - the binding's name
        return "<domain/>"

    def isActive(self) -> int:  # noqa: N802 - the binding's name
        return 0

    def create(self) -> None:
        raise FakeLibvirtError(self._why)


class Connection:
    def __init__(self, why: str) -> None:
        self._domain = Domain(why)

    def lookupByUUIDString(self, identity: str) -> Domain:  # noqa: N802 - the binding's name
        if identity != VM:
            raise FakeLibvirtError("Domain not found")
        return self._domain


@pytest.fixture(autouse=True)
def _fake_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    there = SimpleNamespace(libvirtError=FakeLibvirtError, VIR_ERR_NO_DOMAIN=1)
    monkeypatch.setattr(binding, "load", lambda: there)


def test_a_kvm_that_cannot_do_secure_boot_is_told_with_both_ways_out() -> None:
    with pytest.raises(HypervisorError, match=r"no System Management Mode.*Secure Boot.*deploy") as caught:
        machines.start(Connection(NO_SMM), VM)
    assert isinstance(caught.value.__cause__, FakeLibvirtError)


def test_what_else_a_host_refuses_stays_as_it_says_it() -> None:
    with pytest.raises(FakeLibvirtError, match="no space left"):
        machines.start(Connection("no space left"), VM)
