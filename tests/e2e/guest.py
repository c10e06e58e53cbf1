"""The smallest VM that answers: the image's own kernel, and one program on busybox.

It answers ARP, neighbour discovery, ICMP and HTTP at its addresses, and asks others when it is told to.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from causeway_lab.world.topology import Machine
from tests.update_parts import Parts

BUSYBOX: Final = Path("/bin/busybox")
PROGRAM: Final = Path(__file__).with_name("guest.sh")
_MEBIBYTES: Final = 96
_MODULES: Final = ("net/core/failover", "drivers/net/net_failover", "drivers/net/virtio_net")
"""In the order in which they need each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What a guest boots."""

    linux: Path
    initrd: Path


def made(parts: Parts, place: Path) -> System:
    """Make what guests boot, in this directory which is empty."""
    tree = place / "tree"
    for directory in ("bin", "dev", "proc", "modules"):
        (tree / directory).mkdir(parents=True)
    shutil.copy2(BUSYBOX, tree / "bin/busybox")
    shutil.copy2(PROGRAM, tree / "init")
    (tree / "init").chmod(0o755)
    unpacked = place / "unpacked"
    parts.unpack(unpacked, *(f"usr/lib/modules/*/kernel/{name}.ko" for name in _MODULES))
    for number, name in enumerate(_MODULES):
        (module,) = unpacked.glob(f"usr/lib/modules/*/kernel/{name}.ko")
        shutil.copy2(module, tree / f"modules/{number}.ko")
    names = "\n".join(str(one.relative_to(tree)) for one in sorted(tree.rglob("*")))
    initrd = place / "initrd"
    with initrd.open("wb") as archive:
        words = ("cpio", "--create", "--format=newc", "--quiet")
        subprocess.run(words, cwd=tree, input=names.encode(), stdout=archive, check=True)
    return System(linux=parts.directory / "linux", initrd=initrd)


def describe(machine: Machine, identity: str, system: System, bridge: str, console: Path) -> str:
    """Return the domain of this machine with one adapter, at this bridge; `console`: a file for its words."""
    (port,) = machine.ports
    root = ET.Element("domain", type="qemu")
    for name, text in {"name": machine.name, "uuid": identity}.items():
        ET.SubElement(root, name).text = text
    ET.SubElement(root, "memory", unit="MiB").text = str(_MEBIBYTES)
    start = ET.SubElement(root, "os")
    ET.SubElement(start, "type", arch="x86_64", machine="q35").text = "hvm"
    ET.SubElement(start, "kernel").text = str(system.linux)
    ET.SubElement(start, "initrd").text = str(system.initrd)
    ET.SubElement(start, "cmdline").text = _command_line(machine)
    ET.SubElement(ET.SubElement(root, "features"), "acpi")
    devices = ET.SubElement(root, "devices")
    interface = ET.SubElement(devices, "interface", type="bridge")
    ET.SubElement(interface, "mac", address=port.mac)
    ET.SubElement(interface, "source", bridge=bridge)
    ET.SubElement(interface, "model", type="virtio")
    ET.SubElement(interface, "rom", enabled="no")
    serial = ET.SubElement(devices, "serial", type="file")
    ET.SubElement(serial, "source", path=os.fspath(console))
    ET.SubElement(devices, "memballoon", model="none")
    return ET.tostring(root, encoding="unicode")


def _command_line(machine: Machine) -> str:
    """What has no dot in its name and is not the kernel's goes to init's environment (bootparam(7))."""
    (port,) = machine.ports
    told = {
        "NAME": machine.name,
        "ADDRESSES": " ".join(map(str, port.addresses)),
        "GATEWAYS": " ".join(map(str, machine.gateways)),
    }
    words = " ".join(f'{name}="{value}"' for name, value in told.items())
    return f"console=ttyS0 quiet panic=1 tsc=reliable no_timer_check {words}"
