"""What the machine has before anybody configured it, as sysfs shows it (sysfs(5))."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from causeway_wire.types import MacAddress

ADAPTERS = Path("/sys/class/net")
VLAN = Path("/proc/net/vlan")
_NONE = "00:00:00:00:00:00"


def adapters(directory: Path = ADAPTERS) -> Mapping[MacAddress, str]:
    """Device name by MAC address. Hardware goes before what was made on top of it with the same address."""
    found: dict[MacAddress, str] = {}
    try:
        devices = sorted(directory.iterdir(), key=lambda path: (not (path / "device").exists(), path.name))
    except OSError:
        return found
    for device in devices:
        try:
            mac = (device / "address").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if mac and mac != _NONE:
            found.setdefault(mac, device.name)
    return found


def makes_vlans(directory: Path = VLAN) -> bool:
    """Whether the 802.1Q module is there; the image loads it before first boot."""
    return directory.is_dir()
