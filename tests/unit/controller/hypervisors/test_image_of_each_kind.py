"""What is no image of its kind is said to be none, and the host need not be asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import UNSET

from causeway_controller.contract.provider import Host, HostKind, Storage
from causeway_controller.hypervisors import hosts
from causeway_controller.hypervisors.base import HypervisorError, Imaged
from causeway_controller.hypervisors.libvirt import binding
from causeway_wire.types import Secret

ENDPOINTS = {
    HostKind.LIBVIRT: "qemu:///system",
    HostKind.VSPHERE: "https://vcenter.example/sdk",
    HostKind.HYPERV: "https://hv1.example:5986/wsman",
}
ENDINGS = {HostKind.LIBVIRT: ".qcow2", HostKind.VSPHERE: ".ova", HostKind.HYPERV: ".vhdx"}
SAYS = {HostKind.LIBVIRT: "qcow2", HostKind.VSPHERE: "OVA", HostKind.HYPERV: "VHDX"}


def provider(kind: HostKind, image: Path) -> Any:
    storage = Storage(id="C:\\appliances" if kind is HostKind.HYPERV else "appliances")
    host = Host(id="h1", kind=kind, endpoint=ENDPOINTS[kind], storage=storage, login=UNSET)
    login = None if kind is HostKind.LIBVIRT else Secret("operator\nsecret\n")
    return hosts.provider(host, login, image=image)


@pytest.mark.parametrize("kind", ENDPOINTS)
@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04" + bytes(4096)], ids=["none", "empty", "zip"])
async def test_a_wrong_image_is_refused_by_its_name(
    kind: HostKind, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Debian's binding is installed for the tests with a libvirtd only.
    monkeypatch.setattr(binding, "load", lambda: SimpleNamespace(libvirtError=OSError))
    image = tmp_path / "appliance.qcow2"
    if content is not None:
        image.with_suffix(ENDINGS[kind]).write_bytes(content)
    asked = provider(kind, image)
    assert isinstance(asked, Imaged)
    with pytest.raises(HypervisorError, match=SAYS[kind]) as raised:
        await asked.image()
    assert "the setting appliances.image" in str(raised.value)
