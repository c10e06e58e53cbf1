"""What this machine can do, found out once at the start."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from causeway_wire.observed import Capabilities

_MODULES = Path("/lib/modules")
_LOADED = Path("/sys/module")
_PATIENCE = 10.0
"""Seconds; it says so at once, but for a machine that is emulated and busy."""


def detect(*, vlan_8021q: bool, unprivileged_vpn: bool) -> Capabilities:
    """The capabilities of the running kernel: loaded, built in, or there to be loaded.

    Whether it makes VLANs decides what is refused, so that the kernel itself was asked (`rtnl_l2`). Blocks
    while OpenVPN is asked for its version.
    """
    known = _known()
    return Capabilities(
        kernel=os.uname().release,
        vlan_8021q=vlan_8021q,
        wireguard=_has("wireguard", known),
        openvpn_dco=_offloads(known),
        openvpn=openvpn_version(),
        vrf=_has("vrf", known),
        unprivileged_vpn=unprivileged_vpn,
    )


def offloads() -> bool:
    """Whether this kernel could carry an OpenVPN tunnel's packets itself."""
    return _offloads(_known())


def openvpn_version(command: tuple[str, ...] = ("openvpn", "--version")) -> str | None:
    """OpenVPN's version, in its own words; None where it is not there or does not say."""
    try:
        done = subprocess.run(
            command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"OpenVPN (\d[\w.~+-]{0,31})\s", done.stdout)
    return None if found is None else found[1]


def _known() -> frozenset[str]:
    """Modules that are built in, or there to be loaded."""
    place = _MODULES / os.uname().release
    return _listed(place / "modules.builtin") | _listed(place / "modules.dep")


def _offloads(known: frozenset[str]) -> bool:
    # `ovpn` is the module of Linux 6.16 and later, `ovpn-dco-v2` the one packaged before.
    return _has("ovpn", known) or _has("ovpn-dco-v2", known)


def _has(module: str, known: frozenset[str]) -> bool:
    name = module.replace("-", "_")
    return name in known or (_LOADED / name).exists()


def _listed(path: Path) -> frozenset[str]:
    """Module names in a list of depmod(8), one path per line; what follows a colon are others it needs."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    return frozenset(
        name.replace("-", "_")
        for name in re.findall(r"^(?:[^:\n]*/)?([^/:\n]+?)\.ko[.:\s]", text, re.MULTILINE)
    )
